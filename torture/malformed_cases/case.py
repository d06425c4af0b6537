"""What one case is, and the faults that a file of any format can have."""

import bz2
import gzip
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER, LOOP, MISSING = "a folder", "a link to itself", "nothing"  # in place of a file's bytes
_seed = 0
Content = bytes | str  # bytes, or one of the words above


@dataclass(frozen=True)
class Case:
    """One command on files, and how it must end."""

    name: str
    arguments: tuple[str, ...]
    files: Mapping[str, Content] = field(default_factory=dict)
    expect: str = "refuse"  # refuse; take: status 0; either: anything but a crash
    words: str = ""  # in the error line
    twin: str | None = None  # the case whose data set this one's must equal
    base: str | None = None  # the prepared folder that it starts from, see `bases`
    prepare: Callable[[Path], None] | None = None  # changes files of the base
    check: Callable[[Path], str | None] | None = None  # after status 0: what is wrong, or None
    settings: Callable[[], None] | None = None  # run before the command, in its process

    def write(self, folder: Path) -> None:
        """Write the files below the folder."""
        for name, content in self.files.items():
            path = folder / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if content == FOLDER:
                path.mkdir()
            elif content == LOOP:
                path.symlink_to(path.name)
            elif content != MISSING:
                assert isinstance(content, bytes)
                path.write_bytes(content)
        if self.prepare is not None:
            self.prepare(folder)

    def run(self) -> int:
        """The command's exit status."""
        from recbench.cli import main

        if self.settings is not None:
            self.settings()
        return main(list(self.arguments))


def draw_from(seed: int) -> None:
    """The seed of what cases draw."""
    global _seed
    _seed = seed


def generator(use: object) -> random.Random:
    """A generator of its own for each use."""
    return random.Random(f"{_seed} {use}")


HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n<body>nothing here</body></html>\n"


def faults_of_text(content: bytes, brief: bool = False) -> Iterator[tuple[str, str, Content]]:
    """Name, expectation and content of what can befall any text file that must be UTF-8; `brief` gives the half."""
    yield "missing", "refuse", MISSING
    yield "a folder", "refuse", FOLDER
    yield "empty", "refuse", b""
    yield "an HTML page", "refuse", HTML
    yield "random bytes", "refuse", generator("bytes").randbytes(4096)
    yield "cut in the middle", "either", content[: len(content) // 2 - 1]
    yield "not UTF-8", "either", content.replace(b"1", b"\xff\xfe", 1)
    if brief:
        return
    yield "a link to itself", "refuse", LOOP
    yield "blank lines only", "refuse", b"\n\n  \n"
    yield "zeros", "refuse", b"\0" * 4096
    yield "UTF-16", "refuse", content.decode().encode("utf-16")
    yield "bzip2", "refuse", bz2.compress(content)
    yield "cut gzip", "refuse", gzip.compress(content * 40, mtime=0)[:-30]
    yield "a NUL", "either", content.replace(b"1", b"\0", 1)
    yield "a line of a megabyte", "either", content + b"x" * (1 << 20)
    yield "an escape sequence", "either", content.replace(b"1", b"\x1b[2J\x1b]0;owned\x07", 2)


def harmless_changes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of what changes nothing about a text file's meaning."""
    yield "a byte-order mark", b"\xef\xbb\xbf" + content
    yield "CRLF", content.replace(b"\n", b"\r\n")
    yield "no last line break", content.rstrip(b"\n")


def garbled(content: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of binary files with some of their bytes changed, or cut, at places that the seed settles."""
    draw = generator(len(content))
    for number in range(count):
        changed = bytearray(content)
        for _ in range(4):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        yield f"garbled {number}", bytes(changed)
    for number in range(count):
        yield f"cut {number}", content[: draw.randrange(1, len(content))]
