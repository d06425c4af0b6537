import os
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recbench.captioning.images import SMALLEST_SIDE, UnreadableImageError, open_image


def saved(tmp_path, image, name, **keywords):
    image.save(tmp_path / name, **keywords)
    return tmp_path / name


def refused(path, **keywords):
    with pytest.raises(UnreadableImageError) as caught:
        open_image(path, **keywords)
    return str(caught.value)


def test_a_picture_comes_back_as_it_is(tmp_path):
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    image = open_image(saved(tmp_path, Image.fromarray(pixels), "a.png"))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert open_image(path).getpixel((5, 5)) == (255, 0, 0)


def test_cmyk_is_converted(tmp_path):
    # no cyan, all magenta and yellow: red; JPEG rounds a little
    path = saved(tmp_path, Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "a.jpg")
    np.testing.assert_allclose(open_image(path).getpixel((5, 5)), (255, 0, 0), atol=3)


def test_transparency_lies_on_white(tmp_path):
    # half opaque black on white: 255 / 2, give or take rounding
    path = saved(tmp_path, Image.new("RGBA", (20, 20), (0, 0, 0, 128)), "a.png")
    np.testing.assert_allclose(open_image(path).getpixel((5, 5)), (127, 127, 127), atol=1)
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert open_image(saved(tmp_path, palette, "b.png", transparency=1)).getpixel((5, 5)) == (255, 255, 255)
    assert open_image(saved(tmp_path, palette, "c.png")).getpixel((5, 5)) == (10, 200, 30)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    levels = np.array([[0, 0x1234], [0x8000, 0xFFFF]], dtype=np.uint16).repeat(16, 0).repeat(16, 1)
    image = np.asarray(open_image(saved(tmp_path, Image.fromarray(levels), "a.png")))
    np.testing.assert_array_equal(image[::16, ::16, 0], [[0, 0x12], [0x80, 0xFF]])


def test_upright_by_its_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    path = saved(tmp_path, Image.new("RGB", (40, 20)), "a.jpg", exif=exif)
    assert open_image(path).size == (20, 40)


@pytest.mark.parametrize("size", [(3, 1), (1, 3), (1, 1)])
def test_tiny_pictures_are_enlarged_without_blur(size, tmp_path):
    image = open_image(saved(tmp_path, Image.new("RGB", size, (1, 2, 3)), "a.png"))
    assert min(image.size) == SMALLEST_SIDE
    assert image.width * size[1] == image.height * size[0]
    assert image.getcolors() == [(image.width * image.height, (1, 2, 3))]


def test_large_pictures_are_scaled_down(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (1000, 500), (200, 100, 50)), "a.jpg")
    image = open_image(path, longest_side=100)
    assert image.size == (100, 50)
    np.testing.assert_allclose(image.getpixel((50, 25)), (200, 100, 50), atol=3)
    assert open_image(path).size == (1000, 500)


@pytest.mark.slow
@pytest.mark.parametrize("mode, name", [("1", "bomb.png"), ("L", "bomb.jpg"), ("L", "bomb.gif")])
def test_a_bomb_is_refused_before_it_is_decoded(mode, name, tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new(mode, (10_000, 10_000)), name)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert refused(path) == "the image has more than 50000000 pixels"


def test_beyond_what_pillow_opens(tmp_path):
    path = saved(tmp_path, Image.new("1", (50_000, 8_000)), "a.png")  # Pillow raises from 179 megapixels on
    assert refused(path) == "the image has more than 50000000 pixels"


