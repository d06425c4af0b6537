"""What the report says of columns, worked out by hand on five items."""

import math
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.features.make import Material, make_features
from recbench.features.summary import distinct_lists, summarise, summarise_captions
from recbench.schema import FeaturesConfig

# Training items are the first three, of which the third has no caption.
CAPTIONS = ["red dress", "dress red", None, "red hat with red dots", "Dots!"]
TRAINING = np.array([True, True, True, False, False])


def make(**settings):
    config = FeaturesConfig(**{"kinds": ["words"], "least_items": 1, "most_share": 1.0, **settings})
    return make_features(Material(config, CAPTIONS, TRAINING, Path("nowhere"), seed=0))


def test_numbers_of_a_column() -> None:
    summary = summarise(make().columns[0], TRAINING)
    # The vocabulary of the training items: red and dress, ids 2 or 3. Lists: [2, 3] in some order, the same reversed,
    # none, [red, OOV] for "red hat with dots", [OOV].
    assert summary["kind"] == "words" and summary["vocabulary"] == 2
    assert summary["coverage"] == {"all": 3 / 5, "training": 2 / 3, "others": 1 / 2}
    # Distinct words: 2, 2, 0 in training, none unknown; 4 with 3 unknown and 1 with 1 unknown outside.
    assert summary["oov_rate"] == pytest.approx({"all": 4 / 9, "training": 0, "others": 4 / 5})
    # Ids: 2, 2, 0; 2 (red, one OOV for three words) and 1.
    assert summary["mean_length"] == pytest.approx({"all": 7 / 5, "training": 4 / 3, "others": 3 / 2})
    assert summary["longest"] == 2 and summary["cut"] == {"all": 0, "training": 0, "others": 0}
    assert summary["distinct_ids"] == 2
    assert summary["distinct_lists"] == 3  # {red, dress}, {red, OOV}, {OOV}
    assert summary["most_frequent"] == [
        {"value": "red", "items": 3, "share": 3 / 5},
        {"value": "dress", "items": 2, "share": 2 / 5},
    ]


def test_cut_lists_are_counted() -> None:
    summary = summarise(make(longest=1).columns[0], TRAINING)
    assert summary["cut"] == pytest.approx({"all": 3 / 5, "training": 2 / 3, "others": 1 / 2})
    assert summary["longest"] == 1


def test_numbers_of_captions() -> None:
    assert summarise_captions(CAPTIONS, TRAINING) == {
        "items": 5,
        "training_items": 3,
        "distinct_captions": 4,
        "coverage": {"all": 4 / 5, "training": 2 / 3, "others": 1.0},
    }


def test_shares_of_no_items_are_undefined() -> None:
    with pytest.warns(UserWarning, match="all of one period"):
        coverage = summarise_captions(["red"], np.array([True]))["coverage"]
    assert coverage["training"] == 1 and math.isnan(coverage["others"])


def test_lists_that_differ_in_order_are_one() -> None:
    assert distinct_lists(make().columns[0].column) == 3


def test_all_kinds_in_one_run(recwarn) -> None:
    kinds = ["clusters", "words", "hashed", "semantic_ids", "tokens"]
    made = make(kinds=kinds, bits=3, clusters=2, levels=2, codebook_size=2, vocabulary=300)
    names = [encoded.column.name for encoded in made.columns]
    assert names == ["clusters", "words", "hashed", "semantic_ids_1", "semantic_ids_2", "tokens"]
    for encoded in made.columns:
        assert len(encoded.names) == encoded.column.size - 2
        assert encoded.column.lengths[2] == 0  # no caption
        assert len(encoded.column.lengths) == 5
        assert encoded.column.ids.min() >= 1 and encoded.column.ids.max() < encoded.column.size
        assert summarise(encoded, TRAINING)["most_frequent"]
    assert made.codes is not None and made.codes.shape == (5, 2)
    joint = make(kinds=["semantic_ids"], level_columns=False, levels=2, codebook_size=2)
    assert [encoded.column.name for encoded in joint.columns] == ["semantic_ids"]


@pytest.mark.parametrize("kinds", [[], ["words", "words"]])
def test_kinds_are_some_and_each_once(kinds) -> None:
    with pytest.raises(UserError, match="at least one of tokens, words"):
        make(kinds=kinds)


def test_without_captions_of_training_items_there_is_nothing_to_fit() -> None:
    material = Material(FeaturesConfig(), [None, "red"], np.array([True, False]), Path("nowhere"), seed=0)
    with pytest.raises(UserError, match="no item of the training period has a caption"):
        make_features(material)
