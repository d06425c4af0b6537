import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from recbench.captioning.contact_sheet import COLUMNS, GAP, PICTURE, Tile, draw_contact_sheet, wrap


class Monospaced:
    """A font whose every character is ten pixels wide."""

    def getlength(self, text):
        return 10 * len(text)


def lines(text, width=100, most=3):
    return wrap(text, Monospaced(), width, most)


def test_lines_break_at_spaces():
    assert lines("a red hat with a brim") == ["a red hat", "with a", "brim"]
    assert lines("exactly te n") == ["exactly te", "n"]
    assert lines("") == []


def test_longer_texts_end_in_an_ellipsis():
    assert lines("one two three four five six seven", most=2) == ["one two", "three fou…"]
    assert lines("one two", most=1) == ["one two"]


def test_longer_words_are_broken():
    assert lines("abcdefghijklmno pq") == ["abcdefghij", "klmno pq"]


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 6))
def test_no_line_is_too_long(text, most):
    font = ImageFont.truetype(matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", 15)
    wrapped = wrap(text, font, 60, most)
    assert len(wrapped) <= most and all(font.getlength(line) <= 60 for line in wrapped)
    if not wrapped or not wrapped[-1].endswith("…"):
        assert "".join(wrapped).replace(" ", "") == "".join(text.split())


def test_pictures_lie_in_a_grid_with_texts_below(tmp_path):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250), (250, 0, 250), (9, 9, 9)]
    tiles = [Tile(Image.new("RGB", (40, 40), colour), "a caption", "a reference") for colour in colours]
    draw_contact_sheet(tmp_path / "sheet.png", tiles)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] == GAP + COLUMNS * (PICTURE + GAP)
    middle = GAP + PICTURE // 2
    for column in range(COLUMNS):
        np.testing.assert_array_equal(sheet[middle, middle + column * (PICTURE + GAP)], colours[column])
    second_row = np.argwhere((sheet == 9).all(2))  # the seventh picture
    assert second_row[:, 0].min() > GAP + PICTURE + 2 * 20 and second_row[:, 1].min() == GAP
    below = sheet[GAP + PICTURE + 8 : second_row[:, 0].min() - GAP, GAP : GAP + PICTURE]
    darkest = below.min(axis=(1, 2))
    assert (
        darkest[:23].min() < 60 and darkest[23:31].min() == 255 and 60 < darkest[31:].min() < 160
    )  # the caption in ink, the reference in grey


@pytest.mark.parametrize("size", [(300, 10), (10, 300), (1000, 1000)])
def test_pictures_keep_their_shape(size, tmp_path):
    draw_contact_sheet(tmp_path / "sheet.png", [Tile(Image.new("RGB", size, (0, 0, 250)), "", None)])
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    blue = np.argwhere((sheet == (0, 0, 250)).all(2))
    height, width = blue.max(0) - blue.min(0) + 1
    assert width == PICTURE * size[0] // max(size) and height == PICTURE * size[1] // max(size)
