"""Vocabularies: which words or subwords get an id, decided on items of the training period alone."""

from array import array
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from recbench.features.columns import FIRST_ID, OOV, FeatureColumn, kept, row_of_value

Value = TypeVar("Value", bound=Hashable)
LEFT_OUT = -1  # where a value that is too frequent would have its id


@dataclass(frozen=True)
class Occurrences(Generic[Value]):
    """Which values occur in which items: each once an item, in the order in which the item first has them."""

    values: list[Value]  # [V], distinct
    offsets: np.ndarray  # int64 [N + 1]
    index: np.ndarray  # int32 [nnz], into values


@dataclass(frozen=True)
class Vocabulary:
    """The values that have an id: value v has FIRST_ID + v."""

    values: list[str]  # the most frequent first, equally frequent ones in alphabetical order
    items: np.ndarray  # int64 [V]; training items that have it
    left_out: list[str]  # in more training items than allowed: they get no id, and are not out of vocabulary


@dataclass(frozen=True)
class Encoded:
    """A column, and what its making says about its items."""

    column: FeatureColumn
    names: list[str]  # [size - FIRST_ID]; what the ids stand for
    distinct: np.ndarray  # int64 [N]; distinct values of an item, left-out ones not counted, before any cut
    unknown: np.ndarray  # int64 [N]; those that are out of vocabulary
    cut: np.ndarray  # bool [N]; items of which only the first ids stayed


def occurrences(lists: Iterable[Iterable[Value]]) -> Occurrences[Value]:
    """Number the values of items, each once an item (set semantics).

    How often a caption repeats a word says more about its writer than about the item, and a list without repetitions
    has a mean that no word dominates.
    """
    numbers: dict[Value, int] = {}
    index, ends = array("i"), array("q", [0])  # a few bytes a value, however many items there are
    for values in lists:
        index.extend(numbers.setdefault(value, len(numbers)) for value in dict.fromkeys(values))
        ends.append(len(index))
    return Occurrences(list(numbers), np.array(ends, dtype=np.int64), np.array(index, dtype=np.int32))


def fit_vocabulary(
    found: Occurrences[str],
    training: np.ndarray,
    least_items: int = 1,
    most_share: float = 1.0,
    unknown: str | None = None,
) -> Vocabulary:
    """The values that at least `least_items` and at most a share `most_share` of training items have.

    Args:
        training: bool [N]; items that may be learned from.
        most_share: of the training items that have any value.
        unknown: a value that never gets an id, such as a tokenizer's token for what it does not know.
    """
    counted = training[row_of_value(found.offsets)]
    items = np.bincount(found.index[counted], minlength=len(found.values))
    most = most_share * np.count_nonzero(training & (np.diff(found.offsets) > 0))
    order = sorted(range(len(found.values)), key=lambda value: (-items[value], found.values[value]))
    seen = [value for value in order if items[value] > 0 and found.values[value] != unknown]
    chosen = [value for value in seen if least_items <= items[value] <= most]
    frequent = [found.values[value] for value in seen if items[value] > most]
    return Vocabulary([found.values[value] for value in chosen], items[chosen].astype(np.int64), frequent)


def encode(name: str, kind: str, found: Occurrences[str], vocabulary: Vocabulary, longest: int) -> Encoded:
    """Ids of every item's values in their order: unknown ones are one OOV together, left-out ones are dropped.

    Only the first `longest` ids of an item stay.
    """
    known = {value: FIRST_ID + number for number, value in enumerate(vocabulary.values)}
    known.update(dict.fromkeys(vocabulary.left_out, LEFT_OUT))
    id_of_value = np.array([known.get(value, OOV) for value in found.values], dtype=np.int32)
    ids = id_of_value[found.index]
    counts = ids != LEFT_OUT
    rows = row_of_value(found.offsets)
    count = len(found.offsets) - 1
    distinct = np.bincount(rows[counts], minlength=count)
    unknown = np.bincount(rows[ids == OOV], minlength=count)
    keep = counts & ~_repeated(ids == OOV, rows)
    offsets, ids, rows = kept(found.offsets, keep), ids[keep], rows[keep]
    keep = np.arange(len(ids)) - offsets[:-1][rows] < longest
    column = FeatureColumn(name, kind, FIRST_ID + len(vocabulary.values), kept(offsets, keep), ids[keep])
    return Encoded(column, vocabulary.values, distinct, unknown, np.diff(offsets) > longest)


def fully_encoded(column: FeatureColumn, names: list[str]) -> Encoded:
    """A column that nothing is unknown to and that is never cut: codes, of which an item has as many as there are."""
    lengths = column.lengths
    return Encoded(column, names, lengths, np.zeros_like(lengths), np.zeros(len(lengths), dtype=bool))


def _repeated(marked: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of marked values, those that are not the first of their row: bool [nnz]."""
    position = np.flatnonzero(marked)
    again = np.diff(rows[position], prepend=-1) == 0
    repeated = np.zeros(len(marked), dtype=bool)
    repeated[position[again]] = True
    return repeated
