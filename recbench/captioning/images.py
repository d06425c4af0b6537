"""Pictures as captioners read them: decoded to RGB within bounds, or refused with a reason, never a crash."""

import warnings
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")  # none that runs another program, as EPS does
SMALLEST_SIDE = 16  # below it, processors take a side for the colour channels
LONGEST_SHAPE = 50  # times as long as wide: resized by its short side, it would fill the memory
WHITE = (255, 255, 255, 255)


class UnreadableImageError(ValueError):
    """Why a picture cannot be used, on one line; the same words for every file with the same fault."""


def open_image(path: Path | None, most_pixels: int = 50_000_000, longest_side: int | None = None) -> Image.Image:
    """Decode a picture to RGB; the first frame of an animation, on white where it is transparent, upright by its EXIF.

    Args:
        most_pixels: a picture of more is refused from its header, before a pixel is decoded.
        longest_side: larger pictures are scaled down to it, JPEGs already while they are decoded.

    Raises:
        UnreadableImageError: there is no such file, it is empty, truncated or no picture, or its shape is refused.
    """
    if path is None:
        raise UnreadableImageError("no image")
    if not path.is_file():
        raise UnreadableImageError("the image file is missing")
    if path.stat().st_size == 0:
        raise UnreadableImageError("the image file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is told as its reason
            with Image.open(path, formats=FORMATS) as image:
                _check_shape(*image.size, most_pixels)
                return _decode(image, longest_side)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as problem:
        raise UnreadableImageError("the image file is no picture") from problem
    except Image.DecompressionBombError as problem:
        raise UnreadableImageError(f"the image has more than {most_pixels} pixels") from problem
    except Exception as problem:  # decoders raise whatever a broken file leads them to
        fault = "truncated" if "truncated" in str(problem) else "broken"
        raise UnreadableImageError(f"the image file is {fault}") from problem


def _check_shape(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise UnreadableImageError(f"the image has more than {most_pixels} pixels")
    if max(width, height) > LONGEST_SHAPE * min(width, height):
        raise UnreadableImageError(f"the image is more than {LONGEST_SHAPE} times as long as wide")


def _decode(image: Image.Image, longest_side: int | None) -> Image.Image:
    if longest_side is not None:
        image.draft("RGB", (longest_side, longest_side))  # a JPEG decodes at 1/2, 1/4 or 1/8, not below this size
    image.load()
    with suppress(Exception):  # a broken orientation tag is no reason to lose a picture
        image = ImageOps.exif_transpose(image)
    picture = _rgb(image)
    if longest_side is not None and max(picture.size) > longest_side:
        scale = longest_side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    if min(picture.size) < SMALLEST_SIDE:
        times = -(-SMALLEST_SIDE // min(picture.size))
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    return picture


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: 16-bit grey scaled to eight bits, transparency laid on white."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda level: level / 256).convert("L")
    if image.has_transparency_data:
        below = Image.new("RGBA", image.size, WHITE)
        below.alpha_composite(image.convert("RGBA"))
        image = below
    return image if image.mode == "RGB" else image.convert("RGB")
