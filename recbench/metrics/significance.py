"""Could it have been chance: paired tests over users, and Holm's correction for a table of many comparisons.

The tests take one difference a user, because the cases of one user are not independent; section 5 of docs/methods.md
says which table uses which. Student's distribution is scipy's, imported where it is needed: only
comparisons wait for it.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.delong import midranks, two_sided_p
from recbench.metrics.spread import sample_deviation

FloatArray = NDArray[np.float64]

NOTHING = 1e-12  # below it, a mean difference is an error of rounding


class Tested(NamedTuple):
    """A test's statistic and its two-sided p-value."""

    statistic: float
    p: float


def user_means(values: ArrayLike, users: ArrayLike | None = None) -> FloatArray:
    """Mean of each metric over each user's cases that have it: [C, M] -> [U, M], users in sorted order.

    `users` [C] holds each case's user, any sortable values; by default every case is a user of its own. NaN where a
    user has no case with the metric. Raises UserError unless there is one user a case.

    >>> user_means([[1.0], [0.0], [0.5]], users=["b", "b", "a"])
    array([[0.5],
           [0.5]])
    """
    cells = np.asarray(values, dtype=np.float64)
    if users is None:
        return cells
    distinct, user = np.unique(np.asarray(users), return_inverse=True)
    if user.size != len(cells):
        raise UserError(f"there are {len(cells)} cases but {user.size} users; give one user a case")
    known = ~np.isnan(cells)
    sums, counts = (
        np.stack([np.bincount(user.reshape(-1), column, distinct.size) for column in table.T], axis=1)
        for table in (np.where(known, cells, 0.0), known)
    )
    with np.errstate(invalid="ignore"):
        return sums / counts


def paired_t_test(differences: ArrayLike) -> Tested:
    """Student's t-test that paired differences [U] have mean zero. NaN differences are left out.

    The p-value is 1 where all differences are zero, and 0 where they all are the same other number. NaN, with a
    warning, for fewer than two differences.

    >>> [round(number, 4) for number in paired_t_test([1.0, 2.0, 3.0])]  # 2 over 1 / sqrt(3); 1 - sqrt(6 / 7)
    [3.4641, 0.0742]
    """
    from scipy.special import stdtr

    known = _known(differences)
    if known.size < 2:
        warnings.warn(f"{known.size} differences are too few for a t-test: its p-value is NaN", stacklevel=2)
        return Tested(math.nan, math.nan)
    if not known.any():
        return Tested(0.0, 1.0)
    mean, error = float(known.mean()), float(sample_deviation(known)) / math.sqrt(known.size)
    statistic = mean / error if error > 0 else math.copysign(math.inf, mean)
    return Tested(statistic, 2 * float(stdtr(known.size - 1, -abs(statistic))))


def wilcoxon_test(differences: ArrayLike) -> Tested:
    """Wilcoxon's signed-rank test that paired differences [U] are symmetric around zero.

    Zeros (and NaN) are left out, equal sizes share their mean rank and narrow the variance, and the p-value is normal,
    without a correction for continuity: what scipy.stats.wilcoxon does by default with more than 50 differences. With
    fewer than about twenty it is rough. The statistic is the smaller of the two rank sums. The p-value is 1 where all
    differences are zero. NaN, with a warning, without differences.

    >>> wilcoxon_test([3.0, -1.0, 2.0, 4.0]).statistic  # ranks above zero 3 + 2 + 4, below it 1
    1.0
    """
    known = _known(differences)
    if not known.size:
        warnings.warn("there are no differences for a signed-rank test: its p-value is NaN", stacklevel=2)
        return Tested(math.nan, math.nan)
    moved = known[known != 0]
    if not moved.size:
        return Tested(0.0, 1.0)
    ranks = midranks(np.abs(moved))
    above = float(ranks[moved > 0].sum())
    total = moved.size * (moved.size + 1) / 2
    tied = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    variance = total * (2 * moved.size + 1) / 12 - float((tied**3 - tied).sum()) / 48
    return Tested(min(above, total - above), two_sided_p(above - total / 2, math.sqrt(variance)))


def bootstrap_p(resampled: ArrayLike) -> float:
    """Two-sided p-value of a mean being zero, from its resampled values [B]; NaN ones are left out.

    It is below 1 - c where the percentile interval of confidence c leaves out zero, but for the added ones, without
    which it could be zero; it is never below 2 / (B + 1). Means nearer to zero than 1e-12 are zero: hits gained and
    lost cancel on paper, and seldom in floating point. NaN without resamples. Source: Davison and Hinkley (1997),
    section 4.2.

    >>> bootstrap_p([0.5, 1.0, 2.0, -1.0, 0.5, 1.0, 1.5])  # one of seven is not above zero: 2 (1 + 1) / 8
    0.5
    """
    known = _known(resampled)
    if not known.size:
        return math.nan
    fewer = min(np.count_nonzero(known < NOTHING), np.count_nonzero(known > -NOTHING))
    return min(1.0, 2 * (1 + int(fewer)) / (1 + known.size))


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down adjusted p-values, float64[M], in the order given.

    Rejecting those of at most alpha keeps the chance of any false rejection at alpha, whatever the tests depend on.
    NaN stays NaN and counts for no comparison. Source: Holm (1979). Raises UserError for numbers outside [0, 1].

    >>> holm([0.01, 0.04, 0.03])  # 3 x .01, then 2 x .03, then 1 x .04, which may not fall below .06
    array([0.03, 0.06, 0.06])
    """
    raw = np.asarray(p_values, dtype=np.float64)
    wrong = raw[(raw < 0) | (raw > 1)]
    if wrong.size:
        raise UserError(f"p-value {wrong[0]:g} is not a probability; give numbers between 0 and 1")
    known = np.flatnonzero(~np.isnan(raw))
    order = known[np.argsort(raw[known], kind="stable")]
    adjusted = np.full(raw.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(order.size, 0, -1)))
    return adjusted


def _known(values: ArrayLike) -> FloatArray:
    column = np.asarray(values, dtype=np.float64).reshape(-1)
    return column[~np.isnan(column)]
