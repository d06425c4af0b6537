"""What sets one arm apart from another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.ctr.arms import encoder_of_arm, shuffled_items
from recbench.ctr.encoding import BaseColumns, fit_encoder


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 5))
def test_a_shuffle_permutes_within_the_training_items_and_within_the_others(training, seed):
    training = np.array(training)
    permutation = shuffled_items(training, seed)
    assert sorted(permutation) == list(range(len(training)))
    assert (training[permutation] == training).all()
    assert (shuffled_items(training, seed) == permutation).all()


def test_seeds_shuffle_differently():
    training = np.arange(50) < 40
    assert (shuffled_items(training, 0) != shuffled_items(training, 1)).any()


def test_arms_have_the_same_fields_and_captions_of_other_items(world):
    base = fit_encoder(world.data, BaseColumns(["brand"]), 1, False)
    arms = {arm: encoder_of_arm(base, arm, [world.caption], world.training, 4, False) for arm in ("with", "shuffled")}
    assert encoder_of_arm(base, "without", [world.caption], world.training, 4, False) is base
    assert arms["with"].fields == arms["shuffled"].fields
    assert len(arms["with"].fields) == len(base.fields) + 2
    permutation = shuffled_items(world.training, 4)
    assert (arms["shuffled"].lists[0].ids[:60] == arms["with"].lists[0].ids[:60][permutation]).all()
