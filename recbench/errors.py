"""The exceptions whose message a user is meant to read, in one line and without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """A mistake of the user's, told in one line that names the value, what was expected and how to fix it.

    The command line prints the message without a traceback and exits with status 2.
    """


class UnfinishedError(UserError):
    """Work that stopped because of something outside of it, such as a server that is down; told like any mistake.

    What is done stays: the run's folder is kept, as failed, and `--resume` goes on with what is missing.
    """


class StorageError(Exception):
    """What the disk refuses, told in one line that names the path: no space, no rights, a folder that is gone.

    The command line prints the message without a traceback and exits with status 1; the run is `failed`. `reason` is
    the message's part without the path.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


@contextmanager
def damage_told(path: Path, remedy: str) -> Iterator[None]:
    """Read files of our own inside: whatever they raise that is not theirs to say becomes one UserError.

    What a reader of damaged content raises depends on where the damage is: a missing key, a type, a shape, a library's
    own error. To the user all of them are one thing.
    """
    try:
        yield
    except (UserError, StorageError, MemoryError):
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise UserError(f"{path} is damaged ({reason[:200]}); {remedy}") from problem
