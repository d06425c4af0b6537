from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.impressions import Impressions, click_histories, cold_rows, training_items
from recbench.data.interactions import NO_INTERACTIONS, TEST, TRAIN, VALIDATION


def impressions_of(rows: list[tuple], timed: bool = True) -> Impressions:
    """Rows (user, item, label, split, second), in any order."""
    user, item, label, split, time = (np.array(column) for column in zip(*rows))
    names = [f"u{u}" for u in range(int(user.max()) + 1)]
    return Impressions(
        names,
        user.astype(np.int32),
        item.astype(np.int32),
        label.astype(np.int8),
        split.astype(np.int8),
        time.astype(np.int64) if timed else None,
    )


def test_with_times_a_row_sees_clicks_of_earlier_seconds_alone():
    shown = impressions_of(
        [
            (0, 5, 1, TRAIN, 10),
            (0, 6, 1, TRAIN, 10),  # the same second: neither sees the other
            (0, 7, 0, TRAIN, 11),  # no click: nobody's history
            (1, 8, 1, TRAIN, 11),  # another user's
            (0, 9, 1, TRAIN, 12),
            (0, 4, 1, VALIDATION, 13),
            (0, 3, 0, TEST, 14),
        ]
    )
    expected = [[-1] * 3, [-1] * 3, [5, 6, -1], [-1] * 3, [5, 6, -1], [5, 6, 9], [6, 9, 4]]
    histories = click_histories(shown, np.arange(7), 3)
    assert histories.tolist() == expected and histories.dtype == np.int32
    assert click_histories(shown, np.array([6, 2]), 1).tolist() == [[4], [6]]  # the last, for any choice of rows


def test_a_row_sees_no_click_of_a_later_split_though_it_is_earlier():
    shown = impressions_of([(0, 1, 1, TEST, 1), (0, 2, 1, VALIDATION, 2), (0, 3, 1, TRAIN, 3), (0, 4, 0, TRAIN, 4)])
    # the training row at 4 sees 3; validation at 2 has no training click before it, and not the test click at 1
    assert click_histories(shown, np.arange(4), 2).tolist() == [[-1, -1], [-1, -1], [-1, -1], [3, -1]]


def test_without_times_held_out_rows_see_all_training_clicks_and_nothing_else():
    rows = [(0, 1, 1, TRAIN, 0), (0, 2, 0, TRAIN, 0), (0, 3, 1, TRAIN, 0), (0, 4, 1, TEST, 0), (0, 5, 1, TEST, 0)]
    shown = impressions_of(rows, timed=False)
    assert click_histories(shown, np.arange(5), 2).tolist() == [[-1, -1], [1, -1], [1, -1], [1, 3], [1, 3]]


def brute_force(rows: list[tuple], row: int, length: int, timed: bool) -> list[int]:
    user, _, _, split, time = rows[row]
    before = []
    for other, (its_user, item, label, its_split, its_time) in enumerate(rows):
        if other == row or its_user != user or not label:
            continue
        if timed and its_time < time and its_split <= split:
            before.append((its_time, other, item))
        if not timed and its_split == TRAIN and (split != TRAIN or other < row):
            before.append((0, other, item))
    return [item for _, _, item in sorted(before)][-length:]


ROW = st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 1), st.integers(0, 2), st.integers(0, 6))


@given(st.lists(ROW, min_size=1, max_size=30), st.integers(1, 5), st.booleans())
def test_histories_equal_a_loop(rows, length, timed):
    if not timed:
        rows = sorted(rows, key=lambda row: row[3])  # as a data run orders them: by split
    shown = impressions_of(rows, timed)
    for row, history in enumerate(click_histories(shown, np.arange(len(rows)), length).tolist()):
        expected = brute_force(rows, row, length, timed)
        assert history == expected + [-1] * (length - len(expected))


def test_histories_of_no_rows_and_of_no_length():
    shown = impressions_of([(0, 1, 0, TRAIN, 0)])
    assert click_histories(shown, np.array([], dtype=np.int64), 4).shape == (0, 4)
    with pytest.raises(ValueError, match="at least 1"):
        click_histories(shown, np.array([0]), 0)


def test_cold_rows_count_training_impressions_of_the_item():
    rows = [(0, 0, 0, TRAIN, 0), (0, 0, 1, TRAIN, 0), (0, 1, 1, TRAIN, 0), (0, 2, 1, TEST, 0), (0, 0, 0, TEST, 0)]
    shown = impressions_of(rows)
    assert cold_rows(shown, 1).tolist() == [False, False, True, True, False]  # item 0 twice, item 1 once, item 2 never
    assert cold_rows(shown, 0).tolist() == [False, False, False, True, False]
    assert cold_rows(shown).all()  # at most five, all of them


def test_training_items_are_those_of_impressions_or_else_of_interactions():
    catalogue = SimpleNamespace(num_rows=4)
    shown = impressions_of([(0, 2, 0, TRAIN, 0), (0, 3, 1, TEST, 0)])
    data = SimpleNamespace(catalogue=catalogue, impressions=shown, interactions=NO_INTERACTIONS)
    assert training_items(data).tolist() == [False, False, True, False]
    interactions = SimpleNamespace(items=np.array([1, 0, 3]), split=np.array([TRAIN, TEST, VALIDATION]))
    data = SimpleNamespace(catalogue=catalogue, impressions=None, interactions=interactions)
    assert training_items(data).tolist() == [False, True, False, False]
