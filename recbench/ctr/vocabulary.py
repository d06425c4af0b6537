"""Ids of categories and standard scores of numbers, both fitted on training impressions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.features.columns import FIRST_ID, OOV, PAD


def frequent_ids(counts: np.ndarray, least: int) -> tuple[np.ndarray, int]:
    """Ids int32 [N] of things that occur counts (int [N]) times, and the number of ids; rare things are OOV.

    >>> frequent_ids(np.array([3, 0, 1]), least=1)
    (array([2, 1, 3], dtype=int32), 4)
    """
    known = counts >= max(least, 1)
    ids = np.where(known, np.cumsum(known) - 1 + FIRST_ID, OOV).astype(np.int32)
    return ids, FIRST_ID + int(known.sum())


@dataclass(frozen=True)
class Categories:
    """The values of a categorical column that have an id: value v has FIRST_ID + v."""

    name: str
    values: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of ids, PAD and OOV among them."""
        return FIRST_ID + len(self.values)

    def ids(self, column: Sequence[str | None] | np.ndarray | pa.Array) -> np.ndarray:
        """int32 ids of a column of strings: PAD where it has none, OOV where the value is not known."""
        strings = pa.array(column, pa.string())
        found = pc.index_in(strings, value_set=pa.array(self.values, pa.string()))
        ids = np.asarray(pc.fill_null(found, OOV - FIRST_ID), dtype=np.int32) + FIRST_ID
        return np.where(np.asarray(strings.is_null()), PAD, ids).astype(np.int32)


def fit_categories(
    name: str, column: Sequence[str | None] | np.ndarray | pa.Array, counts: np.ndarray, least: int
) -> Categories:
    """The values that occur at least `least` times, most frequent first, equally frequent ones in alphabetical order.

    Args:
        column: strings [N], None where there is none.
        counts: int [N], how often each entry counts: an item's number of training impressions, say.
    """
    encoded = pa.array(column, pa.string()).dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    values = encoded.dictionary.to_pylist()
    total = np.bincount(codes[codes >= 0], weights=counts[codes >= 0], minlength=len(values))
    chosen = [value for value in range(len(values)) if total[value] >= max(least, 1)]
    return Categories(name, tuple(values[value] for value in sorted(chosen, key=lambda v: (-total[v], values[v]))))


@dataclass(frozen=True)
class Numbers:
    """A numeric column as standard scores of sign(x) log(1 + |x|), which tames counts and prices and keeps signs."""

    name: str
    mean: float
    deviation: float

    def standardised(self, column: np.ndarray) -> np.ndarray:
        """float32 scores; 0, the training mean, where the number is unknown (NaN)."""
        scores = (_tamed(column) - self.mean) / self.deviation
        return np.nan_to_num(scores, nan=0.0).astype(np.float32)


def fit_numbers(name: str, column: np.ndarray) -> Numbers:
    """Mean and standard deviation over the known numbers of training impressions; 0 and 1 where there is no spread."""
    known = _tamed(column[np.isfinite(column)])
    if not len(known):
        return Numbers(name, 0.0, 1.0)
    # A scale for the rows at hand, not an estimate: divided by their number. Equal numbers may have a rounded mean.
    deviation = float(known.std()) if known.min() < known.max() else 1.0
    return Numbers(name, float(known.mean()), deviation)


def _tamed(column: np.ndarray) -> np.ndarray:
    values = np.asarray(column, dtype=np.float64)
    return np.sign(values) * np.log1p(np.abs(values))
