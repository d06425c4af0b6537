"""What a report says about feature columns: coverage, vocabulary size, OOV rate, lengths, the most frequent values."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from recbench.features.columns import FIRST_ID, OOV, FeatureColumn, row_of_value
from recbench.features.vocabulary import Encoded

MOST_FREQUENT = 20


def by_period(values: np.ndarray, training: np.ndarray) -> dict[str, float]:
    """Means of values [N] over all items, over training items, and over the others; NaN over none."""
    groups = {"all": np.ones_like(training), "training": training, "others": ~training}
    return {name: float(values[rows].mean()) if rows.any() else float("nan") for name, rows in groups.items()}


def summarise_captions(captions: Sequence[str | None], training: np.ndarray) -> dict[str, Any]:
    """Items, training items, and the share of each that has a caption."""
    if not len(captions) or training.all() or not training.any():
        warnings.warn("items are all of one period: shares of the other are undefined", stacklevel=2)
    has = np.array([bool(caption) for caption in captions])
    return {
        "items": len(captions),
        "training_items": int(training.sum()),
        "distinct_captions": len({caption for caption in captions if caption}),
        "coverage": by_period(has, training),
    }


def summarise(encoded: Encoded, training: np.ndarray) -> dict[str, Any]:
    """One column's numbers, as metrics.json has them.

    coverage: share of items with at least one id that is not OOV. oov_rate: of the distinct values of items, counted
    once an item, the share that the vocabulary lacks. cut: share of items that lost values to `features.longest`.
    distinct_lists against the number of items tells how nearly the column names the item itself.
    """
    column = encoded.column
    known = np.bincount(row_of_value(column.offsets)[column.ids != OOV], minlength=len(training))
    return {
        "kind": column.kind,
        "vocabulary": column.size - FIRST_ID,
        "coverage": by_period(known > 0, training),
        "oov_rate": _ratio(encoded.unknown, encoded.distinct, training),
        "mean_length": by_period(column.lengths, training),
        "longest": column.longest,
        "cut": by_period(encoded.cut, training),
        "distinct_ids": len(np.unique(column.ids[column.ids != OOV])),
        "distinct_lists": distinct_lists(column),
        "most_frequent": most_frequent(encoded),
    }


def most_frequent(encoded: Encoded, most: int = MOST_FREQUENT) -> list[dict[str, Any]]:
    """The values that most items have, with the number of these and their share of all; equal ones by their id."""
    ids = encoded.column.ids
    counts = np.bincount(ids[ids >= FIRST_ID] - FIRST_ID, minlength=len(encoded.names))
    order = np.argsort(-counts, kind="stable")[:most]
    items = len(encoded.column.lengths)
    return [
        {"value": encoded.names[number], "items": int(counts[number]), "share": float(counts[number] / items)}
        for number in order
        if counts[number]
    ]


def distinct_lists(column: FeatureColumn) -> int:
    """How many different non-empty lists of ids there are, order and weights aside."""
    offsets = column.offsets
    lists = {np.sort(column.ids[start:end]).tobytes() for start, end in zip(offsets[:-1], offsets[1:], strict=True)}
    return len(lists - {b""})


def _ratio(part: np.ndarray, whole: np.ndarray, training: np.ndarray) -> dict[str, float]:
    """Sums of part over sums of whole: of all items, training items, others; NaN over nothing."""
    parts, wholes = by_period(part, training), by_period(whole, training)
    return {name: parts[name] / wholes[name] if wholes[name] else float("nan") for name in parts}
