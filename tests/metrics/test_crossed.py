"""Users and seeds as draws: mean squares by loops, quantiles by hand, and coverage by integral and simulation."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recbench.errors import UserError
from recbench.metrics.comparison import paired_differences
from recbench.metrics.crossed import (
    CrossedMean,
    crossed_interval,
    crossed_mean,
    influence_of_users,
    mean_of_independent,
    users_interval,
)

SIMULATION = Path(__file__).parents[2] / "benchmarks" / "users_and_seeds_coverage.py"


def mean_squares(table):
    """MS of users, of seeds and of the rest, as a textbook's sums over cells."""
    seeds, users = len(table), len(table[0])
    mean = sum(map(sum, table)) / (seeds * users)
    of_user = [sum(table[s][u] for s in range(seeds)) / seeds for u in range(users)]
    of_seed = [sum(table[s]) / users for s in range(seeds)]
    rest = sum((table[s][u] - of_user[u] - of_seed[s] + mean) ** 2 for s in range(seeds) for u in range(users)) / (
        (users - 1) * (seeds - 1)
    )
    between_users = seeds * sum((one - mean) ** 2 for one in of_user) / (users - 1)
    return between_users, users * sum((one - mean) ** 2 for one in of_seed) / (seeds - 1), rest


@given(arrays(float, st.tuples(st.integers(2, 4), st.integers(2, 6)), elements=st.integers(-3, 3)))
def test_parts_are_the_mean_squares(table):
    seeds, users = table.shape
    of_users, of_seeds, rest = mean_squares(table.tolist())
    found = crossed_mean(table)
    assert found.value == pytest.approx(table.mean())
    assert found.user_part == pytest.approx(max(of_users - rest, 0) / (seeds * users), abs=1e-12)
    assert found.seed_part == pytest.approx(of_seeds / (seeds * users), abs=1e-12)
    assert found.users_only == pytest.approx(table.mean(axis=0).var(ddof=1) / users, abs=1e-12)
    assert (found.user_freedom, found.seed_freedom) == (users - 1, seeds - 1)


def test_the_variance_is_right_on_average():
    # s_a = 2, s_b = .5, s_e = 3: 4 / 10 + .25 / 4 + 9 / 40 = .6875 for 10 users and 4 seeds.
    random = np.random.default_rng(0)
    tables = 2 * random.normal(size=(10_000, 1, 10)) + 0.5 * random.normal(size=(10_000, 4, 1))
    tables = tables + 3 * random.normal(size=(10_000, 4, 10))
    found = [crossed_mean(table) for table in tables]
    # The user part is cut at zero, which only happens in a few of the tables; uncut it is .4.
    assert np.mean([one.user_part + one.seed_part for one in found]) == pytest.approx(0.6875, rel=0.03)
    assert np.var([one.value for one in found]) == pytest.approx(0.6875, rel=0.03)
    assert np.mean([one.seed_part for one in found]) == pytest.approx(0.25 / 4 + 9 / 40, rel=0.03)


def test_the_interval_by_hand():
    # Three quarters of the variance are users' (normal, nearly), one quarter seeds', t of 2 degrees of freedom.
    found = crossed_interval(CrossedMean(1.0, 0.03, 1e7, 0.01, 2, math.nan))
    assert found.error == pytest.approx(0.2)
    half = 0.2 * (3 * 1.959964 + 4.302653) / 4
    assert (found.low, found.high) == pytest.approx((1 - half, 1 + half), rel=1e-6)
    # p-value and interval agree: at confidence 1 - p the interval ends at zero.
    assert crossed_interval(found_with(0.0, 0.04), 0.9).p == pytest.approx(2 * stats.t.sf(5, 2))  # seeds alone
    assert crossed_interval(found_with(0.04, 0.0)).p == pytest.approx(2 * stats.norm.sf(5), rel=1e-4)  # users alone
    assert crossed_interval(CrossedMean(1.0, 0.03, 1e7, 0.01, 2, math.nan), 1 - found.p).low == pytest.approx(0)
    assert crossed_interval(found_with(0.0, 0.0)).p == 0
    assert crossed_interval(CrossedMean(0.0, 0.0, 9, 0.0, 2, 0.0)) == (0, 0, 0, 0, 1)


def found_with(users, seeds):
    return CrossedMean(1.0, users, 1e7, seeds, 2, users)


def test_one_seed_has_an_interval_over_users_alone():
    table = np.random.default_rng(1).normal(0.1, 1, size=(1, 40))
    found = crossed_mean(table)
    both = crossed_interval(found)
    assert both.value == pytest.approx(table.mean()) and np.isnan(both[1:]).all()
    expected = stats.ttest_1samp(table[0], 0)
    users = users_interval(found)
    assert users.p == pytest.approx(expected.pvalue)
    assert (users.low, users.high) == pytest.approx(expected.confidence_interval(0.95))


def test_a_mean_over_data_sets():
    one = CrossedMean(2.0, 0.5, 100, 1.0, 2, 0.6)
    other = CrossedMean(4.0, 0.1, 50, 3.0, 4, 0.2)
    found = mean_of_independent([one, other])
    assert (found.value, found.users_only) == (3.0, pytest.approx(0.2))
    assert (found.user_part, found.seed_part) == pytest.approx((0.15, 1.0))
    assert found.seed_freedom == pytest.approx(4**2 / (1 / 2 + 9 / 4))  # Satterthwaite's
    assert mean_of_independent([one])[:5] == pytest.approx(one[:5])
    single = crossed_mean([[1.0, 2.0]])
    assert np.isnan(crossed_interval(mean_of_independent([one, single]))[1:]).all()
    assert not np.isnan(users_interval(mean_of_independent([one, single]))).any()


