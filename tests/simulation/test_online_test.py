import itertools
import math

import numpy as np
import pytest

from recbench.data.impressions import Impressions
from recbench.metrics.lift import ctr_lift
from recbench.simulation.online import (
    Traffic,
    assigned,
    draw_subsets,
    false_positives,
    last_clicked,
    read_test,
    simulate_visits,
)

USERS, ITEMS = 300, 12


def truth(users, items):
    """Item 11 is clicked most, item 0 least, whoever sees it."""
    return np.broadcast_to(0.02 + 0.07 * items, np.broadcast_shapes(np.shape(users), np.shape(items)))


def visited(policies, seed=0, **changes):
    options = {"users": USERS, "items": ITEMS, "visits": 6, "candidates": 5, "shown": 2} | changes
    return simulate_visits(policies, truth, **options, rng=np.random.default_rng(seed))


def test_half_of_the_users_are_treated_and_stay_so():
    users = [f"u{number}" for number in range(4_000)]
    first = assigned(users, "a")
    assert abs(first.mean() - 0.5) < 4 * 0.5 / math.sqrt(4_000)
    np.testing.assert_array_equal(assigned(users[::-1], "a")[::-1], first)  # by name, not by place
    # Another salt is another test: independent of the first.
    assert abs((assigned(users, "b") == first).mean() - 0.5) < 4 * 0.5 / math.sqrt(4_000)


def test_every_ordered_subset_is_drawn_alike():
    rows = 24_000
    drawn = draw_subsets(rows, 2, 4, np.random.default_rng(0))
    expected = rows / 12  # 4 * 3 ordered pairs
    for pair in itertools.permutations(range(4), 2):
        count = np.sum((drawn[:, 0] == pair[0]) & (drawn[:, 1] == pair[1]))
        assert abs(count - expected) < 4.5 * math.sqrt(expected)
    whole = draw_subsets(50, 7, 7, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(np.arange(7), (50, 1)))


def test_the_best_candidates_are_shown():
    traffic = visited({"best": truth, "worst": lambda users, items: -truth(users, items)}, candidates=12)
    # All items are candidates: the best two are 11 and 10, .79 and .72; the worst 0 and 1, .02 and .09.
    np.testing.assert_allclose(traffic["best"].expected, 6 * (0.79 + 0.72))
    np.testing.assert_allclose(traffic["worst"].expected, 6 * (0.02 + 0.09))
    np.testing.assert_array_equal(traffic["best"].impressions, 12)
    clicks = traffic["best"].clicks.sum()
    variance = 6 * USERS * (0.79 * 0.21 + 0.72 * 0.28)
    assert abs(clicks - traffic["best"].expected.sum()) < 4 * math.sqrt(variance)


def test_equal_scores_show_a_random_candidate():
    """A policy without preferences earns the mean over items, whatever their numbers: .02 + .07 * 5.5 = .405."""
    traffic = visited({"none": lambda users, items: np.zeros(len(users))}, visits=40)
    shown = traffic["none"].impressions.sum()
    spread = math.sqrt(np.var(0.07 * np.arange(12)) / shown)
    assert abs(traffic["none"].expected.sum() / shown - 0.405) < 4 * spread


def test_policies_that_rank_alike_see_the_same_clicks_and_blocks_report_all_users(monkeypatch):
    monkeypatch.setattr("recbench.simulation.online.BLOCK", 6 * 5 * 7)  # seven users at a time
    told = []
    traffic = visited({"a": truth, "b": lambda users, items: 3 * truth(users, items) - 1}, advance=told.append)
    np.testing.assert_array_equal(traffic["a"].clicks, traffic["b"].clicks)
    assert sum(told) == USERS == len(traffic["a"].clicks) and max(told) == 7


def test_each_user_counts_under_one_arm():
    control = Traffic(np.array([10, 10, 10, 10]), np.array([4, 6, 0, 0]), np.zeros(4))
    treatment = Traffic(np.array([10, 10, 10, 10]), np.array([9, 9, 8, 7]), np.zeros(4))
    lift = read_test(np.array([False, False, True, True]), control, treatment)
    assert lift.value == pytest.approx(0.5)  # 15 of 20 against 10 of 20
    assert lift == ctr_lift([0, 1, 2, 3], [False, False, True, True], [4, 6, 8, 7], [10, 10, 10, 10])


def test_a_real_difference_is_found_and_intervals_hold_it():
    policies = {"a": lambda users, items: np.zeros(len(users)), "b": truth}
    held = 0
    for seed in range(40):
        traffic = visited(policies, seed)
        lift = read_test(assigned([str(user) for user in range(USERS)], str(seed)), traffic["a"], traffic["b"])
        # Two best of five against two of five at random, over all draws: E of the largest two of 5 from 0..11 is
        # (5 / 6 * 13 - 1 + 4 / 6 * 13 - 1) / 2 = 8.75, so .6325 / .405 - 1.
        held += lift.low < 0.6325 / 0.405 - 1 < lift.high
        assert lift.p < 1e-6
    assert held >= 33  # 95% of 40 is 38; fewer than 33 happen once in 10,000


def test_same_arm_on_both_sides_is_rarely_significant():
    users = [f"u{number}" for number in range(USERS)]
    traffic = visited({"a": truth})["a"]
    share = false_positives(users, traffic, [str(salt) for salt in range(400)])
    assert abs(share - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 400)
    assert math.isnan(false_positives(users, traffic, []))


def test_last_clicks_of_each_user_in_the_order_of_time():
    log = Impressions(
        users=["x", "y", "z"],
        user=np.array([0, 1, 0, 0, 1, 0], dtype=np.int32),
        item=np.array([5, 6, 7, 8, 9, 4], dtype=np.int32),
        label=np.array([1, 0, 1, 1, 1, 0], dtype=np.int8),
        split=np.array([0, 0, 0, 0, 2, 2], dtype=np.int8),
        timestamp=np.array([30, 1, 10, 20, 5, 40]),
    )
    np.testing.assert_array_equal(last_clicked(log, 2), [[8, 5], [9, -1], [-1, -1]])
    np.testing.assert_array_equal(last_clicked(log, 4)[0], [7, 8, 5, -1])
