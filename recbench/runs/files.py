"""Files and folders that appear whole or not at all, whenever the process is killed and however full the disk is."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recbench.errors import StorageError
from recbench.plain_json import json_text, plain

# The names of what is being written, of a new folder that is complete, and of the old one that makes room for it.
PARTIAL, WHOLE, ASIDE = PREFIXES = (".partial-", ".whole-", ".aside-")
# What no other input would mend: space, quotas, file sizes, rights, a disk that fails, a folder that is gone.
OF_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
OF_THE_PLACE = (
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR),
    *(errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder), renamed to `path` when the block ends well.

    When the block raises, what it wrote is removed and `path` is as it was. A kill at any moment leaves `path` the old
    or the new one, whole; of a folder, once `settle` has been called. The suffix is kept, because writers choose
    formats by it.

    Raises:
        StorageError: the disk is full, or the place cannot be written to.
    """
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    with storage_errors(path, partial):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            if path.is_dir() and partial.is_dir():
                _swap(partial, path)
            else:
                os.replace(partial, path)
        finally:
            _remove(partial)


@contextmanager
def storage_errors(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Tell what the disk refuses inside the block in one line that names `path`.

    Rights and missing folders are the disk's refusal only where they are those of `path`, of `partial`, which is
    written in its stead, or of the folders that hold them.
    """
    try:
        yield
    except Exception as problem:
        number = _error_number(problem)
        if number in OF_STORAGE or (number in OF_THE_PLACE and _is_of(problem, path, partial)):
            reason = os.strerror(number)
            raise StorageError(f"{path} cannot be written: {reason}", reason) from problem
        raise


def settle(path: Path) -> None:
    """Finish the replacement of a folder that a kill has interrupted: the new one if it was whole, else the old one."""
    whole, aside = path.with_name(WHOLE + path.name), path.with_name(ASIDE + path.name)
    if whole.exists():
        if path.exists():
            _remove(aside)
            os.rename(path, aside)
        os.rename(whole, path)
    elif aside.exists() and not path.exists():
        os.rename(aside, path)
    _remove(aside)


def settle_all(folder: Path) -> None:
    """`settle` whatever a kill has left anywhere below `folder`, and remove what was written in part."""
    left = [path for prefix in PREFIXES for path in folder.rglob(prefix + "*")]
    for path in left:
        if path.name.startswith(PARTIAL):
            _remove(path)
        else:
            settle(path.with_name(path.name.removeprefix(WHOLE).removeprefix(ASIDE)))


def is_unfinished(name: str) -> bool:
    """Whether a path is, or is below, one that `atomic_path` is still writing or replacing."""
    return any(part.startswith(PREFIXES) for part in Path(name).parts)


def _swap(new: Path, path: Path) -> None:
    """Put a folder in the place of another: on disk before the old one goes, which is moved, and removed at the end."""
    settle(path)
    whole, aside = path.with_name(WHOLE + path.name), path.with_name(ASIDE + path.name)
    for file in new.rglob("*"):
        _flush(file)
    os.rename(new, whole)
    _flush(path.parent)
    os.rename(path, aside)
    os.rename(whole, path)
    _flush(path.parent)
    _remove(aside)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # where folders cannot be flushed
            raise
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _error_number(problem: Exception) -> int:
    """The system's number of an error; also of those that libraries tell in words alone. 0 for others."""
    if isinstance(problem, OSError) and problem.errno:
        return problem.errno
    found = re.search(r"\(os error (\d+)\)|\[errno (\d+)\]", str(problem))
    return int(found[1] or found[2]) if found else 0


def _is_of(problem: Exception, path: Path, partial: Path | None) -> bool:
    """Whether an error names a path, a folder that holds it, or something below what is written in its stead."""
    name = getattr(problem, "filename", None)
    if not isinstance(name, str | bytes | os.PathLike):
        return False
    named, target = Path(os.fsdecode(name)).absolute(), path.absolute()
    return (
        named == target
        or named in target.parents
        or (partial is not None and partial.absolute() in [named, *named.parents])
    )


def write_json(path: Path, value: Any) -> None:
    """Write `json_text` of `value`, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json_text(value), encoding="utf-8")


def overwrite_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` over a JSON file within the space that it has, for a disk that has no more: short, then blanks.

    Raises:
        OSError: it is longer than the file, or cannot be written either.
    """
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":")).encode()
    room = path.stat().st_size
    if len(text) > room:
        raise OSError(errno.ENOSPC, "no room", str(path))
    with path.open("r+b") as stream:
        stream.write(text.ljust(room - 1) + b"\n" if len(text) < room else text)
