"""Paired tests against scipy, and Holm's correction against its definition and numbers worked out by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recbench.errors import UserError
from recbench.metrics.comparison import paired_differences
from recbench.metrics.significance import (
    bootstrap_p,
    holm,
    paired_t_test,
    user_means,
    wilcoxon_test,
)

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_means_of_users_by_hand() -> None:
    nan = np.nan
    values = [[1.0, nan], [0.0, 0.25], [0.5, nan], [0.75, 0.5]]  # users b, a, b, a
    found = user_means(values, ["b", "a", "b", "a"])
    assert found.tolist()[0] == [0.375, 0.375]  # a: (0 + .75) / 2 and (.25 + .5) / 2
    assert found[1, 0] == 0.75 and np.isnan(found[1, 1])  # b has no case with the second metric
    assert user_means(values)[1].tolist() == [0.0, 0.25]  # without users every case is one
    with pytest.raises(UserError, match="there are 4 cases but 1 users"):
        user_means(values, ["a"])


@pytest.mark.parametrize("size", [60, 333, 4000])
@pytest.mark.parametrize("digits", [1, 15])  # with one digit there are zeros and many ties
def test_both_tests_are_scipys(size, digits) -> None:
    rng = np.random.default_rng(size)
    first, second = (np.round(rng.normal(mean, 1, size), digits) for mean in (0.1, 0.0))
    student, rank = stats.ttest_rel(first, second), stats.wilcoxon(np.round(first - second, 12))
    found = paired_t_test(first - second)
    assert (found.statistic, found.p) == pytest.approx((student.statistic, student.pvalue), rel=1e-9)
    ranked = wilcoxon_test(np.round(first - second, 12))
    assert ranked.statistic == rank.statistic
    assert ranked.p == pytest.approx(rank.pvalue, rel=1e-9)


def test_a_signed_rank_test_by_hand() -> None:
    # Without the zero, sizes 1, 1, 2, 3 rank 1.5, 1.5, 3, 4; below zero only one of the ones: 1.5, above 8.5.
    # Mean 4 5 / 4 = 5, variance 4 5 9 / 24 - (2^3 - 2) / 48 = 7.375, z = -3.5 / sqrt(7.375) = -1.28880.
    found = wilcoxon_test([1.0, -1.0, 0.0, 2.0, 3.0])
    assert found.statistic == 1.5
    assert found.p == pytest.approx(2 * stats.norm.sf(3.5 / np.sqrt(7.375)))


@pytest.mark.parametrize("test", [paired_t_test, wilcoxon_test])
def test_no_difference_at_all_is_no_evidence(test) -> None:
    assert test([0.0, 0.0, 0.0]) == (0.0, 1.0)
    assert test([0.5, np.nan, -0.25, 1.0]) == test([0.5, -0.25, 1.0])


def test_one_difference_everywhere() -> None:
    assert paired_t_test([-0.5, -0.5, -0.5]) == (-np.inf, 0.0)


def test_too_few_differences_are_undefined() -> None:
    with pytest.warns(UserWarning, match="1 differences are too few for a t-test"):
        assert np.isnan(paired_t_test([0.5, np.nan]).p)
    with pytest.warns(UserWarning, match="no differences for a signed-rank test"):
        assert np.isnan(wilcoxon_test([np.nan]).p)


def test_averages_over_seeds_tie_and_vanish_as_they_do_on_paper() -> None:
    # Three seeds: hits of 2/3 against 1/3, and of 1 against 2/3, differ by 1/3 both; 0.1 + 0.2 less 0.3 is nothing.
    hits = np.array([[1, 1, 0.3], [1, 1, 0.0], [0, 1, 0.0]])[:, :, None]
    base = np.array([[1, 1, 0.1], [0, 1, 0.2], [0, 0, 0.0]])[:, :, None]
    differences = hits.mean(axis=0) - base.mean(axis=0)
    assert len(np.unique(np.abs(differences))) == 3  # in floating point they are three numbers
    copies = 20
    arms = [{seed: np.tile(one, (copies, 1)) for seed, one in enumerate(side)} for side in (hits, base)]
    arms[0][0][0, 0] = 0.0  # one user less: no difference
    found = paired_differences(*arms, samples=0)
    # 39 of 1/3 share rank 20, the zeros go: T+ = 780, mean 390, variance 39 40 79 / 24 - (39^3 - 39) / 48.
    variance = 39 * 40 * 79 / 24 - (39**3 - 39) / 48
    assert found.p_wilcoxon[0] == pytest.approx(2 * stats.norm.sf(390 / np.sqrt(variance)))


def test_users_count_once_in_the_tests() -> None:
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(80), rng.integers(1, 5, 80))
    arm, base = rng.random((2, users.size, 1))
    found = paired_differences({0: arm}, {0: base}, users, samples=50)
    means = [(arm - base)[users == user].mean() for user in range(80)]
    assert found.p_t[0] == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert found.p_wilcoxon[0] == pytest.approx(stats.wilcoxon(means).pvalue)


def test_the_bootstraps_p_value() -> None:
    resampled = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.nan])
    assert bootstrap_p(resampled) == 2 * (1 + 2) / (1 + 8)  # -1 and 0 of eight are not above zero
    assert bootstrap_p(-resampled) == bootstrap_p(resampled)
    assert bootstrap_p(np.zeros(10)) == 1.0
    assert bootstrap_p(resampled + 3e-17) == bootstrap_p(resampled)  # a third twice, less two thirds
    assert bootstrap_p(np.ones(999)) == 0.002
    assert np.isnan(bootstrap_p([]))


def test_the_bootstraps_p_value_is_near_that_of_the_t_test() -> None:
    rng = np.random.default_rng(2)
    shifts = np.array([0.0, 0.05, 0.1, 0.15, -0.1])
    arm = rng.normal(0, 1, (400, 5))
    arm += shifts - arm.mean(axis=0)
    found = paired_differences({0: arm}, {0: np.zeros((400, 5))}, samples=4000)
    assert found.p_bootstrap == pytest.approx(found.p_t, abs=0.02)
    assert ((found.low > 0) | (found.high < 0)).tolist() == (found.p_bootstrap < 0.05).tolist()


def test_holm_by_hand() -> None:
    # Sorted .005, .01, .03, .04 times 4, 3, 2, 1: .02, .03, .06, .04, and the last may not fall below .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]  # 1.2 is no probability
    assert np.array_equal(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04], equal_nan=True)  # two comparisons
    assert holm([]).size == 0
    with pytest.raises(UserError, match=r"p-value 1\.5 is not a probability"):
        holm([0.5, 1.5])


@given(PROBABILITIES, st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(raw, level) -> None:
    """Holm's own words: reject the smallest while it is at most level / (comparisons left), stop at the first not."""
    rejected = np.zeros(len(raw), dtype=bool)
    for step, index in enumerate(np.argsort(raw, kind="stable")):
        if raw[index] * (len(raw) - step) > level:
            break
        rejected[index] = True
    assert (holm(raw) <= level).tolist() == rejected.tolist()


@given(PROBABILITIES)
def test_holm_lies_between_no_correction_and_bonferronis(raw) -> None:
    adjusted = holm(raw)
    assert (adjusted >= np.array(raw)).all()
    assert (adjusted <= np.minimum(1, len(raw) * np.array(raw))).all()


def test_under_no_difference_one_table_in_twenty_has_a_mark() -> None:
    rng = np.random.default_rng(4)
    trials, comparisons = 400, 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables = rng.normal(size=(trials, comparisons, 60))
        marked = [min(holm([paired_t_test(row).p for row in table])) < 0.05 for table in tables]
    assert np.mean(marked) == pytest.approx(0.05, abs=0.033)  # three standard errors of 400 trials
