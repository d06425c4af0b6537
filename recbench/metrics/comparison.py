"""Arms of an experiment against each other: means over seeds, paired differences over users, and what they could show.

An arm is one training rule; its runs differ in the seed only. Every run is scored on the same cases, so that arms are
compared case by case and what all arms find hard cancels out.
"""

import math
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.crossed import CrossedMean, crossed_mean, influence_of_users
from recbench.metrics.intervals import paired_bootstraps
from recbench.metrics.significance import paired_t_test, user_means, wilcoxon_test
from recbench.metrics.spread import sample_deviation

FloatArray = NDArray[np.float64]
SeedValues = Mapping[int, FloatArray]  # seed -> metrics of every case, [C, M]

# 80% power at a two-sided level of 5% needs a difference of 1.960 + 0.842 standard errors.
DETECTABLE_ERRORS = 2.8
# Averages over seeds that differ by less are equal: 1 - 2/3 and 1/3 differ in floating point, and are a tie.
DECIMALS = 12


class Spread(NamedTuple):
    """Mean and standard deviation (n - 1) over seeds, float64[M]; the deviation is NaN for a single seed."""

    mean: FloatArray
    deviation: FloatArray


class PairedDifferences(NamedTuple):
    """An arm minus the baseline, float64[M] each but `seeds`: those that both have, over which values are averaged.

    `low` and `high` are the ends of the paired bootstrap interval over users, `relative` is in percent of the
    baseline's mean, and `detectable` the smallest true difference that this test had good odds to see. The p-values
    are two-sided: `p_t` and `p_wilcoxon` of tests over users, `p_bootstrap` of the resamples. `crossed` is each
    difference, and `crossed_relative` each relative one, with users and seeds both as draws: M means with their parts.
    """

    seeds: list[int]
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    relative: FloatArray
    standard_error: FloatArray
    detectable: FloatArray
    p_t: FloatArray
    p_wilcoxon: FloatArray
    p_bootstrap: FloatArray
    crossed: list[CrossedMean]
    crossed_relative: list[CrossedMean]


def run_means(values: ArrayLike) -> FloatArray:
    """Mean of each metric over the cases that have it: [C, M] -> [M], NaN where none has.

    >>> run_means([[1.0, np.nan], [0.5, np.nan]])
    array([0.75,  nan])
    """
    cells = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(cells)
    with np.errstate(invalid="ignore"):
        return np.where(known, cells, 0.0).sum(axis=0) / known.sum(axis=0)


def spread_over_seeds(values: SeedValues) -> Spread:
    """Mean and spread of an arm's metrics over its seeds; each seed's metric is its mean over cases.

    The deviation is `sample_deviation`: of the squares over n - 1, NaN for fewer than two seeds.

    >>> spread_over_seeds({0: np.array([[0.25]]), 1: np.array([[0.75]])})
    Spread(mean=array([0.5]), deviation=array([0.35355339]))
    """
    means = np.stack([run_means(values[seed]) for seed in sorted(values)])
    return Spread(means.mean(axis=0), sample_deviation(means))


def paired_differences(
    arm: SeedValues,
    baseline: SeedValues,
    users: ArrayLike | None = None,
    *,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedDifferences:
    """`arm` minus `baseline` in every metric, with paired bootstrap intervals over users.

    Each case's metric is averaged over the seeds that both arms have, which takes out most of the seeds' noise. Then
    users are resampled, all their cases with them. More seeds do not reduce the sampling error of users.

    `detectable` is 2.8 bootstrap standard errors of the paired difference (1.960 + 0.842 of a normal estimate). A true
    difference of that size would be found significant at the 5% level with a probability of 80%. A smaller one may well
    have gone unseen: "no difference" then says little.

    `p_t` is of Student's t-test over users' mean differences, `p_wilcoxon` of Wilcoxon's signed-rank test. Users count
    equally there; cases do in the mean and in the bootstrap. With one case a user the t-test and the bootstrap ask the
    same question. Wilcoxon's asks for symmetry around zero, and weighs a difference by its rank alone. Neither is
    corrected for many comparisons: `recbench.metrics.significance.holm` does that.

    All of these say nothing of other seeds. `crossed` does, from the same cases, arm and baseline paired by seed.
    `recbench.metrics.crossed.crossed_interval` makes it an interval, NaN where there is a single seed. The relative
    difference is expanded to first order in both means (the delta method).

    Args:
        users: the user of each case, [C]; by default one case a user.

    Raises:
        UserError: the arms have no seed in common, or other numbers of cases or metrics.

    >>> found = paired_differences({0: np.array([[1.0], [0.5]])}, {0: np.array([[0.5], [0.5]])}, samples=0)
    >>> found.mean, found.relative
    (array([0.25]), array([50.]))
    """
    seeds = sorted(set(arm) & set(baseline))
    if not seeds:
        raise UserError(f"arms with seeds {sorted(arm)} and {sorted(baseline)} have none in common to be paired by")
    if len({values.shape for side in (arm, baseline) for values in side.values()}) > 1:
        raise UserError("arms are scored on different numbers of cases or metrics; give values of the same cases")
    first, second = (np.mean([side[key] for key in seeds], axis=0) for side in (arm, baseline))
    found = paired_bootstraps(first, second, samples, seed, users, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        base = run_means(np.where(np.isnan(first), np.nan, second))
        relative = np.where(base != 0, 100 * found.mean / base, np.nan)
    tables = [np.stack([side[key] for key in seeds]) for side in (arm, baseline)]  # [S, C, M]
    crossed = [_crossed(tables[0][..., m], tables[1][..., m], users) for m in range(first.shape[1])]
    by_user = np.round(user_means(first - second, users), DECIMALS).T
    return PairedDifferences(
        seeds=seeds,
        mean=found.mean,
        low=found.low,
        high=found.high,
        relative=relative,
        standard_error=found.standard_error,
        detectable=DETECTABLE_ERRORS * found.standard_error,
        p_t=np.array([paired_t_test(column).p for column in by_user]),
        p_wilcoxon=np.array([wilcoxon_test(column).p for column in by_user]),
        p_bootstrap=found.p,
        crossed=[difference for difference, _ in crossed],
        crossed_relative=[relative for _, relative in crossed],
    )


def _crossed(arm: FloatArray, baseline: FloatArray, users: ArrayLike | None) -> tuple[CrossedMean, CrossedMean]:
    """Difference and relative difference in percent of one metric [S, C], of the cases that all seeds have."""
    known = ~np.isnan(arm - baseline).any(axis=0)
    a, b = arm[:, known], baseline[:, known]
    who = None if users is None else np.asarray(users)[known]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the t-test of the same differences has said that users are too few
        difference = crossed_mean(influence_of_users(a - b, who))
        base = float(b.mean()) if b.size else math.nan
        if not base or math.isnan(base):
            return difference, CrossedMean(*[math.nan] * 6)
        ratio = float(a.mean()) / base
        relative = crossed_mean(100 / base * influence_of_users(a - ratio * b, who))
    return difference, relative._replace(value=100 * (ratio - 1))
