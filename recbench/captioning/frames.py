"""Frames of videos and of animations, evenly spaced from the first: animations by Pillow, videos by PyAV.

PyAV is the extra `video`. A video is opened as the container that its name says, never as what a player would guess, so
that a playlist in its place opens no other files, and no more of it is decoded than lies between key frames.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from recbench.captioning.images import FORMATS, UnreadableImageError, check_shape, decode, decoded, opened
from recbench.data.image_paths import LocatedImage

CONTAINERS = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska"}
ANIMATIONS = (".gif",)
MOST_SOUGHT = 1_000  # frames that are decoded after a key frame to reach one; then the one reached is taken


def is_video(path: Path | str) -> bool:
    """Whether PyAV is needed for it, by its name."""
    return Path(path).suffix.lower() in CONTAINERS


def is_moving(path: Path | str) -> bool:
    """Whether it is a video or an animation, by its name."""
    return is_video(path) or Path(path).suffix.lower() in ANIMATIONS


def can_read_videos() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def places(frames: int, count: int) -> list[int]:
    """Which of so many frames are read, 0-based: `count` of them, or all where there are fewer.

    >>> places(10, 4), places(3, 4)
    ([0, 2, 5, 7], [0, 1, 2])
    """
    taken = min(frames, count)
    return [place * frames // taken for place in range(taken)]


def read_frames(source: LocatedImage, count: int, most_pixels: int, longest_side: int | None) -> list[Image.Image]:
    """At most `count` frames as RGB pictures, in their order; all where there are fewer.

    Args:
        most_pixels, longest_side: of a frame, as `open_image` takes them.

    Raises:
        UnreadableImageError: there is no such file, or none of its frames can be read.
    """
    if source.path is None:
        raise UnreadableImageError(str(source.problem))
    what = "video" if is_video(source.path) else "image"
    with decoded(what, most_pixels), opened(source.path) as stream:
        if is_video(source.path):
            return _of_video(stream, CONTAINERS[source.path.suffix.lower()], count, most_pixels, longest_side)
        with Image.open(stream, formats=FORMATS) as image:
            check_shape(*image.size, most_pixels)
            frames = []
            for place in places(getattr(image, "n_frames", 1), count):
                image.seek(place)
                frames.append(decode(image.copy(), longest_side))
            return frames


def _of_video(
    stream: Any, container_format: str, count: int, most_pixels: int, longest_side: int | None
) -> list[Image.Image]:
    """Frame k is the first that is shown at or after k/count of the duration."""
    import av

    with av.open(stream, format=container_format) as container:
        if not container.streams.video:
            raise UnreadableImageError("the video file has no pictures")
        video = container.streams.video[0]
        check_shape(video.codec_context.width, video.codec_context.height, most_pixels)
        start = video.start_time or 0
        duration = video.duration
        if duration is None and container.duration is not None:
            duration = int(container.duration / av.time_base / video.time_base)
        if not duration or duration < 0:
            raise UnreadableImageError("the video does not say how long it is")
        frames: dict[int, Image.Image] = {}  # by their time: a short video has fewer than are asked for
        for place in range(count):
            target = start + place * duration // count
            container.seek(target, stream=video)  # to the key frame before it
            frame = _at(container.decode(video), target)
            if frame is not None and frame.pts not in frames:
                check_shape(frame.width, frame.height, most_pixels)
                frames[frame.pts] = decode(frame.to_image(), longest_side)
        if not frames:
            raise UnreadableImageError("the video file has no pictures")
        return [frames[time] for time in sorted(frames)]


def _at(frames: Iterator[Any], target: int) -> Any:
    """The first frame whose time is at or after the target, the last where there is none, or None of no frames."""
    found = None
    for number, frame in enumerate(frames):
        if frame.pts is None:
            continue
        found = frame
        if frame.pts >= target or number >= MOST_SOUGHT:
            break
    return found
