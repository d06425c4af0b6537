"""Bootstrap intervals against a loop over resamples, the normal approximation, and what resampling users means."""

import time

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.metrics.intervals import bootstrap_interval, bootstrap_intervals, paired_bootstrap


def test_interval_equals_a_loop_over_resamples_of_users() -> None:
    rng = np.random.default_rng(1)
    users = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4, 4])
    values = rng.random(10)
    draws = np.random.default_rng(7).integers(5, size=(300, 5))
    means = [np.mean(np.concatenate([values[users == user] for user in draw])) for draw in draws]

    interval = bootstrap_interval(values, samples=300, seed=7, groups=users, confidence=0.9)

    assert interval.mean == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_interval_of_independent_users_is_near_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    interval = bootstrap_interval(values, samples=2000, seed=0)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert interval.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_repeating_a_users_cases_does_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).random(50)
    once = bootstrap_interval(values, samples=200, seed=0)
    repeated = bootstrap_interval(np.repeat(values, 4), samples=200, seed=0, groups=np.repeat(np.arange(50), 4))
    assert repeated == pytest.approx(once)
    as_if_independent = bootstrap_interval(np.repeat(values, 4), samples=200, seed=0)
    assert as_if_independent.high - as_if_independent.low < 0.7 * (once.high - once.low)


def test_users_may_be_named_by_anything_sortable() -> None:
    values = [0.1, 0.4, 0.3, 0.9]
    by_number = bootstrap_interval(values, samples=100, seed=0, groups=[3, 3, 5, 9])
    assert by_number == bootstrap_interval(values, samples=100, seed=0, groups=["a", "a", "b", "c"])


def test_all_metrics_share_the_resamples() -> None:
    values = np.random.default_rng(0).random((40, 3))
    together = bootstrap_intervals(values, samples=100, seed=3)
    for metric in range(3):
        alone = bootstrap_interval(values[:, metric], samples=100, seed=3)
        assert (together.mean[metric], together.low[metric], together.high[metric]) == pytest.approx(alone)


def test_the_seed_decides_and_zero_is_one() -> None:
    values = np.random.default_rng(0).random(30)
    first, again, other = (bootstrap_interval(values, samples=100, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_nan_is_left_out_of_its_metric_only() -> None:
    values = np.array([[1.0, np.nan], [2.0, 4.0], [3.0, np.nan], [6.0, 8.0]])
    intervals = bootstrap_intervals(values, samples=200, seed=0)
    assert intervals.mean.tolist() == [3.0, 6.0]
    assert 4 <= intervals.low[1] <= intervals.high[1] <= 8
    undefined = bootstrap_intervals(np.full((3, 1), np.nan), samples=10, seed=0)
    assert np.isnan(undefined).all()


@pytest.mark.parametrize(
    ("values", "samples", "groups"), [([0.5], 10, None), ([0.5, 0.7], 10, [1, 1]), ([1, 2], 0, None)]
)
def test_nothing_to_resample_gives_nan_ends(values: list[float], samples: int, groups: list[int] | None) -> None:
    interval = bootstrap_interval(values, samples=samples, seed=0, groups=groups)
    assert interval.mean == pytest.approx(np.mean(values))
    assert np.isnan(interval.low) and np.isnan(interval.high)


def test_paired_bootstrap_is_a_minus_b() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(400)
    better = base + 0.01 + 0.02 * rng.normal(size=400)
    gain = paired_bootstrap(better, base, samples=500, seed=0)
    assert gain.mean == pytest.approx(np.mean(better - base))
    assert 0 < gain.low < gain.mean < gain.high
    assert gain.probability_below_zero == 0
    loss = paired_bootstrap(base, better, samples=500, seed=0)
    assert loss.probability_below_zero == 1
    assert (loss.mean, loss.low, loss.high) == pytest.approx((-gain.mean, -gain.high, -gain.low))


def test_paired_bootstrap_of_no_difference_is_about_even() -> None:
    rng = np.random.default_rng(4)
    a = rng.random(300)
    b = rng.permutation(a)  # equal means
    assert paired_bootstrap(a, b, samples=2000, seed=0).probability_below_zero == pytest.approx(0.5, abs=0.05)


def test_paired_bootstrap_leaves_out_cases_undefined_on_either_side() -> None:
    difference = paired_bootstrap([1.0, np.nan, 3.0], [0.5, 1.0, np.nan], samples=50, seed=0)
    assert difference.mean == 0.5


def test_twenty_metrics_of_many_users_are_quick() -> None:
    values = np.random.default_rng(0).random((5_000, 20))
    start = time.perf_counter()
    bootstrap_intervals(values, samples=1000, seed=0)
    assert time.perf_counter() - start < 5  # about 0.1 s when the machine is idle


def test_bad_input_is_named() -> None:
    with pytest.raises(UserError, match="one row a case"):
        bootstrap_intervals([1.0, 2.0], samples=10, seed=0)
    with pytest.raises(UserError, match="2 cases but 1 groups"):
        bootstrap_interval([1.0, 2.0], samples=10, seed=0, groups=[1])
    with pytest.raises(UserError, match="samples -1"):
        bootstrap_interval([1.0, 2.0], samples=-1, seed=0)
    with pytest.raises(UserError, match="confidence 95"):
        bootstrap_interval([1.0, 2.0], samples=10, seed=0, confidence=95)
    with pytest.raises(UserError, match="same cases"):
        paired_bootstrap([1.0, 2.0], [1.0], samples=10, seed=0)
