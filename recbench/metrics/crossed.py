"""Users and seeds both as draws: the interval of a mean over users of what was trained with a few seeds.

A paired difference d[u, s] of user u under seed s is mu + a_u + b_s + e_us, each of the three a draw of its own. The
users of the test are some of many. So are the seeds of the training, of which there are three to ten. The estimator is
that of the two-way analysis of variance, the quantile Cochran's (1964). Equation (30) of docs/methods.md.
"""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError

FloatArray = NDArray[np.float64]


class CrossedMean(NamedTuple):
    """A mean over users and seeds, and its variance in two parts, each with its degrees of freedom.

    `user_part` estimates the users' share of the variance, `seed_part` that of seeds and of what is left; both are NaN
    with a single seed. `users_only` is the variance of the mean by users alone: of these very seeds.
    """

    value: float
    user_part: float
    user_freedom: float
    seed_part: float
    seed_freedom: float
    users_only: float


class CrossedInterval(NamedTuple):
    """A mean, its standard error, the ends of its interval, and the two-sided p-value of it being zero."""

    value: float
    error: float
    low: float
    high: float
    p: float


def crossed_mean(values: ArrayLike) -> CrossedMean:
    """Mean of `values` [S, U], a seed a row and a user a column, and the parts of its variance: equation (30).

    With the mean squares of the two-way analysis of variance the user part is (MS_U - MS_E) / (U S), at least 0, and
    the seed part MS_S / (U S). NaN values make NaN, and so do, with a warning, fewer than two users. Raises UserError
    unless the values are two-dimensional with at least one seed.

    >>> found = crossed_mean([[1.0, 2.0, 3.0], [2.0, 3.0, 7.0]])  # rows 2 and 4, columns 1.5, 2.5 and 5
    >>> [round(part, 4) for part in (found.value, found.user_part, found.seed_part)]  # MS 6.5, 6, 1.5
    [3.0, 0.8333, 1.0]
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not len(table):
        raise UserError(f"values have shape {table.shape}; give one row a seed and one column a user")
    seeds, users = table.shape
    if users < 2:
        warnings.warn(f"{users} users are too few for an interval over users: it is NaN", stacklevel=2)
        return CrossedMean(float(table.mean()) if users else math.nan, *[math.nan] * 5)
    mean = float(table.mean())
    of_users, of_seeds = table.mean(axis=0) - mean, table.mean(axis=1) - mean
    between_users = seeds * float(of_users @ of_users) / (users - 1)
    users_only = between_users / (users * seeds)
    if seeds < 2:
        return CrossedMean(mean, math.nan, users - 1, math.nan, 0, users_only)
    between_seeds = users * float(of_seeds @ of_seeds) / (seeds - 1)
    rest = table - mean - of_users - of_seeds[:, None]
    left = float(np.einsum("su,su->", rest, rest)) / ((users - 1) * (seeds - 1))
    user_part = max(between_users - left, 0.0) if not math.isnan(left) else math.nan
    return CrossedMean(
        mean, user_part / (users * seeds), users - 1, between_seeds / (users * seeds), seeds - 1, users_only
    )


def crossed_interval(found: CrossedMean, confidence: float = 0.95) -> CrossedInterval:
    """Interval and p-value of a mean with users and seeds as draws; NaN where a part is, as with a single seed.

    The quantile is the mean of Student's for the two parts, weighted by them: equation (30). With zero variance the
    p-value is 1 for a mean of zero and 0 for any other. Raises UserError unless 0 < `confidence` < 1.

    >>> found = CrossedMean(3.0, user_part=0.0, user_freedom=99, seed_part=1.0, seed_freedom=2, users_only=0.5)
    >>> [round(number, 3) for number in crossed_interval(found)]  # t of two degrees of freedom: 4.303
    [3.0, 1.0, -1.303, 7.303, 0.095]
    """
    if not 0 < confidence < 1:
        raise UserError(f"confidence {confidence} is not a probability; give a number between 0 and 1, such as 0.95")
    variance = found.user_part + found.seed_part
    if math.isnan(variance) or math.isnan(found.value):
        return CrossedInterval(found.value, math.nan, math.nan, math.nan, math.nan)
    error = math.sqrt(variance)
    half = _quantile(found, 1 - confidence) * error
    return CrossedInterval(found.value, error, found.value - half, found.value + half, _p(found, error))


def users_interval(found: CrossedMean, confidence: float = 0.95) -> CrossedInterval:
    """The same with users alone as draws, of these very seeds: Student's interval over users."""
    alone = found._replace(user_part=found.users_only, seed_part=0.0, seed_freedom=1)
    return crossed_interval(alone, confidence)


