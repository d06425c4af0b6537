import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.interactions import TEST, TRAIN, VALIDATION
from recbench.data.splits import at_random, global_time, in_order, leave_one_out


def test_leave_one_out_holds_out_the_last_two():
    # users with 4, 2, 3 and 1 interactions; those with fewer than three stay in training
    assert leave_one_out(np.array([0, 4, 6, 9, 10])).tolist() == [0, 0, 1, 2, 0, 0, 0, 1, 2, 0]


def test_global_time_is_8_1_1_without_ties():
    # ten moments, shuffled: the earliest eight train, then one validation, one test
    times = np.array([50, 10, 100, 20, 90, 30, 80, 40, 70, 60])
    assert global_time(times).tolist() == [0, 0, 2, 0, 1, 0, 0, 0, 0, 0]


def test_global_time_never_splits_one_moment():
    # the moment at 80% is 5, which four of five share: all of them leave training together
    assert global_time(np.array([1, 5, 5, 5, 5])).tolist() == [TRAIN, TEST, TEST, TEST, TEST]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_global_time_orders_the_splits(times):
    times = np.array(times)
    split = global_time(times)
    for earlier, later in ((TRAIN, VALIDATION), (VALIDATION, TEST), (TRAIN, TEST)):
        if (split == earlier).any() and (split == later).any():
            assert times[split == earlier].max() < times[split == later].min()


def test_shares_of_rows_in_order_and_at_random():
    assert in_order(10).tolist() == [0] * 8 + [1, 2]
    assert in_order(3, 0.5, 0.0).tolist() == [0, 0, 2]  # 1.5 rounds to the even 2
    split = at_random(1000, 0.7, 0.1, np.random.default_rng(0))
    assert np.bincount(split).tolist() == [700, 100, 200] and np.any(np.diff(split) < 0)
    assert split.tolist() == at_random(1000, 0.7, 0.1, np.random.default_rng(0)).tolist()
