"""A caption run's work in shards: runs of items in catalogue order, each written whole, so that a killed run resumes.

`shards/captions-00012.parquet` holds the items of shard 12 with the reasons of those that the captioner could not
caption. When every shard is there they become captions.parquet and skipped.json, and the folder goes.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from recbench.captioning.table import FILE, MODEL, CaptionRow, read_rows, write_rows
from recbench.runs import write_json

FOLDER = "shards"


def cut(items: int, size: int) -> list[range]:
    """The catalogue rows of every shard: `size` each, fewer in the last."""
    return [range(start, min(start + size, items)) for start in range(0, items, size)]


def shard_file(run_folder: Path, shard: int) -> Path:
    """Where a shard is written."""
    return run_folder / FOLDER / f"captions-{shard:05d}.parquet"


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
    """
    written = 0
    for number in range(rank, len(shards), world_size):
        if shard_file(run_folder, number).is_file():
            continue
        write_rows(shard_file(run_folder, number), write(shards[number]), reasons=True)
        written += len(shards[number])
        advance(len(shards[number]))
    return written


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
