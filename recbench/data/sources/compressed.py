"""Opens files of data, plain or gzip by their content whatever their name; damage and bombs are told."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from recbench.errors import UserError

GZIP = b"\x1f\x8b"
# What a file may be instead, by its first bytes, and the command that unpacks it.
OTHERS = {
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"\x1f\x9d": ("compress", "uncompress"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x"),
}
POINTER = b"version https://git-lfs.github.com/spec/"
WIDE = (b"\xff\xfe", b"\xfe\xff")  # marks of UTF-16 and, with two more bytes, UTF-32
MOST_EXPANSION = 200.0  # logs shrink to a fifth or a fiftieth; gzip's best is a thousandth, which only bombs come near
HARMLESS = 64 << 20  # bytes; below it, any expansion is read
LONGEST_LINE = 64 << 20  # characters
_most_expansion: ContextVar[float] = ContextVar("_most_expansion", default=MOST_EXPANSION)


@contextmanager
def expanding(most: float) -> Iterator[None]:
    """Let packed files that are opened inside unpack to `most` times their size."""
    before = _most_expansion.set(most)
    try:
        yield
    finally:
        _most_expansion.reset(before)


def open_bytes(path: Path) -> BinaryIO:
    """The file's content as a stream of bytes, unpacked where it is gzip, also of several members.

    Raises:
        UserError: at once where the file cannot be opened or is of another compression; while it is read where gzip is
            damaged, ends in the middle, or unpacks to too much.
    """
    first = first_bytes(path)
    if first.startswith(POINTER):
        raise UserError(f"{path} is a pointer of Git LFS, not the file itself; fetch it (git lfs pull)")
    for magic, (name, command) in OTHERS.items():
        if first.startswith(magic):
            raise UserError(f"{path} is packed with {name}, expected plain text or gzip; unpack it first ({command})")
    if not first.startswith(GZIP):
        _check_narrow(path, first)
        if path.suffix == ".gz" and b"\0" in first:
            raise UserError(f"{path} is neither gzip, as its name says, nor text; fetch the file again")
        return path.open("rb")
    return io.BufferedReader(_Unpacked(path, _most_expansion.get()), 1 << 17)  # type: ignore[return-value, type-var]


def open_text(path: Path) -> io.TextIOWrapper:
    """As `open_bytes`, as UTF-8 text without its mark; a byte that is none becomes U+FFFD, ends of lines stay.

    Raises:
        UserError: as `open_bytes`; and where the text is UTF-16.
    """
    stream = open_bytes(path)
    try:
        _check_narrow(path, stream.peek(2))  # type: ignore[attr-defined]
    except BaseException:
        stream.close()
        raise
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of every line, its end included.

    Raises:
        UserError: as `open_text`; and for a line too long to be one.
    """
    with open_text(path) as text:
        text.reconfigure(newline=None)
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise UserError(
                    f"{path.name} line {number} is longer than {LONGEST_LINE >> 20} MiB; give it line breaks"
                )
            yield number, line


def first_bytes(path: Path, count: int = 512) -> bytes:
    """The first bytes of a file as it lies on disk.

    Raises:
        UserError: it cannot be opened or read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except (OSError, ValueError) as problem:  # ValueError: a null character in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UserError(f"{path} cannot be read ({reason}); give a file that can") from problem


def _check_narrow(path: Path, first: bytes) -> None:
    if first.startswith(WIDE):
        raise UserError(f"{path} is UTF-16 text, expected UTF-8; save it as UTF-8, or: iconv -f UTF-16 -t UTF-8")


class _Unpacked(io.RawIOBase):
    """Bytes of a gzip file; its faults are UserErrors that say how far it could be read."""

    def __init__(self, path: Path, most_expansion: float) -> None:
        self._path, self._most, self._count = path, most_expansion, 0
        self._packed = path.open("rb")
        self._stream = gzip.GzipFile(fileobj=self._packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as problem:
            raise UserError(
                f"{self._path} is damaged: it breaks off after {self._count:,} unpacked bytes ({problem}); "
                "fetch the file again"
            ) from problem
        self._count += len(content)
        if self._count > HARMLESS and self._count > self._most * self._packed.tell():
            raise UserError(
                f"{self._path} unpacks to more than {self._most:g} times its size, as bombs do, and is not read on; if "
                "it is meant to, unpack it first (gunzip), or raise data.options.most_expansion"
            )
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        self._packed.close()
        super().close()
