"""Bootstrap intervals over users: which differences a new sample of users could have produced.

Users are resampled, not cases, because the cases of one user are not independent. One set of resamples serves every
metric, so intervals of many metrics cost little more than one, and differences between metrics are paired.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.significance import bootstrap_p
from recbench.metrics.spread import sample_deviation

FloatArray = NDArray[np.float64]

# Resample-by-user counts held at once: 32 MiB as float64.
_BLOCK_ENTRIES = 4_000_000


class Interval(NamedTuple):
    """A mean and the ends of its percentile bootstrap interval."""

    mean: float
    low: float
    high: float


class Intervals(NamedTuple):
    """`Interval` for M metrics at once, each float64[M]."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


class Difference(NamedTuple):
    """Mean of a - b, its percentile bootstrap interval, the share of resamples below zero, standard error, p-value."""

    mean: float
    low: float
    high: float
    probability_below_zero: float
    standard_error: float
    p: float


class Differences(NamedTuple):
    """`Difference` for M metrics at once, each float64[M]."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    probability_below_zero: FloatArray
    standard_error: FloatArray
    p: FloatArray


def bootstrap_interval(
    values: ArrayLike, samples: int, seed: int, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Interval:
    """Mean of one metric over cases with its bootstrap interval over users; see `bootstrap_intervals`.

    >>> bootstrap_interval([0.0, 1.0, 1.0, 0.0], samples=200, seed=0).mean
    0.5
    """
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    mean, low, high = bootstrap_intervals(column, samples, seed, groups, confidence)
    return Interval(float(mean[0]), float(low[0]), float(high[0]))


def bootstrap_intervals(
    values: ArrayLike, samples: int, seed: int, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Intervals:
    """Means of M metrics over C cases, `values` [C, M], with percentile bootstrap intervals over users.

    `groups` [C] holds each case's user (any sortable values; by default every case is a user of its own). A resample
    draws as many users as there are, with replacement, and takes the mean over all their cases. NaN values are left out
    of their metric only. The ends are NaN where nothing can be resampled: fewer than two users, or samples=0.
    Raises UserError for values that are not two-dimensional, groups of another length, samples < 0 or confidence
    outside (0, 1).
    """
    mean, resampled = resampled_means(np.asarray(values, dtype=np.float64), samples, seed, groups)
    ends = np.array([percentile_ends(column, confidence) for column in resampled.T])
    return Intervals(mean, ends[:, 0], ends[:, 1])


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, samples: int, seed: int, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Difference:
    """Difference a - b of two systems scored on the same cases [C], with a paired bootstrap interval over users.

    Cases where either is NaN are left out. An interval wholly below zero says that `a` is worse than `b`. Other
    arguments, errors and NaN ends as in `bootstrap_intervals`.

    >>> paired_bootstrap([0.5, 0.75, 1.0], [0.25, 0.5, 0.75], samples=99, seed=0)
    Difference(mean=0.25, low=0.25, high=0.25, probability_below_zero=0.0, standard_error=0.0, p=0.02)
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise UserError(f"paired values have shapes {first.shape} and {second.shape}; give two lists of the same cases")
    columns = paired_bootstraps(first[:, None], second[:, None], samples, seed, groups, confidence)
    return Difference(*(float(column[0]) for column in columns))


def paired_bootstraps(
    a: ArrayLike, b: ArrayLike, samples: int, seed: int, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Differences:
    """`paired_bootstrap` of M metrics on the same resamples of users, `a` and `b` [C, M].

    `standard_error` is the standard deviation of the resampled differences, NaN with fewer than two of them; `p` is
    their two-sided `bootstrap_p`.
    """
    mean, resampled = resampled_means(
        np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), samples, seed, groups
    )
    ends = np.array([percentile_ends(column, confidence) for column in resampled.T])
    known = [column[~np.isnan(column)] for column in resampled.T]
    below = [float(np.mean(column < 0)) if column.size else float("nan") for column in known]
    spread = [float(sample_deviation(column)) for column in known]
    p = [bootstrap_p(column) for column in known]
    return Differences(mean, ends[:, 0], ends[:, 1], np.array(below), np.array(spread), np.array(p))


def percentile_ends(resampled: FloatArray, confidence: float) -> tuple[float, float]:
    """Ends of the central interval that holds the share `confidence` of the resampled means."""
    if not 0 < confidence < 1:
        raise UserError(f"confidence {confidence} is not a probability; give a number between 0 and 1, such as 0.95")
    # A resample can miss every user who has a value.
    known = resampled[~np.isnan(resampled)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_means(
    values: FloatArray, samples: int, seed: int, groups: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """Mean of each metric [M], and its means in every resample of users [samples, M]; `bootstrap_intervals` has more.

    With fewer than two users there are no resamples: [0, M].
    """
    if values.ndim != 2 or values.shape[1] == 0:
        raise UserError(f"values have shape {values.shape}; give one row a case and one column a metric")
    if samples < 0:
        raise UserError(f"samples {samples} is not a number of bootstrap resamples; give 0 or more, such as 1000")
    cases, metrics = values.shape
    if groups is None:
        user, users = np.arange(cases), cases
    else:
        distinct, user = np.unique(np.asarray(groups), return_inverse=True)
        user, users = user.reshape(-1), distinct.size
        if user.size != cases:
            raise UserError(f"there are {cases} cases but {user.size} groups; give one group a case")

    known = ~np.isnan(values)
    sums_and_counts = np.hstack([np.where(known, values, 0.0), known])
    per_user = np.stack([np.bincount(user, weights=column, minlength=users) for column in sums_and_counts.T], axis=1)
    with np.errstate(invalid="ignore"):
        totals = per_user.sum(axis=0)
        mean = totals[:metrics] / totals[metrics:]
        if users < 2:
            return mean, np.full((0, metrics), np.nan)
        rng = np.random.default_rng(seed)
        block = max(1, _BLOCK_ENTRIES // users)
        means = np.empty((samples, metrics))
        for start in range(0, samples, block):
            rows = min(block, samples - start)
            drawn = rng.integers(users, size=(rows, users)) + users * np.arange(rows)[:, None]
            counts = np.bincount(drawn.reshape(-1), minlength=rows * users).reshape(rows, users)
            sums = counts.astype(np.float64) @ per_user
            means[start : start + rows] = sums[:, :metrics] / sums[:, metrics:]
    return mean, means
