import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.interactions import (
    TEST,
    TRAIN,
    VALIDATION,
    Cases,
    Interactions,
    held_out_cases,
    histories,
    user_of_interaction,
)
from recbench.data.splits import leave_one_out


def interactions_of(sequences: list[list[int]]) -> Interactions:
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in sequences])]).astype(np.int64)
    items = np.array([item for items in sequences for item in items], dtype=np.int32)
    return Interactions([f"u{u}" for u in range(len(sequences))], offsets, items, leave_one_out(offsets), None)


def pairs(cases: Cases) -> list[tuple[int, int]]:
    return list(zip(cases.user.tolist(), cases.position.tolist()))


def test_cases_are_the_held_out_interactions_in_user_order():
    # positions: user 0 -> 0 1 2 3 (test 3, validation 2), user 1 -> 4 (train), user 2 -> 5 6 7 (test 7, validation 6)
    interactions = interactions_of([[9, 8, 7, 6], [5], [4, 3, 4]])
    assert pairs(held_out_cases(interactions, TEST)) == [(0, 3), (2, 7)]
    assert pairs(held_out_cases(interactions, VALIDATION)) == [(0, 2), (2, 6)]
    # A user's first interaction has no history, so it is no case: positions 0, 4 and 5 are left out.
    assert pairs(held_out_cases(interactions, TRAIN)) == [(0, 1)]


def test_histories_hold_the_last_items_padded_on_the_right():
    interactions = interactions_of([[9, 8, 7, 6], [5], [4, 3, 4]])
    cases = held_out_cases(interactions, TEST)
    np.testing.assert_array_equal(histories(interactions, cases, 2), [[8, 7], [4, 3]])
    np.testing.assert_array_equal(histories(interactions, cases, 4), [[9, 8, 7, -1], [4, 3, -1, -1]])
    assert histories(interactions, cases, 2).dtype == np.int32


def test_histories_of_no_cases_and_of_no_length():
    interactions = interactions_of([[1, 2, 3]])
    none = Cases(np.empty(0, np.int64), np.empty(0, np.int64))
    assert histories(interactions, none, 3).shape == (0, 3)
    with pytest.raises(ValueError, match="at least 1"):
        histories(interactions, none, 0)


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), min_size=1, max_size=5),
    st.integers(1, 8),
    st.sampled_from([TRAIN, VALIDATION, TEST]),
)
def test_histories_equal_slices_of_each_sequence(sequences, length, split):
    interactions = interactions_of(sequences)
    cases = held_out_cases(interactions, split)
    for (user, position), history in zip(zip(*cases), histories(interactions, cases, length)):
        before = sequences[user][: position - interactions.offsets[user]][-length:]
        assert history.tolist() == before + [-1] * (length - len(before))
    assert user_of_interaction(interactions).tolist() == [u for u, items in enumerate(sequences) for _ in items]
