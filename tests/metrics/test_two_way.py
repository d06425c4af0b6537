"""Gains with users and items as draws: by hand, by a loop over pairs of rows, and by simulation."""

import itertools
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.metrics.delong import delong, relative_gain
from recbench.metrics.two_way import two_way_gain, two_way_variance

SIMULATION = Path(__file__).parents[2] / "benchmarks" / "caption_gain_coverage.py"


def test_by_hand():
    # Users 1, 2 and items a, b, each pair once; the baseline ties all rows: its AUC is 1/2, its placements say nothing.
    # Clicks at (1, a) and (2, b) score 3 and 1, the others (1, b) and (2, a) 2 and 0. Placements 1, 1/2 of the clicks,
    # 1/2, 1 of the others; AUC 3/4; less that and over two rows a class: 1/8, -1/8, -1/8, 1/8.
    # Users' sums are 0, 0; items' 1/4, -1/4, twice (n / (n - 1)) their squares 1/4; rows: (1/8) / 2 a class, 1/8.
    labels, users, items = [1, 0, 0, 1], [1, 1, 2, 2], ["a", "b", "a", "b"]
    gain = two_way_gain(labels, [3, 2, 0, 1], [5, 5, 5, 5], users, items)
    assert gain.value == pytest.approx(50)
    assert gain.user_error == pytest.approx(0, abs=1e-9)
    assert gain.item_error == pytest.approx(200 * 0.5)  # 100 / (1/2) times the root of 1/4
    assert gain.pair_error == pytest.approx(200 * 0.125**0.5)
    error = 200 * 0.125**0.5  # 0 + 1/4 - 1/8
    # Student's t with one degree of freedom is Cauchy's: its 97.5% point is tan(.475 pi), its tail arctan.
    assert gain.high - gain.value == pytest.approx(math.tan(0.475 * math.pi) * error)
    assert gain.value - gain.low == pytest.approx(gain.high - gain.value)
    assert gain.p == pytest.approx(1 - 2 / math.pi * math.atan(50 / error))
    assert two_way_gain(labels, [3, 2, 0, 1], [5, 5, 5, 5], items, users)[:4] == pytest.approx(gain[:4])
    # With every item once 0 + 1/8 - 1/8 is left: the larger of the two stands for it.
    assert two_way_gain(labels, [3, 2, 0, 1], [5, 5, 5, 5], users, range(4)).high == pytest.approx(gain.high)


def crossed(random, rows=600, users=25, items=40):
    """Labels and two models' scores with effects of users and items; some pairs occur twice."""
    user, item = random.integers(users, size=rows), random.integers(items, size=rows)
    liking, quality, misread = random.normal(size=users), random.normal(size=items), random.normal(size=items)
    labels = (random.random(rows) < 1 / (1 + np.exp(-liking[user] - quality[item]))).astype(int)
    base = np.round(liking[user] + random.normal(size=rows), 1)
    return labels, base + quality[item] + misread[item], base, user, item


def test_it_sums_over_rows_that_share_a_user_or_an_item():
    labels, a, b, user, item = crossed(np.random.default_rng(0), rows=500, users=90, items=80)
    clicks, others = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    weight, areas = [], []
    for scores in (a, b):
        wins = (scores[clicks][:, None] > scores[others]) + 0.5 * (scores[clicks][:, None] == scores[others])
        areas.append(wins.mean())
        influence = np.zeros(len(labels))
        influence[clicks] = (wins.mean(axis=1) - areas[-1]) / len(clicks)
        influence[others] = (wins.mean(axis=0) - areas[-1]) / len(others)
        weight.append(influence)
    influence = 100 / areas[1] * (weight[0] - areas[0] / areas[1] * weight[1])
    variance = sum(
        influence[r] * influence[s]
        for r, s in itertools.product(range(len(labels)), repeat=2)
        if user[r] == user[s] or item[r] == item[s]
    )
    gain = two_way_gain(labels, a, b, user, item)
    found = two_way_variance(*(error**2 for error in gain[4:]))
    assert found == pytest.approx(variance, rel=0.03)  # but for n / (n - 1) of 80 and 90 clusters
    assert found > 1.2 * max(gain.user_error, gain.pair_error) ** 2


