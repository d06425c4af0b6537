"""Folds of a catalogue: which items a captioner learns from, and which it has not seen."""

from collections.abc import Sequence

import numpy as np

from recbench.captioning.items import reference_captions
from recbench.data.dataset import RecommendationData

HELD_OUT_FROM = 0.5  # of the items with a reference: above it too few are left to judge a captioner on
USUAL_FOLDS = 3


def number_of_folds(folds: int | None, data: RecommendationData) -> int:
    """`folds`, or, where it is None, what the data need: a captioner is judged on items that it did not learn from."""
    if folds is not None:
        return folds
    known = sum(caption is not None for caption in reference_captions(data))
    return USUAL_FOLDS if known > HELD_OUT_FROM * data.catalogue.num_rows else 1


def fold_of_items(data: RecommendationData, folds: int, seed: int, family: str | None = None) -> np.ndarray:
    """The fold (0 to folds - 1) of every item in catalogue order, int8 [N]; folds differ by one family at most.

    Args:
        family: catalogue column whose equal values stay in one fold (colour variants share their text); items
            without a value, and all where it is None, are families of their own.
    """
    names = list(data.catalogue["item"])
    if family is not None:
        values = list(data.catalogue[family])
        names = [item if value is None else (value,) for item, value in zip(names, values, strict=True)]
    return folds_of_families(names, folds, seed)


def folds_of_families(families: Sequence[object], folds: int, seed: int) -> np.ndarray:
    """The fold of every item from its family's name, int8 [N]: families in order of appearance, shuffled, dealt out."""
    first: dict[object, int] = {}
    family = np.array([first.setdefault(name, len(first)) for name in families], dtype=np.int64)
    place = np.random.default_rng([seed, 0xF01D]).permutation(len(first))
    return (place % folds).astype(np.int8)[family] if len(family) else np.zeros(0, np.int8)
