"""Categorical columns of a catalogue, one list of ids an item, in memory and as files of a tokenize run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recbench.errors import UserError, damage_told
from recbench.runs import atomic_path, write_json
from recbench.strict_json import parse

PAD = 0  # fills short lists up in a batch; never stored
OOV = 1  # a value that the vocabulary does not know
FIRST_ID = 2  # of the vocabulary


@dataclass(frozen=True)
class FeatureColumn:
    """One multi-valued categorical column: item n has ids[offsets[n] : offsets[n + 1]], none without a caption."""

    name: str
    kind: str  # tokens, words, hashed, semantic_ids or clusters
    size: int  # ids are 0 .. size - 1; 0 is PAD, 1 is OOV
    offsets: np.ndarray  # int64 [N + 1], from 0, ascending
    ids: np.ndarray  # int32 [nnz], 1 .. size - 1
    weights: np.ndarray | None = None  # float32 [nnz], of signed hashing; None: all 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of ids of every item, int64 [N]."""
        return np.diff(self.offsets)

    @property
    def longest(self) -> int:
        """Most ids that an item has."""
        return int(self.lengths.max(initial=0))


def row_of_value(offsets: np.ndarray) -> np.ndarray:
    """The row that each stored value belongs to, int64 [nnz]."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Offsets int64 [N + 1] of rows with these lengths."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def kept(offsets: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Offsets int64 [N + 1] of what remains of rows when only values with keep (bool [nnz]) stay."""
    return offsets_of(np.bincount(row_of_value(offsets)[keep], minlength=len(offsets) - 1))


def single_valued(name: str, kind: str, size: int, values: np.ndarray) -> FeatureColumn:
    """A column of at most one id an item, from int [N]; negative where there is none."""
    has = values >= 0
    return FeatureColumn(name, kind, size, offsets_of(has), values[has].astype(np.int32))


def shuffled(column: FeatureColumn, permutation: np.ndarray) -> FeatureColumn:
    """The column with its lists exchanged between items: item n gets the list of item permutation[n].

    Args:
        permutation: int [N]; each row once for a shuffle (not checked: any gather of rows works).
    """
    lengths = column.lengths[permutation]
    offsets = offsets_of(lengths)
    source = np.repeat(column.offsets[:-1][permutation] - offsets[:-1], lengths) + np.arange(offsets[-1])
    weights = None if column.weights is None else column.weights[source]
    return replace(column, offsets=offsets, ids=column.ids[source], weights=weights)


class ColumnEntry(TypedDict):
    """An entry of columns.json: a column of features.parquet."""

    name: str
    kind: str
    size: int  # ids, with those of PAD and OOV
    pad: int
    oov: int
    longest: int  # ids of the item that has most
    weighted: bool  # whether there is a column of weights, too


def write_features(folder: Path, items: Sequence[str], columns: Sequence[FeatureColumn]) -> None:
    """Write columns as features.parquet (one row an item, in the order of `items`) and columns.json.

    A column is a list<int32> under its name; weights are a list<float32> under `<name>.weight`.
    """
    arrays = {"item": pa.array(list(items), type=pa.string())}
    for column in columns:
        arrays[column.name] = _lists(column.offsets, column.ids)
        if column.weights is not None:
            arrays[f"{column.name}.weight"] = _lists(column.offsets, column.weights)
    with atomic_path(folder / "features.parquet") as partial:
        pq.write_table(pa.table(arrays), partial)
    keys: list[ColumnEntry] = [
        {
            "name": column.name,
            "kind": column.kind,
            "size": column.size,
            "pad": PAD,
            "oov": OOV,
            "longest": column.longest,
            "weighted": column.weights is not None,
        }
        for column in columns
    ]
    write_json(folder / "columns.json", keys)


def load_features(folder: Path) -> list[FeatureColumn]:
    """The columns of a tokenize run, in the order in which they were made; rows are those of the catalogue.

    Raises:
        UserError: the folder holds no features, or damaged ones.
    """
    if not (folder / "columns.json").is_file():
        raise UserError(f"{folder} holds no features (no columns.json); give the run of a finished recbench tokenize")
    with damage_told(folder, "make the run again, or name another"):
        columns = []
        keys: list[ColumnEntry] = parse((folder / "columns.json").read_bytes())
        if not isinstance(keys, list) or not keys:
            raise ValueError("columns.json lists no columns")
        for key in keys:
            name = key["name"]
            lists = pq.read_table(folder / "features.parquet", columns=[name])[name].combine_chunks()
            offsets = offsets_of(pc.list_value_length(lists).to_numpy(zero_copy_only=False))
            weights = None
            if key["weighted"]:
                weight = f"{name}.weight"
                table = pq.read_table(folder / "features.parquet", columns=[weight])
                weights = table[weight].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            ids = lists.flatten().to_numpy(zero_copy_only=False)
            columns.append(FeatureColumn(name, key["kind"], key["size"], offsets, ids, weights))
        return columns


def _lists(offsets: np.ndarray, values: np.ndarray) -> pa.Array:
    """Arrow lists; their offsets are of 32 bits unless there are more values than those can count."""
    if offsets[-1] < 2**31:
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))