def test_each_part_is_the_one_way_variance():
    labels, a, b, user, item = crossed(np.random.default_rng(1))
    a = np.stack([a, a + np.random.default_rng(2).normal(size=len(a))])  # two seeds against two
    b = np.stack([b, b[::-1]])
    gain = two_way_gain(labels, a, b, user, item)
    for error, groups in zip(gain[4:], (user, item, 1000 * user + item), strict=True):
        one = relative_gain(labels, a, b, groups=groups)
        assert gain.value == pytest.approx(one.value)
        assert error == pytest.approx((one.high - one.value) / 1.959963984540054)
    errors = [error**2 for error in gain[4:]]
    half = 2.063899 * math.sqrt(errors[0] + errors[1] - errors[2])  # t of 24 degrees of freedom: 25 users, 40 items
    assert gain.high - gain.value == pytest.approx(half, rel=1e-6)


def test_items_that_occur_once_leave_the_variance_by_users():
    labels, a, b, user, _ = crossed(np.random.default_rng(3))
    gain = two_way_gain(labels, a, b, user, np.arange(len(labels)))
    assert gain.item_error == pytest.approx(gain.pair_error)
    assert gain.high - gain.value == pytest.approx(2.063899 * gain.user_error)
    areas, covariance = delong(labels, [a, b], groups=user)
    slope = 100 * np.array([1 / areas[1], -areas[0] / areas[1] ** 2])
    assert gain.user_error == pytest.approx(math.sqrt(slope @ covariance @ slope))


def test_a_difference_of_variances_that_is_not_positive():
    assert two_way_variance(0.2, 0.3, 0.6) == 0.3
    assert two_way_variance(0.3, 0.3, 0.6) == 0.3
    assert two_way_variance(0.0, 0.0, 0.0) == 0.0
    assert math.isnan(two_way_variance(math.nan, 1.0, 0.5)) and math.isnan(two_way_variance(1.0, math.nan, 0.5))


def test_undefined_is_nan_with_a_warning():
    rows = ([0, 1, 0, 1], [1, 2, 3, 4], [2, 1, 3, 4])
    with pytest.warns(UserWarning, match="fewer than two groups"):
        gain = two_way_gain(*rows, [1, 1, 2, 2], ["a", "b", "a", "b"])  # all clicks are b's
    assert (
        gain.value == pytest.approx(50)
        and math.isnan(gain.low)
        and math.isnan(gain.p)
        and not math.isnan(gain.user_error)
    )
    with pytest.warns(UserWarning, match="only one class"):
        assert np.isnan(two_way_gain([1, 1], [1, 2], [1, 2], [1, 2], [1, 2])).all()
    with pytest.warns(UserWarning, match="baseline's AUC is 0"):
        assert math.isnan(two_way_gain([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 1, 2], [1, 1, 2, 2]).value)
    equal = two_way_gain([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 2, 1], [1, 1, 2, 2])
    assert equal[:4] == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(UserError, match="4 labels but 3 users or items"):
        two_way_gain(*rows, [1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(UserError, match="confidence 2"):
        two_way_gain(*rows, [1, 2, 1, 2], [1, 1, 2, 2], confidence=2)


@pytest.mark.slow
def test_coverage_where_captions_of_items_differ():
    """A small copy of benchmarks/caption_gain_coverage.py: items' captions err by item, users differ in taste."""
    simulation = runpy.run_path(str(SIMULATION))
    market = simulation["Market"](users=150, items=60, rows_a_user=20)
    truth = simulation["true_gain"](market, rows=400_000, seed=0)
    found = simulation["coverage"](market, truth, repetitions=250, seed=1)
    assert found["users and items"] > 0.90  # .95 less 3.6 standard errors of 250 repetitions
    assert found["users and items"] < 0.99
    assert found["users"] < 0.85 and found["rows"] < found["users and items"] - 0.1  # the control: what it is for
