"""Locks on open files, which end with their process: by them a live run is told from one that was killed."""

from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # no such locks on this system
    fcntl = None  # type: ignore[assignment]


def lock(stream: IO[Any]) -> bool:
    """Lock an open file until it is closed or its process ends; False where another process has locked it.

    Some systems and network file systems have no locks: there every file counts as locked by us.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_locked(file: Path) -> bool:
    """Whether a process has locked a file; where there are no locks, whether it is there."""
    try:
        with file.open("rb") as stream:
            if fcntl is None:
                return True
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return file.is_file()
