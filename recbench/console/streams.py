"""Standard output and standard error that may be closed, full, or left by their reader, and never end a command."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TextIO


class Unfailing:
    """A text stream whose writes never raise: the first one that fails is kept, and what follows goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write `text`; what the stream's encoding lacks is written out."""
        with self._kept():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream."""
        with self._kept():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            self.failure = self.failure or problem
            self._drop()
        except ValueError as problem:  # the file is closed
            self.failure = self.failure or OSError(errno.EBADF, str(problem))

    def _drop(self) -> None:
        """Send what is still in the buffer nowhere: else the interpreter would try once more at its end, and fail."""
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def unfailing_streams() -> Iterator[Unfailing]:
    """Make standard output and standard error `Unfailing` inside the block; yields the former.

    One that is closed is opened to nowhere first: else the next file that is opened would take its number, and get
    what is printed.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    before = sys.stdout, sys.stderr
    with ExitStack() as opened:
        out, err = (
            Unfailing(opened.enter_context(open(os.devnull, "w", encoding="utf-8")) if stream is None else stream)
            for stream in before
        )
        sys.stdout, sys.stderr = out, err  # type: ignore[assignment]
        try:
            yield out
        finally:
            out.flush()
            err.flush()
            sys.stdout, sys.stderr = before
