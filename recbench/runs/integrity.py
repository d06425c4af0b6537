"""Whether a run's files are those that it wrote: sizes and times first, and their content where these have changed."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from recbench.errors import StorageError, UserError
from recbench.runs.files import is_unfinished, write_json
from recbench.runs.order import end_of
from recbench.runs.reading import read_files

# Written by the machinery, or for people only: everything else in a run folder is an artifact.
FOR_PEOPLE = {"log.txt", "report.md"}
OF_THE_RUN = {"config.yaml", "overrides.yaml", "manifest.json", "metrics.json", "files.json"}
FILES = "files.json"
DISPENSABLE = "checkpoints/"  # may be deleted to free a disk: what needs one of them says so
SLACK = 2.0  # seconds by which a file's time may be after the end of an older run, whose end is in whole seconds


def written(folder: Path) -> list[str]:
    """The files that a stage made, as paths relative to the run folder, sorted: neither logs, nor reports' pictures."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name not in OF_THE_RUN | FOR_PEOPLE and not _is_aside(name))


def artifacts(folder: Path) -> list[str]:
    """Those of `written` that count as a run's content: pictures and pages do not."""
    return [name for name in written(folder) if not name.endswith((".png", ".html"))]


def hash_files(folder: Path, content: Iterable[str], others: Iterable[str]) -> tuple[str, dict[str, list[Any]]]:
    """The SHA-256 over names and bytes of the files in `content`; and size, time (ns) and SHA-256 of each and `others`.

    A file of `content` that is not there counts by its name alone.
    """
    whole = hashlib.sha256()
    entries: dict[str, list[Any]] = {}
    for name in content:
        whole.update(f"{name}\0".encode())
        if (folder / name).is_file():
            entries[name] = _entry(folder / name, whole)
    for name in others:
        entries[name] = _entry(folder / name)
    return whole.hexdigest(), entries


def require_intact(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Check that a finished run's files are those that it wrote; a copy of the folder, whose times are new, is fine.

    Raises:
        UserError: a file is gone (but for checkpoints), was added, or has other content, which is named.
    """
    entries = read_files(folder)
    problem = _fault_of_older(folder, manifest) if entries is None else _fault(folder, entries)
    if problem:
        raise UserError(
            f"{manifest['stage']} run {folder.name} is not as it was when it ended: {problem}; make it again, name "
            f"another, or delete {folder}"
        )


def _fault(folder: Path, entries: Mapping[str, tuple[int, int, str]]) -> str:
    """What has changed, in words; nothing where all is as it was, and then times that are new are kept."""
    times = {}
    for name, (size, changed, digest) in entries.items():
        file = folder / name
        if not file.is_file():
            if name.startswith(DISPENSABLE):
                continue
            return f"{name} is gone"
        found = file.stat()
        if found.st_size != size:
            return f"{name} has {found.st_size:,} bytes, and had {size:,}"
        if found.st_mtime_ns != changed:
            if _entry(file)[2] != digest:
                return f"{name} has other content"
            times[name] = found.st_mtime_ns
    added = set(written(folder)) - set(entries)
    if added:
        return f"{min(added)} was added"
    if times:
        fresh = {name: [size, times.get(name, changed), digest] for name, (size, changed, digest) in entries.items()}
        with suppress(StorageError):  # a copy that cannot be written to is hashed every time
            write_json(folder / FILES, fresh)
    return ""


def _fault_of_older(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The same of a run that has no files.json: its one hash is for all of its files."""
    names = ["metrics.json", *manifest.get("artifacts", [])]
    gone = [name for name in names if not (folder / name).is_file()]
    if needed := [name for name in gone if not name.startswith(DISPENSABLE)]:
        return f"{needed[0]} is gone"
    end = end_of(manifest, folder.name).timestamp() + SLACK
    changed = [name for name in names if name not in gone and (folder / name).stat().st_mtime > end]
    if (
        changed
        and not gone
        and "content_hash" in manifest
        and hash_files(folder, names, ())[0] != manifest["content_hash"]
    ):
        return f"{' or '.join(changed[:3])} has other content"
    return ""


def _entry(file: Path, whole: Any = None) -> list[Any]:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            if whole is not None:
                whole.update(block)
        found = os.fstat(stream.fileno())
    return [found.st_size, found.st_mtime_ns, digest.hexdigest()]


def _is_aside(name: str) -> bool:
    """Whether a file counts for nothing: unfinished, hidden, TensorBoard's, or a report's picture or page."""
    hidden = any(part.startswith(".") for part in name.split("/"))
    of_report = "/" not in name and name.endswith((".png", ".html"))
    return hidden or of_report or is_unfinished(name) or name.startswith("events/")