def test_users_with_several_cases_weigh_by_their_cases():
    values = np.array([[1.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 0.5]])
    found = influence_of_users(values, ["b", "a", "b", "b"])
    # Mean over cases 7/16; user a has one case, b three; U / C is 1/2.
    m = 3.5 / 8
    expected = [[m - m / 2, m + (2 - 3 * m) / 2], [m - m / 2, m + (1.5 - 3 * m) / 2]]
    np.testing.assert_allclose(found, expected)
    assert found.mean() == pytest.approx(m) and found.mean(axis=1) == pytest.approx(values.mean(axis=1))
    np.testing.assert_array_equal(influence_of_users(values), values)
    with pytest.raises(UserError, match="4 cases but 2 users"):
        influence_of_users(values, ["a", "b"])


def test_paired_differences_have_them_of_the_cases_that_all_seeds_have():
    random = np.random.default_rng(2)
    arm = {seed: random.random((30, 2)) for seed in (0, 1, 4)}
    base = {seed: random.random((30, 2)) for seed in (0, 1, 4)}
    arm[1][3, 0] = base[4][7, 0] = math.nan
    users = np.repeat(np.arange(15), 2)
    found = paired_differences(arm, base, users, samples=10)
    kept = np.setdiff1d(np.arange(30), [3, 7])
    tables = [np.stack([side[seed][kept, 0] for seed in (0, 1, 4)]) for side in (arm, base)]
    assert found.crossed[0] == pytest.approx(crossed_mean(influence_of_users(tables[0] - tables[1], users[kept])))
    assert [one.value for one in found.crossed] == pytest.approx(found.mean)
    assert [one.value for one in found.crossed_relative] == pytest.approx(found.relative)


def test_the_relative_interval_is_the_delta_method():
    random = np.random.default_rng(3)
    taste, seed = random.random(500), random.normal(0, 0.02, (2, 3, 1))
    a, b = np.clip(taste + 0.1 + seed + random.normal(0, 0.3, (2, 3, 500)), 0, None)
    found = paired_differences({s: a[s][:, None] for s in range(3)}, {s: b[s][:, None] for s in range(3)}, samples=2)
    (relative,) = found.crossed_relative
    # Each user's weight on the relative gain, by taking its cells out a little: a numerical derivative.
    gain = lambda x, y: 100 * (x.sum() / y.sum() - 1)  # noqa: E731
    step, table = 1e-5, np.empty((3, 500))
    for s in range(3):
        for u in range(0, 500):
            weight = np.ones((3, 500))
            weight[s, u] += step
            table[s, u] = 1500 * (gain(weight * a, weight * b) - gain(a, b)) / step
    expected = crossed_mean(table)
    assert relative.user_part == pytest.approx(expected.user_part, rel=1e-3)
    assert relative.seed_part == pytest.approx(expected.seed_part, rel=1e-3)


def exact_coverage(users, rest, seeds_effect, seeds):
    """Coverage with endless users, whose mean squares are known: an integral over the chi-square of the seeds' one."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    chi = stats.chi2.ppf(shares, seeds - 1) / (seeds - 1)
    part = (rest + seeds_effect) * chi
    quantile = (users * stats.norm.ppf(0.975) + part * stats.t.ppf(0.975, seeds - 1)) / (users + part)
    return float(np.mean(2 * stats.norm.cdf(quantile * np.sqrt((users + part) / (users + rest + seeds_effect))) - 1))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_coverage_is_at_least_95_and_at_most_97_percent(seeds):
    found = [
        exact_coverage((1 - b) * a, (1 - b) * (1 - a), b, seeds)
        for b in (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
        for a in (0.0, 0.2, 0.5, 0.8, 0.95, 0.999)
    ]
    assert min(found) > 0.9495
    assert max(found) < {3: 0.972, 5: 0.965, 10: 0.958}[seeds]


@pytest.mark.parametrize(("seeds", "share"), [(3, 0.0), (3, 0.5), (3, 0.99), (5, 0.3), (10, 0.9)])
def test_coverage_by_simulation(seeds, share):
    """A small copy of benchmarks/users_and_seeds_coverage.py."""
    simulation = runpy.run_path(str(SIMULATION))
    found = simulation["coverage"](seeds, share, of_users=0.5, users=2000, repetitions=500, seed=0)
    assert 0.95 - 0.03 < found["users and seeds"] < 0.972 + 0.025  # three standard errors of 500 repetitions
    if share >= 0.5:
        assert found["users"] < 0.87  # the control: what the interval over users alone does


def test_bad_values_are_refused():
    with pytest.raises(UserError, match=r"shape \(3,\)"):
        crossed_mean([1.0, 2.0, 3.0])
    with pytest.raises(UserError, match="confidence 95"):
        crossed_interval(crossed_mean([[1.0, 2.0]]), 95)
    with pytest.raises(UserError, match="no mean"):
        mean_of_independent([])
    with pytest.warns(UserWarning, match="1 users are too few"):
        assert np.isnan(crossed_interval(crossed_mean([[1.0], [2.0]])).low)