def mean_of_independent(means: Sequence[CrossedMean]) -> CrossedMean:
    """Mean of means whose users and seeds have nothing in common, as those of several data sets, which stay fixed.

    Its variance is the sum of theirs over the square of their number; degrees of freedom are Satterthwaite's, those of
    users by `users_only`. Raises UserError for none.
    """
    if not means:
        raise UserError("there is no mean to average; give one a data set")
    number = len(means)
    users = _pooled([(one.users_only, one.user_freedom) for one in means])
    seeds = _pooled([(one.seed_part, one.seed_freedom) for one in means])
    return CrossedMean(
        value=sum(one.value for one in means) / number,
        user_part=sum(one.user_part for one in means) / number**2,
        user_freedom=users[1],
        seed_part=seeds[0] / number**2,
        seed_freedom=seeds[1],
        users_only=users[0] / number**2,
    )


def influence_of_users(values: ArrayLike, users: ArrayLike | None = None) -> FloatArray:
    """What each user adds to the mean over all cases under each seed, so that its mean is that mean: [S, C] -> [S, U].

    `users` [C] holds each case's user; by default every case is a user of its own, and the values are unchanged. With
    unequal numbers of cases the mean over cases is a ratio of two sums over users, of which this is the linearisation:
    m + (U / C) sum over the user's cases of (value - m).
    """
    cells = np.asarray(values, dtype=np.float64)
    if users is None:
        return cells
    distinct, user = np.unique(np.asarray(users), return_inverse=True)
    if user.size != cells.shape[1]:
        raise UserError(f"there are {cells.shape[1]} cases but {user.size} users; give one user a case")
    mean = float(cells.mean()) if cells.size else math.nan
    sums = np.stack([np.bincount(user.reshape(-1), row, distinct.size) for row in cells - mean])
    return np.asarray(mean + distinct.size / max(user.size, 1) * sums, dtype=np.float64)


def _quantile(found: CrossedMean, level: float) -> float:
    """Cochran's quantile for a two-sided level: Student's of the two parts, weighted by the parts."""
    from scipy.special import stdtrit  # only comparisons wait for it

    parts = [(found.user_part, found.user_freedom), (found.seed_part, found.seed_freedom)]
    known = [(part, freedom) for part, freedom in parts if part > 0]
    if not known:
        return 0.0
    return sum(part * -float(stdtrit(freedom, level / 2)) for part, freedom in known) / sum(part for part, _ in known)


def _p(found: CrossedMean, error: float) -> float:
    """The level at which the interval just reaches zero."""
    if found.value == 0 or error == 0:
        return 1.0 if found.value == 0 else 0.0
    statistic = abs(found.value) / error
    low, high = -690.0, 0.0  # logarithms of levels: 1e-300 and 1
    if _quantile(found, math.exp(low)) < statistic:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if _quantile(found, math.exp(middle)) > statistic:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _pooled(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Sum of variances, and its degrees of freedom by Satterthwaite (1946)."""
    total = sum(part for part, _ in parts)
    if math.isnan(total):
        return math.nan, 0.0
    squares = sum(part**2 / freedom for part, freedom in parts if part > 0)
    return total, total**2 / squares if squares > 0 else math.inf
