"""The pictures of an item: of a list the first that can be read, and of videos some frames."""

from collections.abc import Sequence

from PIL import Image

from recbench.captioning.frames import can_read_videos, is_moving, is_video, read_frames
from recbench.captioning.images import NO_PICTURE, UnreadableImageError, open_image
from recbench.console.visible import for_people
from recbench.data.dataset import RecommendationData
from recbench.data.image_paths import LocatedImage, image_names
from recbench.errors import UserError
from recbench.schema import CaptionerConfig

VIDEO = "the image is a video, and captioner.frames is 0"
LONGEST_PATH = 120  # letters of one that are shown


def most_pictures(config: CaptionerConfig) -> int:
    """Most pictures that a captioner reads of an item: frames are pictures."""
    return config.pictures * max(config.frames, 1)


def read_pictures(sources: Sequence[LocatedImage], config: CaptionerConfig) -> tuple[list[Image.Image], list[str]]:
    """The pictures of an item, in order, from the first `captioner.pictures` files that can be read.

    Returns:
        RGB pictures, `captioner.frames` of a video or an animation; and why files on the way to them cannot be read.
    """
    pictures: list[Image.Image] = []
    reasons: list[str] = []
    files = 0
    for source in sources:
        try:
            pictures += _pictures_of(source, config)
        except UnreadableImageError as problem:
            reasons.append(str(problem))
            continue
        files += 1
        if files == config.pictures:
            break
    return pictures, reasons


def _pictures_of(source: LocatedImage, config: CaptionerConfig) -> list[Image.Image]:
    if config.frames and source.path is not None and is_moving(source.path):
        return read_frames(source, config.frames, config.max_pixels, config.longest_side)
    try:
        return [open_image(source, config.max_pixels, config.longest_side)]
    except UnreadableImageError as problem:
        if str(problem) == NO_PICTURE and source.path is not None and is_video(source.path):
            raise UnreadableImageError(VIDEO) from problem
        raise


def check_videos(config: CaptionerConfig, data: RecommendationData) -> None:
    """Raise UserError where frames of videos are asked for, an item has one, and PyAV is not installed."""
    if not config.frames or can_read_videos():
        return
    for item, value in zip(data.catalogue["item"], data.catalogue["image"], strict=True):
        for name in image_names(value):
            if name is not None and is_video(name.strip()):
                raise UserError(
                    f"captioner.frames={config.frames}: {for_people(name, LONGEST_PATH)} of item "
                    f"{for_people(item, LONGEST_PATH)} is a video, which PyAV decodes: pip install 'recbench[video]', "
                    "or leave captioner.frames out"
                )
