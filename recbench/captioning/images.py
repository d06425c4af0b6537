"""Pictures as captioners read them: decoded to RGB within bounds, or refused with a reason, never a crash."""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from recbench.data.image_paths import IRREGULAR, NONE, LocatedImage, locate_image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")  # none that runs another program, as EPS does
NO_PICTURE = "the image file is no picture"
SMALLEST_SIDE = 16  # below it, processors take a side for the colour channels
LONGEST_SHAPE = 50  # times as long as wide: resized by its short side, it would fill the memory
WHITE = (255, 255, 255, 255)


class UnreadableImageError(ValueError):
    """Why a picture cannot be used, on one line; the same words for every file with the same fault."""


def open_image(
    source: LocatedImage | Path | None, most_pixels: int = 50_000_000, longest_side: int | None = None
) -> Image.Image:
    """Decode a picture to RGB; the first frame of an animation, on white where it is transparent, upright by its EXIF.

    Args:
        source: where it lies, of an item; or any path.
        most_pixels: a picture of more is refused from its header, before a pixel is decoded.
        longest_side: larger pictures are scaled down to it, JPEGs already while they are decoded.

    Raises:
        UnreadableImageError: there is no such file, it is empty, truncated or no picture, or its shape is refused.
    """
    located = locate_image(source.parent, source.name, outside=True) if isinstance(source, Path) else source
    if located is None or located.path is None:
        raise UnreadableImageError((located and located.problem) or NONE)
    with decoded("image", most_pixels), opened(located.path) as stream, Image.open(stream, formats=FORMATS) as image:
        check_shape(*image.size, most_pixels)
        return decode(image, longest_side)


@contextmanager
def decoded(what: str, most_pixels: int) -> Iterator[None]:
    """Around decoding an image or a video: whatever a broken file leads a decoder to becomes UnreadableImageError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is told as its reason
            yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as problem:
        raise UnreadableImageError(NO_PICTURE) from problem
    except Image.DecompressionBombError as problem:
        raise UnreadableImageError(f"the {what} has more than {most_pixels} pixels") from problem
    except Exception as problem:  # decoders raise whatever a broken file leads them to
        fault = "truncated" if "truncated" in str(problem) else "broken"
        raise UnreadableImageError(f"the {what} file is {fault}") from problem


def opened(path: Path) -> BinaryIO:
    """The open file; what has become a pipe or a device since it was located does not hold the process up."""
    stream = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise UnreadableImageError(IRREGULAR)
    return stream


def check_shape(width: int, height: int, most_pixels: int) -> None:
    """Raise UnreadableImageError for a picture of too many pixels, or too long for its width."""
    if width * height > most_pixels:
        raise UnreadableImageError(f"the image has more than {most_pixels} pixels")
    if max(width, height) > LONGEST_SHAPE * min(width, height):
        raise UnreadableImageError(f"the image is more than {LONGEST_SHAPE} times as long as wide")


def decode(image: Image.Image, longest_side: int | None) -> Image.Image:
    """The current frame as an RGB picture, upright, of bounded sides."""
    if longest_side is not None:
        image.draft("RGB", (longest_side, longest_side))  # a JPEG decodes at 1/2, 1/4 or 1/8, not below this size
    image.load()
    tiff = image.format == "TIFF"
    with suppress(Exception):  # a broken orientation tag is no reason to lose a picture
        image = ImageOps.exif_transpose(image)
    picture = _rgb(image, tiff)
    if longest_side is not None and max(picture.size) > longest_side:
        scale = longest_side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    if min(picture.size) < SMALLEST_SIDE:
        times = -(-SMALLEST_SIDE // min(picture.size))
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    picture.info.clear()  # where and by whom it was taken is no part of it, and would be sent along
    return picture


def _rgb(image: Image.Image, tiff: bool) -> Image.Image:
    """Any mode as RGB: grey of more than eight bits scaled down to them, transparency laid on white."""
    if image.mode.startswith("I;16"):
        levels = np.asarray(image)
        image = Image.fromarray((levels >> _spare_bits(levels, tiff)).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        below = Image.new("RGBA", image.size, WHITE)
        below.alpha_composite(image.convert("RGBA"))
        image = below
    return image if image.mode == "RGB" else image.convert("RGB")


def _spare_bits(levels: np.ndarray, tiff: bool) -> int:
    """Bits beyond eight of a 16-bit picture; scanners and microscopes write 10 or 12 bits into a TIFF's 16."""
    used = int(levels.max()).bit_length() if tiff else 16
    return max(0, used - 8)


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """Grey levels [H, W] of 32 bits, whole or not, as 0 to 255: fractions of 1 and levels up to 255 as they are meant,
    others from their smallest to their largest.

    Raises:
        UnreadableImageError: some are no finite numbers.
    """
    if not np.isfinite(levels).all():
        raise UnreadableImageError("the image has pixels that are no numbers")
    low, high = float(levels.min()), float(levels.max())
    if levels.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return np.rint((levels.astype(np.float64) - low) * (255 / ((high - low) or 1))).astype(np.uint8)
