"""Where the picture of an item lies: what a catalogue's image column says is data, and no path until it is checked."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

NONE = "no image"
MISSING = "the image file is missing"
EMPTY = "the image file is empty"
OUTSIDE = "the image lies outside the image folder"
ADDRESS = "the image is an address, not a file"
IRREGULAR = "the image is no regular file"
UNUSABLE = "the image's path is none that a file can have"
_SCHEME = re.compile(r"\s*(?:[a-z][a-z0-9+.-]{1,20}://|data:|file:|//[^/])", re.IGNORECASE)


@dataclass(frozen=True)
class LocatedImage:
    """The file that an image column names, or why there is none to read."""

    path: Path | None  # without symbolic links; None where there is a problem
    size: int  # bytes; 0 where there is a problem, -1 for an item without a path
    problem: str | None  # the same words for the same fault


def image_names(value: str | Sequence[str | None] | None) -> Sequence[str | None]:
    """What a cell of an image column names: one picture, or several where it is a list; at least one, be it None."""
    return [value] if value is None or isinstance(value, str) else (value or [None])


def locate_image(folder: Path, image: str | None, outside: bool = False) -> LocatedImage:
    """Find what `image` names, relative to `folder`; nothing is opened, and whatever stands there, nothing is raised.

    Args:
        outside: whether a file may lie outside of `folder`: an absolute path, `..`, a symbolic link that leads there.
    """
    if image is None or not image.strip():
        return LocatedImage(None, -1, NONE)
    if _SCHEME.match(image):
        return LocatedImage(None, 0, ADDRESS)
    try:
        path = _without_links(folder, image)
        if not outside and not path.is_relative_to(_resolved(folder)):
            return LocatedImage(None, 0, OUTSIDE)
        found = os.stat(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return LocatedImage(None, 0, MISSING)
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, links in a circle, no right to look
        return LocatedImage(None, 0, UNUSABLE)
    if stat.S_ISDIR(found.st_mode):
        return LocatedImage(None, 0, MISSING)
    if stat.S_ISLNK(found.st_mode):  # all were followed: this one leads to itself
        return LocatedImage(None, 0, UNUSABLE)
    if not stat.S_ISREG(found.st_mode):  # a pipe, a device or a socket: reading it could take for ever
        return LocatedImage(None, 0, IRREGULAR)
    return LocatedImage(path, found.st_size, None) if found.st_size else LocatedImage(None, 0, EMPTY)


def _without_links(folder: Path, image: str) -> Path:
    """The path with all symbolic links followed; those of folders, which many pictures share, once."""
    head, name = os.path.split(os.path.join(folder, image))
    if name in ("", ".", ".."):
        return Path(os.path.realpath(os.path.join(head, name)))
    path = _resolved(Path(head)) / name
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@lru_cache(maxsize=1024)
def _resolved(folder: Path) -> Path:
    return Path(os.path.realpath(folder))