def test_reasons(tmp_path):
    whole = saved(tmp_path, Image.effect_noise((64, 64), 50), "a.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    (tmp_path / "program.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\nshowpage\n")
    (tmp_path / "folder.jpg").mkdir()
    assert refused(None) == "no image"
    assert refused(tmp_path / "none.jpg") == refused(tmp_path / "folder.jpg") == "the image file is missing"
    assert refused(tmp_path / "empty.jpg") == "the image file is empty"
    assert refused(tmp_path / "half.jpg") == "the image file is truncated"
    assert refused(tmp_path / "text.jpg") == refused(tmp_path / "program.eps") == "the image file is no picture"
    strip = saved(tmp_path, Image.new("RGB", (2000, 2)), "strip.png")
    assert refused(strip) == "the image is more than 50 times as long as wide"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    noise = Image.effect_noise((24, 24), 50)
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.tiff", "a.webp"):
        noise.save(folder / name)
    return folder, [path.read_bytes() for path in sorted(folder.iterdir())]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8), st.floats(0, 1))
def test_a_damaged_file_is_a_picture_or_refused(pictures, which, damage, share):
    folder, contents = pictures
    content = bytearray(contents[which])
    for place, value in damage:
        content[int(place * len(content))] = value
    path = folder / "damaged"
    path.write_bytes(content[: round(len(content) * (0.5 + share))])
    try:
        image = open_image(path, most_pixels=100_000, longest_side=100)
    except UnreadableImageError as problem:
        assert str(problem) and "\n" not in str(problem)
    else:
        assert image.mode == "RGB" and min(image.size) >= SMALLEST_SIDE


FLAT = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(32, 0)
EIGHT = np.rint(np.linspace(0, 255, 32)).astype(np.uint8)


@pytest.mark.parametrize(
    "levels",
    [
        FLAT,  # fractions
        FLAT * 255,
        FLAT * 4000 - 1000,  # metres above the sea
        (FLAT * 65535).astype(np.int32),
        (FLAT * 2e9 - 1e9).astype(np.int32),
        np.rint(FLAT * 255).astype(np.int32),
    ],
)
def test_grey_of_32_bits_is_scaled_by_its_range_not_clipped(levels, tmp_path):
    image = np.asarray(open_image(saved(tmp_path, Image.fromarray(levels), "a.tif")))
    np.testing.assert_allclose(image[0, :, 0], EIGHT, atol=1)


def test_twelve_bits_in_sixteen_are_twelve(tmp_path):
    levels = np.rint(FLAT * 4095).astype(np.uint16)
    image = np.asarray(open_image(saved(tmp_path, Image.fromarray(levels), "a.tif")))
    np.testing.assert_array_equal(image[0, :, 0], levels[0] // 16)


@pytest.mark.parametrize("level, shown", [(0.5, 128), (0, 0), (255, 255), (7000, None)])
def test_one_level_everywhere(level, shown, tmp_path):
    image = open_image(saved(tmp_path, Image.fromarray(np.full((32, 32), level, np.float32)), "a.tif"))
    assert shown is None or image.getpixel((0, 0)) == (shown,) * 3


def test_levels_that_are_no_numbers_are_refused(tmp_path):
    for level in (np.nan, np.inf):
        levels = FLAT.copy()
        levels[3, 3] = level
        assert refused(saved(tmp_path, Image.fromarray(levels), "a.tif")) == "the image has pixels that are no numbers"


def test_a_broken_description_does_not_cost_the_picture(tmp_path):
    # Bytes that are no UTF-8 in the XMP packet, where Pillow looks for the orientation.
    path = saved(tmp_path, Image.new("RGB", (40, 20), (9, 99, 9)), "a.png", exif=b"Exif\0\0broken")
    assert open_image(path).size == (40, 20)
    path = saved(
        tmp_path, Image.new("RGB", (40, 20), (9, 99, 9)), "b.webp", xmp=b"tiff:Orientation=\xa8\xff", lossless=True
    )
    assert open_image(path).getpixel((1, 1)) == (9, 99, 9)


def test_what_is_no_regular_file_does_not_hold_up(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s.png"))
        assert refused(tmp_path / "s.png") == "the image is no regular file"
    assert refused(tmp_path / "pipe.png") == refused(Path("/dev/zero")) == "the image is no regular file"
