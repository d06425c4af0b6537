"""Comparisons of arms against plain loops, scipy, and numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from recbench.errors import UserError
from recbench.metrics.comparison import paired_differences, run_means, spread_over_seeds
from recbench.metrics.intervals import paired_bootstrap


def two_arms(cases: int = 400, metrics: int = 2, seeds: int = 2) -> tuple[dict, dict]:
    rng = np.random.default_rng(0)
    hard = rng.random((cases, metrics))  # how hard a case is, for both arms alike
    base = {seed: hard + 0.05 * rng.normal(size=hard.shape) for seed in range(seeds)}
    arm = {seed: hard + 0.02 + 0.05 * rng.normal(size=hard.shape) for seed in range(seeds)}
    return arm, base


def test_means_and_spread_by_hand() -> None:
    # Seed 0: (0.2 + 0.4) / 2 = 0.3; seed 1: 0.5. Mean 0.4; deviation sqrt((0.1^2 + 0.1^2) / 1) = 0.1414.
    found = spread_over_seeds({0: np.array([[0.2], [0.4]]), 1: np.array([[0.5], [0.5]])})
    assert found.mean == pytest.approx([0.4])
    assert found.deviation == pytest.approx([0.02**0.5])


def test_one_seed_has_no_spread_and_seed_zero_is_a_seed() -> None:
    found = spread_over_seeds({0: np.array([[0.2], [0.4]])})
    assert found.mean == pytest.approx([0.3])
    assert np.isnan(found.deviation).all()


def test_undefined_cases_are_left_out_of_their_metric() -> None:
    assert run_means([[1.0, np.nan], [0.0, 0.5]]) == pytest.approx([0.5, 0.5])
    base = {0: np.array([[np.nan], [0.5], [0.25]])}
    arm = {0: np.array([[0.9], [1.0], [0.5]])}
    found = paired_differences(arm, base, samples=20)
    assert found.mean == pytest.approx([0.375])  # (0.5 + 0.25) / 2
    assert found.relative == pytest.approx([100.0])  # of 0.375, the baseline's mean over the same two cases


def test_the_difference_equals_a_loop_over_resampled_users() -> None:
    arm, base = two_arms(cases=60)
    users = np.repeat(np.arange(20), 3)
    found = paired_differences(arm, base, users, samples=200, seed=5)
    drawn = np.random.default_rng(5).integers(20, size=(200, 20))  # the stream that is resampled by
    for metric in range(2):
        case = [np.mean([arm[s][c, metric] - base[s][c, metric] for s in (0, 1)]) for c in range(60)]
        means = [np.mean([case[c] for user in row for c in range(3 * user, 3 * user + 3)]) for row in drawn]
        assert found.mean[metric] == pytest.approx(np.mean(case))
        assert (found.low[metric], found.high[metric]) == pytest.approx(np.quantile(means, [0.025, 0.975]))
        assert found.standard_error[metric] == pytest.approx(np.std(means, ddof=1))
        assert found.detectable[metric] == pytest.approx(2.8 * np.std(means, ddof=1))
        base_mean = np.mean([base[s][:, metric].mean() for s in (0, 1)])
        assert found.relative[metric] == pytest.approx(100 * np.mean(case) / base_mean)


def test_the_standard_error_is_that_of_a_paired_t_test() -> None:
    arm, base = two_arms(seeds=1)
    found = paired_differences(arm, base, samples=4000)
    expected = stats.ttest_rel(arm[0], base[0])
    assert found.mean / found.standard_error == pytest.approx(expected.statistic, rel=0.05)
    interval = expected.confidence_interval()
    assert found.low == pytest.approx(interval.low, abs=0.1 * (interval.high - interval.low)[0])
    assert found.high == pytest.approx(interval.high, abs=0.1 * (interval.high - interval.low)[0])


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    arm, base = two_arms(cases=150, metrics=1, seeds=1)
    found = paired_differences(arm, base, samples=4000)
    scipys = stats.bootstrap(
        ((arm[0] - base[0])[:, 0],), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    )
    assert found.standard_error[0] == pytest.approx(scipys.standard_error, rel=0.06)
    tolerance = 0.05 * (found.high[0] - found.low[0])
    assert found.low[0] == pytest.approx(scipys.confidence_interval.low, abs=tolerance)
    assert found.high[0] == pytest.approx(scipys.confidence_interval.high, abs=tolerance)


def test_a_true_difference_of_the_detectable_size_is_seen_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    users, trials, seen = 200, 300, 0
    error = 1 / np.sqrt(users)  # of the mean of unit normal differences
    for trial in range(trials):
        gain = rng.normal(2.8 * error, 1, size=users)
        found = paired_differences({0: gain[:, None]}, {0: np.zeros((users, 1))}, samples=200, seed=trial)
        seen += bool(found.low[0] > 0)
    assert seen / trials == pytest.approx(0.8, abs=0.08)  # three standard errors of 300 trials are 0.07


def test_only_seeds_that_both_have_are_paired() -> None:
    arm, base = two_arms(seeds=3)
    found = paired_differences({1: arm[1], 7: arm[2]}, base, samples=50)
    assert found.seeds == [1]
    alone = paired_bootstrap(arm[1][:, 0], base[1][:, 0], samples=50, seed=0)
    assert (found.mean[0], found.low[0], found.high[0]) == pytest.approx(alone[:3])
    with pytest.raises(UserError, match=r"seeds \[1\] and \[0\] have none in common"):
        paired_differences({1: arm[1]}, {0: base[0]})
    with pytest.raises(UserError, match="different numbers of cases"):
        paired_differences({0: arm[0]}, {0: base[0][:10]})


def test_a_baseline_of_zero_has_no_relative_difference() -> None:
    found = paired_differences({0: np.array([[0.5], [0.25]])}, {0: np.zeros((2, 1))}, samples=10)
    assert np.isnan(found.relative).all()
