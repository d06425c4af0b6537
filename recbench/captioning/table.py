"""captions.parquet: one row an item, in catalogue order."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.errors import UserError, damage_told
from recbench.runs import atomic_path

MODEL, FALLBACK, SKIPPED = "model", "fallback", "skipped"  # where a caption comes from
FILE = "captions.parquet"
_TYPES = pa.schema(
    [
        ("item", pa.string()),
        ("caption", pa.string()),
        ("captioner", pa.string()),
        ("prompt_hash", pa.string()),
        ("tokens", pa.int32()),
        ("seconds", pa.float32()),
        ("origin", pa.string()),
        ("cut", pa.bool_()),
        ("unread", pa.int32()),
        ("reason", pa.string()),
        ("asked", pa.bool_()),
        ("again", pa.bool_()),
    ]
)
_OF_SHARDS = ["reason", "asked", "again"]


@dataclass(frozen=True)
class CaptionRow:
    """One item's caption and how it came about."""

    item: str
    caption: str | None  # None: skipped
    captioner: str  # the name of the one that wrote it; of the one that should have, where skipped
    prompt_hash: str  # of the template that the captioner was given; empty where it reads none
    tokens: int
    seconds: float  # its share of the batch's time
    origin: str
    reason: str | None  # why the captioner itself wrote none; None where it did
    cut: bool = False  # whether an endpoint said that the caption ended at max_tokens
    unread: int = 0  # files of the item's list of pictures that could not be read: it was captioned from the others
    asked: bool = False  # whether the captioner was asked at all: not where the picture cannot be read
    again: bool = False  # whether a resumed run asks again: no fault of the item's


def write_rows(path: Path, rows: Sequence[CaptionRow], *, reasons: bool) -> None:
    """Write rows as Parquet, whole or not at all; `reasons` and what to ask again are of shards alone.

    There is a column `unread` only where some row counts any.
    """
    records = [asdict(row) for row in rows]
    table = pa.table({name: [record[name] for record in records] for name in _TYPES.names}, schema=_TYPES)
    left_out = ([] if reasons else _OF_SHARDS) + ([] if any(row.unread for row in rows) else ["unread"])
    with atomic_path(path) as partial:
        pq.write_table(table.drop_columns(left_out), partial)


def read_rows(path: Path) -> list[CaptionRow]:
    """Read what `write_rows` wrote; without reasons they are None."""
    rows = pq.read_table(path).to_pylist()
    names = {item.name for item in fields(CaptionRow)}
    return [CaptionRow(**{"reason": None, **{key: row[key] for key in row if key in names}}) for row in rows]


def read_captions(run_folder: Path) -> list[str | None]:
    """The captions of a finished caption run in catalogue order, None where an item was skipped.

    Raises:
        UserError: the folder has no captions.parquet, or a damaged one.
    """
    path = Path(run_folder) / FILE
    if not path.is_file():
        raise UserError(f"{run_folder} holds no {FILE}; give the run of a finished recbench caption")
    with damage_told(path, "make the captions again, or name another run"):
        captions: list[str | None] = pq.read_table(path, columns=["caption"])["caption"].to_pylist()
    return captions
