"""A caption run's work in shards: runs of items in catalogue order, each written whole, so that a killed run resumes.

`shards/captions-00012.parquet` holds the items of shard 12 with the reasons of those that the captioner could not
caption; `begun-00012.parquet` those of a shard in which the captioner stopped. When every shard is there they become
captions.parquet and skipped.json, and the folder goes.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from recbench.captioning.table import FILE, MODEL, SKIPPED, CaptionRow, read_rows, write_rows
from recbench.captioning.writer import WriterStoppedError, again
from recbench.runs import write_json

FOLDER = "shards"


def cut(items: int, size: int) -> list[range]:
    """The catalogue rows of every shard: `size` each, fewer in the last."""
    return [range(start, min(start + size, items)) for start in range(0, items, size)]


def shard_file(run_folder: Path, shard: int) -> Path:
    """Where a shard is written."""
    return run_folder / FOLDER / f"captions-{shard:05d}.parquet"


def begun_file(run_folder: Path, shard: int) -> Path:
    """Where a shard lies that has items to be asked yet, or again."""
    return run_folder / FOLDER / f"begun-{shard:05d}.parquet"


def write_missing(
    run_folder: Path,
    shards: Sequence[range],
    write: Callable[[Sequence[int]], list[CaptionRow]],
    *,
    rank: int = 0,
    world_size: int = 1,
    advance: Callable[[float], None] = lambda items: None,
) -> int:
    """Caption and write this process's shards (number modulo `world_size` equals `rank`) that are not there yet.

    Returns:
        How many items were captioned now.

    Raises:
        WriterStoppedError: the captioner cannot go on; what it has answered is kept for the next attempt.
    """
    written = 0
    for number in range(rank, len(shards), world_size):
        if shard_file(run_folder, number).is_file():
            continue
        begun = _begun(run_folder, number, shards[number])
        asked = [row for row in shards[number] if row not in begun]
        try:
            entries = dict(zip(asked, write(asked), strict=True))
        except WriterStoppedError as stopped:
            entries = dict(zip(asked, stopped.rows))
            _write_begun(run_folder, number, [begun.get(row) or entries.get(row) for row in shards[number]])
            raise
        write_rows(
            shard_file(run_folder, number), [begun.get(row) or entries[row] for row in shards[number]], reasons=True
        )
        begun_file(run_folder, number).unlink(missing_ok=True)
        written += len(asked)
        advance(len(shards[number]))
    return written


def begin_again(run_folder: Path, shards: Sequence[range]) -> int:
    """Open whole shards again that have items to ask again, and return how many such items there are."""
    found = 0
    for number in range(len(shards)):
        file = shard_file(run_folder, number)
        lacking = sum(row.again for row in read_rows(file)) if file.is_file() else 0
        if lacking:
            file.replace(begun_file(run_folder, number))
        found += lacking
    return found


def nothing_captioned(run_folder: Path, shards: Sequence[range]) -> str | None:
    """Why the last item failed where the captioner failed on all that it was asked for, which is asked again then."""
    written = {number: read_rows(shard_file(run_folder, number)) for number in range(len(shards))}
    rows = [row for entries in written.values() for row in entries]
    failed = [row.reason for row in rows if row.asked and row.origin != MODEL]
    if not failed or any(row.origin == MODEL for row in rows):
        return None
    for number, entries in written.items():
        write_rows(begun_file(run_folder, number), [again(row) for row in entries], reasons=True)
        shard_file(run_folder, number).unlink()
    return failed[-1]


def _begun(run_folder: Path, number: int, rows: range) -> dict[int, CaptionRow]:
    """Entries of a shard that was begun, by catalogue row, without those to ask again."""
    file = begun_file(run_folder, number)
    entries = read_rows(file) if file.is_file() else []
    return {row: entry for row, entry in zip(rows, entries) if not entry.again}


def _write_begun(run_folder: Path, number: int, entries: Sequence[CaptionRow | None]) -> None:
    nothing = CaptionRow("", None, "", "", 0, 0.0, SKIPPED, None, again=True)
    write_rows(begun_file(run_folder, number), [entry or nothing for entry in entries], reasons=True)


def missing(run_folder: Path, shards: Sequence[range]) -> list[int]:
    """The numbers of the shards that are not there; none once they have been merged."""
    if (run_folder / FILE).is_file():
        return []
    return [number for number in range(len(shards)) if not shard_file(run_folder, number).is_file()]


def merge(run_folder: Path, shards: Sequence[range], items: Sequence[str]) -> None:
    """Make captions.parquet and skipped.json of the shards and remove them; nothing to do where that has been done.

    skipped.json lists the items that the captioner itself could not caption: item, reason, and who did (or null).

    Raises:
        RuntimeError: the shards are not of these items in this order.
    """
    if not (run_folder / FILE).is_file():
        rows = [row for number in range(len(shards)) for row in read_rows(shard_file(run_folder, number))]
        if [row.item for row in rows] != list(items):
            raise RuntimeError(f"the shards in {run_folder / FOLDER} are not of the items of this data set")
        skipped = [
            {"item": row.item, "reason": row.reason, "captioned_by": row.captioner if row.caption is not None else None}
            for row in rows
            if row.origin != MODEL
        ]
        write_json(run_folder / "skipped.json", skipped)
        write_rows(run_folder / FILE, rows, reasons=False)  # last: its presence says that nothing is left to do
    shutil.rmtree(run_folder / FOLDER, ignore_errors=True)
