"""Folds: families together, sizes even, and the same for the same seed."""

import dataclasses
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.captioning.folds import folds_of_families, number_of_folds
from recbench.data.dataset import RecommendationData
from recbench.data.interactions import NO_INTERACTIONS


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 5), st.integers(0, 3))
def test_families_stay_together_and_folds_are_even(families: list[int], folds: int, seed: int) -> None:
    fold = folds_of_families(families, folds, seed)
    assert fold.shape == (len(families),)
    of_family = dict(zip(families, fold.tolist(), strict=True))
    assert [of_family[family] for family in families] == fold.tolist()
    sizes = np.bincount(list(of_family.values()), minlength=folds) if families else np.zeros(folds, int)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1
    assert np.array_equal(fold, folds_of_families(families, folds, seed))


def test_seeds_differ_and_zero_is_one() -> None:
    families = list(range(100))
    draws = [folds_of_families(families, 3, seed).tolist() for seed in (0, 1, 2)]
    assert draws[0] != draws[1] != draws[2]


def test_one_fold_holds_everything() -> None:
    assert folds_of_families(["a", "b", "a"], 1, 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("captions", "folds"),
    [
        (["a", "b", "c", None], 3),  # three of four have a reference: some must be kept to judge on
        (["a", "b", None, " "], 1),  # two of four: the others can be judged on
    ],
)
def test_folds_follow_how_many_items_have_references(captions: list[str | None], folds: int) -> None:
    catalogue = datasets.Dataset.from_dict({"item": list("wxyz"), "caption": captions})
    data = RecommendationData("d", catalogue, NO_INTERACTIONS, "f" * 64, None, Path("."))
    assert number_of_folds(None, data) == folds
    assert number_of_folds(5, data) == 5
    bare = dataclasses.replace(data, catalogue=catalogue.remove_columns("caption"))
    assert number_of_folds(None, bare) == 1
