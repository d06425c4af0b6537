"""What an image column may name."""

import os

import pytest

from recbench.data.image_paths import locate_image


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"four")
    (images / "empty.png").touch()
    (images / "folder.png").mkdir()
    os.mkfifo(images / "pipe.png")
    (images / "in.png").symlink_to("a.png")
    (images / "out.png").symlink_to(tmp_path / "secret.png")
    (images / "round.png").symlink_to("round.png")
    (images / "nowhere.png").symlink_to("none.png")
    (images / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "data" / "away").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    return tmp_path / "data"


OUTSIDE = "the image lies outside the image folder"
MISSING = "the image file is missing"
UNUSABLE = "the image's path is none that a file can have"
ADDRESS = "the image is an address, not a file"


@pytest.mark.parametrize(
    "image, size, problem",
    [
        ("images/a.png", 4, None),
        ("images/../images/a.png", 4, None),
        ("images/in.png", 4, None),
        ("{folder}/images/a.png", 4, None),
        (None, -1, "no image"),
        ("  ", -1, "no image"),
        ("images/none.png", 0, MISSING),
        ("images/nowhere.png", 0, MISSING),
        ("images/a.png/b.png", 0, MISSING),
        ("images/folder.png", 0, MISSING),
        (".", 0, MISSING),
        ("C:\\a.png", 0, MISSING),
        ("images/empty.png", 0, "the image file is empty"),
        ("../secret.png", 0, OUTSIDE),
        ("images/../../secret.png", 0, OUTSIDE),
        ("{folder}/../secret.png", 0, OUTSIDE),
        ("/etc/passwd", 0, OUTSIDE),
        ("..", 0, OUTSIDE),
        ("images/out.png", 0, OUTSIDE),
        ("images/zero.png", 0, OUTSIDE),
        ("away/secret.png", 0, OUTSIDE),
        ("../data-of-others/a.png", 0, OUTSIDE),
        ("images/pipe.png", 0, "the image is no regular file"),
        ("images/round.png", 0, UNUSABLE),
        ("a" * 300 + ".png", 0, UNUSABLE),
        ("a/" * 3000 + "b.png", 0, UNUSABLE),
        ("images/a.png\0", 0, UNUSABLE),
        ("\ud800.png", 0, UNUSABLE),
        ("http://host/a.png", 0, ADDRESS),
        ("HTTPS://host/a.png", 0, ADDRESS),
        ("file:///etc/passwd", 0, ADDRESS),
        ("//host/share/a.png", 0, ADDRESS),
        ("data:image/png;base64," + "A" * 10_000, 0, ADDRESS),
    ],
)
def test_where_an_image_lies(image, size, problem, folder):
    text = image.replace("{folder}", str(folder)) if image else image
    for root in (folder, folder.parent / "link"):  # a link to the folder itself is no way out of it
        found = locate_image(root, text)
        assert (found.size, found.problem) == (size, problem)
        assert (found.path is None) == (problem is not None)


def test_outside_by_request(folder):
    for image in ("../secret.png", "images/out.png", "away/secret.png", str(folder.parent / "secret.png")):
        assert locate_image(folder, image, outside=True).path == folder.parent / "secret.png"
    assert locate_image(folder, "/dev/zero", outside=True).problem == "the image is no regular file"
