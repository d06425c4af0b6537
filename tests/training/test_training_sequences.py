"""Training sequences: which interactions are targets, how sequences are cut, batched and padded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.interactions import Interactions
from recbench.data.splits import leave_one_out
from recbench.data.targets import target_positions, training_cases
from recbench.training.sequences import (
    Segments,
    SequenceBatches,
    bucketed_batches,
    padded,
    segments,
    single_target_segments,
)


def _interactions(lengths: list[int]) -> Interactions:
    offsets = np.cumsum([0, *lengths])
    items = np.arange(offsets[-1], dtype=np.int32) + 100  # every interaction has an item of its own
    return Interactions([f"u{row}" for row in range(len(lengths))], offsets, items, leave_one_out(offsets), None)


# Users with 5 interactions (training 0, 1, 2), with 4 (training 5, 6) and with 2 (both for training: 9, 10).
SMALL = _interactions([5, 4, 2])


@pytest.mark.parametrize(
    ("which", "reserved", "expected"),
    [
        ("all", 1, [0, 1, 2, 5, 6, 9, 10]),
        ("seen", 0, [0, 1, 2, 5, 6, 9, 10]),
        ("reserved", 0, []),
        ("seen", 1, [0, 1, 5, 9]),
        ("reserved", 1, [2, 6, 10]),
        ("seen", 2, [0]),
        ("reserved", 2, [1, 2, 5, 6, 9, 10]),
        ("seen", 9, []),
    ],
)
def test_targets_by_hand(which: str, reserved: int, expected: list[int]) -> None:
    assert target_positions(SMALL, which, reserved).tolist() == expected


def test_targets_by_time_follow_the_split() -> None:
    split = np.array([0, 0, 1, 2, 2, 0, 2, 2, 2, 1, 2], dtype=np.int8)
    interactions = Interactions(SMALL.users, SMALL.offsets, SMALL.items, split, None)
    assert target_positions(interactions, "seen", 1).tolist() == [0]
    assert target_positions(interactions, "reserved", 1).tolist() == [1, 5]


def test_cases_to_predict_need_a_history() -> None:
    cases = training_cases(SMALL, "reserved", 2)  # of 1, 2, 5, 6, 9, 10 the users begin with 5 and 9
    assert cases.position.tolist() == [1, 2, 6, 10]
    assert cases.user.tolist() == [0, 0, 1, 2]


def test_a_long_sequence_is_cut_from_its_end() -> None:
    # Nine training interactions, three items of history: 6, 7, 8 are learned from 5 onwards, then 3, 4, 5 from 2
    # onwards, then 0, 1, 2 from the beginning, which has nothing before it.
    interactions = _interactions([11])
    cut = segments(interactions, target_positions(interactions, "all", 0), 3)
    assert cut.start.tolist() == [5, 2, 0]
    assert cut.learn.tolist() == [6, 3, 0]
    assert cut.end.tolist() == [9, 6, 3]


@given(
    st.lists(st.integers(1, 14), min_size=1, max_size=5),
    st.sampled_from(["seen", "reserved", "all"]),
    st.integers(0, 4),
    st.integers(1, 5),
)
def test_every_target_is_predicted_once_and_never_from_nothing(
    lengths: list[int], which: str, reserved: int, history: int
) -> None:
    interactions = _interactions(lengths)
    targets = target_positions(interactions, which, reserved)
    cut = segments(interactions, targets, history)
    learned = [np.arange(learn, end) for learn, end in zip(cut.learn, cut.end)]
    assert sorted(np.concatenate([*learned, np.zeros(0, int)])) == targets.tolist()
    for start, learn, end in zip(cut.start, cut.learn, cut.end):
        first = interactions.offsets[np.searchsorted(interactions.offsets, start, side="right") - 1]
        next_user = interactions.offsets[np.searchsorted(interactions.offsets, start, side="right")]
        assert first <= start <= learn < end <= next_user
        assert end - 1 - start == min(history, end - 1 - first)  # the last target has all the history there is room for
        assert learn > start or learn == first  # only a user's first item is predicted from nothing


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 100))
def test_batches_are_a_permutation_of_like_lengths(lengths: list[int], size: int, seed: int) -> None:
    ends = np.array(lengths)
    cut = Segments(np.zeros_like(ends), np.zeros_like(ends), ends)
    batches = list(bucketed_batches(cut, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    # Sorted by their shortest, batches do not overlap: no batch mixes lengths more than it must.
    spans = sorted((ends[batch].min(), ends[batch].max()) for batch in batches)
    assert all(high <= low for (_, high), (low, _) in zip(spans, spans[1:]))


def test_batches_differ_between_epochs_and_repeat_with_the_seed() -> None:
    ends = np.full(40, 7)
    cut = Segments(np.zeros_like(ends), np.zeros_like(ends), ends)
    first, again, other = (
        np.concatenate(list(bucketed_batches(cut, 8, np.random.default_rng(seed)))).tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_padding_by_hand() -> None:
    cut = Segments(np.array([0, 5]), np.array([1, 6]), np.array([3, 7]))
    items, learned = padded(SMALL, cut, np.array([1, 0]), 0.0, np.random.default_rng(0))
    assert items.tolist() == [[105, 106, -1], [100, 101, 102]]
    assert learned.tolist() == [[False, True, False], [False, True, True]]


@given(st.integers(0, 10_000))
def test_dropping_items_keeps_order_and_the_last_two(seed: int) -> None:
    interactions = _interactions([12, 4, 3])
    cut = segments(interactions, target_positions(interactions, "all", 0), 20)
    rows = np.arange(len(cut.start))
    items, learned = padded(interactions, cut, rows, 0.7, np.random.default_rng(seed))
    for row, (start, learn, end) in enumerate(zip(cut.start, cut.learn, cut.end)):
        kept = items[row][items[row] >= 0]
        assert (items[row][: len(kept)] == kept).all()  # right-padded
        assert (np.diff(kept) > 0).all() and set(kept) <= set(range(start + 100, end + 100))
        assert kept[-2:].tolist() == list(range(start + 100, end + 100))[-2:]
        assert learned[row].tolist() == [item >= learn + 100 for item in items[row].tolist()]


def test_the_share_of_items_dropped_is_the_one_asked_for() -> None:
    interactions = _interactions([1002])
    cut = segments(interactions, target_positions(interactions, "all", 0), 2000)
    items, _ = padded(interactions, cut, np.array([0]), 0.3, np.random.default_rng(0))
    assert abs((items >= 0).sum() / 1000 - 0.7) < 0.05  # three standard deviations are 0.043


def test_batches_by_step_are_whole_passes_in_an_order_of_their_stream() -> None:
    stretches = segments(SMALL, target_positions(SMALL, "all", 0), 8)

    def batches_of(stream: int) -> SequenceBatches:
        return SequenceBatches(stretches, 2, lambda epoch: np.random.default_rng([0, stream, epoch]))

    def at(batches: SequenceBatches, step: int) -> tuple[np.ndarray, np.ndarray]:
        return padded(SMALL, stretches, batches.rows(step), 0.0, np.random.default_rng(0))

    def steps(stream: int, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
        batches = batches_of(stream)
        assert batches.per_epoch == 2  # three users
        return [at(batches, step) for step in range(count)]

    first, second = steps(0)[:2], steps(0)[2:]
    for one_pass in (first, second):
        learned = np.concatenate([items[targets] for items, targets in one_pass])
        assert sorted(learned.tolist()) == [100, 101, 102, 105, 106, 109, 110]
    orders = {tuple(items[0, 0] for items, _ in steps(stream, 6)) for stream in range(8)}
    assert len(orders) > 1
    again = batches_of(0)
    for step in (3, 0, 2):  # any step, in any order, as a resumed run asks for it
        assert np.array_equal(at(again, step)[0], steps(0)[step][0])


def test_a_stretch_of_one_target_by_hand() -> None:
    found = single_target_segments(SMALL, np.array([0, 1, 2, 6, 9]), 1)
    assert found.start.tolist() == [0, 0, 1, 5, 9]  # at most one item before the target, none before a user's first
    assert found.learn.tolist() == [0, 1, 2, 6, 9]
    assert found.end.tolist() == [1, 2, 3, 7, 10]
