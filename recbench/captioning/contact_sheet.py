"""A contact sheet: pictures with their captions below, and the reference captions in grey where there are any."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from recbench.console.visible import for_people

COLUMNS = 6
PICTURE = 300  # pixels a side
GAP, TEXT_GAP = 28, 8
CAPTION_SIZE, REFERENCE_SIZE = 17, 15  # pixels
CAPTION_LINES, REFERENCE_LINES = 6, 4
INK, GREY, FRAME = "#1b1e23", "#7d838c", "#d5d8dd"


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet."""

    image: Image.Image  # RGB
    caption: str
    reference: str | None


def draw_contact_sheet(path: Path, tiles: Sequence[Tile]) -> None:
    """Write the tiles as a PNG, six a row; rows are as high as their longest texts. `path` is written directly."""
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    texts = [[_lines(tile) for tile in row] for row in rows]
    heights = [PICTURE + max(_text_height(lines) for lines in row) for row in texts]
    columns = min(COLUMNS, len(tiles))
    size = (GAP + columns * (PICTURE + GAP), GAP + sum(height + GAP for height in heights))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, row_texts, height in zip(rows, texts, heights, strict=True):
        for column, (tile, lines) in enumerate(zip(row, row_texts, strict=True)):
            left = GAP + column * (PICTURE + GAP)
            _paste(sheet, draw, tile.image, left, top)
            for place, (text, text_size, colour) in enumerate(lines):
                above = _text_height(lines[: place + 1]) - _line_height(text_size)
                draw.text((left, top + PICTURE + above), text, fill=colour, font=_font(text_size))
        top += height + GAP
    sheet.save(path, "PNG")


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float, most_lines: int) -> list[str]:
    """The text in lines of at most `width` pixels, broken at spaces, a longer word within; cut off with an ellipsis."""
    lines: list[str] = []
    line = ""
    words = text.split()
    while words:
        word = words.pop(0)
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
        elif line:
            lines.append(line)
            line = ""
            words.insert(0, word)
        else:
            fits = max(end for end in range(1, len(word) + 1) if end == 1 or font.getlength(word[:end]) <= width)
            lines.append(word[:fits])
            if word[fits:]:
                words.insert(0, word[fits:])
        if len(lines) > most_lines:
            break
    lines += [line] if line else []
    if len(lines) > most_lines:
        last = lines[most_lines - 1]
        while last and font.getlength(f"{last}…") > width:
            last = last[:-1]
        lines = [*lines[: most_lines - 1], f"{last.rstrip()}…"]
    return lines


def _lines(tile: Tile) -> list[tuple[str, int, str]]:
    """Text, size and colour of every line below a picture."""
    caption = wrap(for_people(tile.caption), _font(CAPTION_SIZE), PICTURE, CAPTION_LINES)
    reference = wrap(for_people(tile.reference or ""), _font(REFERENCE_SIZE), PICTURE, REFERENCE_LINES)
    return [(line, CAPTION_SIZE, INK) for line in caption] + [(line, REFERENCE_SIZE, GREY) for line in reference]


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, image: Image.Image, left: int, top: int) -> None:
    scale = PICTURE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.LANCZOS)
    sheet.paste(resized, (left + (PICTURE - size[0]) // 2, top + (PICTURE - size[1]) // 2))
    draw.rectangle((left - 1, top - 1, left + PICTURE, top + PICTURE), outline=FRAME)


def _text_height(lines: Sequence[tuple[str, int, str]]) -> int:
    """Pixels of lines below a picture, with a gap above the caption and one above the reference."""
    return sum(_line_height(size) for _, size, _ in lines) + TEXT_GAP * len({size for _, size, _ in lines})


def _line_height(size: int) -> int:
    return round(size * 1.35)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib wherever recbench is installed."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
