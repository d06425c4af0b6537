"""DeLong's covariance of correlated AUCs: intervals of an AUC, of a difference and of a relative gain.

Models scored on the same rows have correlated AUCs, and their difference is far better known than either. The variance
needs every row's placement only (the share of the other class that it beats), which one sort per model gives. Sources:
DeLong, DeLong and Clarke-Pearson (1988); Sun and Xu (2014) for the sort; Obuchowski (1997) for rows in groups. Equation
numbers are those of docs/methods.md.
"""

import math
import warnings
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError

FloatArray = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value and the ends of its normal interval."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference, the ends of its normal interval, and the two-sided p-value of it being zero."""

    value: float
    low: float
    high: float
    p: float


def delong(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
    """AUCs of A models on the same M rows, float64[A], and their covariance, float64[A, A]: equation (11).

    `labels` [M] are 0 or 1, `scores` [A, M] (or [M] for one model) any numbers but NaN, larger is more relevant; ties
    count half. With `groups` [M] (users; any sortable values) the rows of a group may depend on each other, and groups
    take the place of rows as independent draws; with every row a group of its own the two are equal. The covariance is
    NaN, with a warning, with fewer than two positives or negatives (or groups that hold any), and the AUCs are NaN,
    too, where one class is missing. Raises UserError for other labels, NaN scores or unequal lengths. O(A M log M).

    >>> areas, covariance = delong([0, 0, 1, 1], [[1, 2, 2, 3], [3, 1, 2, 4]])
    >>> areas.tolist(), covariance.round(6).tolist()
    ([0.875, 0.75], [[0.03125, 0.0], [0.0, 0.125]])
    """
    label, rows = check_rows(labels, scores)
    areas, parts = _contributions(label, rows, groups)
    return areas, parts @ parts.T


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """AUC with DeLong's interval, cut to [0, 1]; `scores` [S, M] are averaged as AUCs. Arguments as in `delong`.

    >>> [round(end, 6) for end in auc_interval([0, 0, 1, 1], [1, 2, 2, 3], confidence=0.5)]
    [0.875, 0.755766, 0.994234]
    """
    label, rows = check_rows(labels, scores)
    areas, parts = _contributions(label, rows, groups)
    value, error = float(areas.mean()), _length(parts.mean(axis=0))
    low, high = normal_interval(value, error, confidence)
    return Estimate(value, max(low, 0.0), min(high, 1.0))


def delong_difference(
    labels: ArrayLike, a: ArrayLike, b: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Difference:
    """AUC of `a` minus AUC of `b` on the same rows, with DeLong's interval and two-sided p-value: equation (12).

    `a` and `b` are scores [M], or [S, M] of S seeds each: then AUCs are averaged over the seeds, and the interval says
    what other test rows would have changed, not what other seeds would. Other arguments and errors as in `delong`. The
    p-value is 1 where the two rank all pairs alike.
    """
    areas, parts, first = _pair(labels, a, b, groups)
    value = float(areas[first].mean() - areas[~first].mean())
    return _tested(value, _length(parts[first].mean(axis=0) - parts[~first].mean(axis=0)), confidence)


def relative_gain(
    labels: ArrayLike, a: ArrayLike, b: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Difference:
    """AUC of `a` over that of `b` in percent, 100 (A - B) / B, its interval by the delta method: equations (10), (13).

    Arguments, seeds and errors as in `delong_difference`. NaN where the AUC of `b` is 0.
    """
    areas, parts, first = _pair(labels, a, b, groups)
    mine, base = float(areas[first].mean()), float(areas[~first].mean())
    if base == 0:
        warnings.warn("the baseline's AUC is 0: a gain relative to it is NaN", stacklevel=2)
        return Difference(math.nan, math.nan, math.nan, math.nan)
    slope = parts[first].mean(axis=0) - mine / base * parts[~first].mean(axis=0)
    return _tested(100 * (mine - base) / base, 100 / base * _length(slope), confidence)


def normal_interval(value: float, error: float, confidence: float = 0.95) -> tuple[float, float]:
    """`value` plus and minus the normal quantile times the standard error; raises UserError for odd confidences."""
    if not 0 < confidence < 1:
        raise UserError(f"confidence {confidence} is not a probability; give a number between 0 and 1, such as 0.95")
    width = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return value - width, value + width


def two_sided_p(value: float, error: float) -> float:
    """Two-sided normal p-value of `value` being zero; 1 for an exact zero, NaN for another value without an error."""
    if value == 0:
        return 1.0
    return math.erfc(abs(value) / error / math.sqrt(2)) if error > 0 else math.nan


def midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1, smallest first, equal values sharing their mean rank: float64[M].

    >>> midranks(np.array([5.0, 3.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place.reshape(-1)]


def check_rows(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], FloatArray]:
    """Labels as bool[M] and scores as float64[A, M]; raises UserError unless they are 0 or 1, numbers, and fit."""
    label, rows = np.asarray(labels), np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if label.ndim != 1 or rows.ndim != 2 or rows.shape[1] != label.size:
        raise UserError(f"labels have shape {label.shape} and scores {np.shape(scores)}; give one score a label")
    if label.size == 0:
        raise UserError("there are no rows; give at least one positive and one negative")
    wrong = np.flatnonzero((label != 0) & (label != 1))
    if wrong.size:
        raise UserError(f"label {label[wrong[0]]} at index {wrong[0]} is neither 0 nor 1")
    missing = np.flatnonzero(np.isnan(rows).any(axis=0))
    if missing.size:
        raise UserError(f"the score at index {missing[0]} is NaN; give every row a number")
    return label == 1, rows


def _pair(
    labels: ArrayLike, a: ArrayLike, b: ArrayLike, groups: ArrayLike | None
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """AUCs and contributions of the rows of `a`, then those of `b`, and which are of `a`."""
    label, first = check_rows(labels, a)
    _, second = check_rows(labels, b)
    areas, parts = _contributions(label, np.vstack([first, second]), groups)
    return areas, parts, np.arange(len(areas)) < len(first)


def placements(label: NDArray[np.bool_], scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """AUCs [A], and each row's placement less the AUC, [A, M]; NaN, with a warning, where a class is missing.

    A row's placement is the share of the other class that it is right against, ties counting half; the AUC is the mean
    placement of either class. `label` bool[M] and `scores` float64[A, M] are those of `check_rows`.
    """
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        warnings.warn("only one class has rows: the AUC is undefined (NaN)", stacklevel=5)
        return np.full(len(scores), np.nan), np.full(scores.shape, np.nan)
    all_ranks = np.stack([midranks(row) for row in scores])
    placed = np.empty_like(scores)  # of a positive: the share of negatives below it; of a negative: positives above it
    for chosen, others in ((label, negatives), (~label, positives)):
        own = np.stack([midranks(row[chosen]) for row in scores])
        placed[:, chosen] = (all_ranks[:, chosen] - own) / others
    placed[:, ~label] = 1 - placed[:, ~label]
    areas = placed[:, label].mean(axis=1)
    return areas, placed - areas[:, None]


def clustered(label: NDArray[np.bool_], centred: FloatArray, groups: ArrayLike | None) -> FloatArray:
    """One vector a row of `centred` [A, M] (`placements`) whose inner products are covariances: [A, K].

    Without groups a row's entry is its own, scaled so that squares sum to the variance. Groups add up their rows'
    entries. The vector has a part for each of Obuchowski's three sums, since n / (n - 1) counts other groups in each:
    those that hold positives, those that hold negatives, and all groups for the product of the two. NaN, with a
    warning, where fewer than two groups hold positives, or negatives. Raises UserError unless there is one group a row.
    """
    positives, negatives = int(label.sum()), int((~label).sum())
    if groups is None:
        group, count = np.arange(label.size), label.size
    else:
        distinct, group = np.unique(np.asarray(groups), return_inverse=True)
        group, count = group.reshape(-1), distinct.size
        if group.size != label.size:
            raise UserError(f"there are {label.size} labels but {group.size} groups; give one group a row")
    with_positives, with_negatives = np.unique(group[label]).size, np.unique(group[~label]).size
    if min(with_positives, with_negatives) < 2:
        if positives and negatives:  # else it was said already
            kind = "rows" if groups is None else "groups"
            warnings.warn(
                f"fewer than two {kind} hold positives, or negatives: the AUC's variance is NaN", stacklevel=5
            )
        return np.full((len(centred), 1), np.nan)
    if groups is None:
        scale = np.where(label, 1 / math.sqrt(positives * (positives - 1)), 1 / math.sqrt(negatives * (negatives - 1)))
        return centred * scale
    sums = np.stack([np.bincount(group, row * label / positives, count) for row in centred])
    other = np.stack([np.bincount(group, row * ~label / negatives, count) for row in centred])
    # c+ x x' + c- y y' + c (x y' + y x') is c (x + y)(x + y)' + (c+ - c) x x' + (c- - c) y y', and c is the smallest.
    factor, above, below = (n / (n - 1) for n in (count, with_positives, with_negatives))
    parts = [math.sqrt(factor) * (sums + other), math.sqrt(above - factor) * sums, math.sqrt(below - factor) * other]
    return np.hstack(parts)


def _contributions(
    label: NDArray[np.bool_], scores: FloatArray, groups: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """AUCs [A], and one vector a model whose inner products are their covariances: [A, K]."""
    areas, centred = placements(label, scores)
    return areas, clustered(label, centred, groups)


def _length(vector: FloatArray) -> float:
    """Root of the sum of squares: the standard error that a vector of contributions stands for."""
    return float(np.sqrt(vector @ vector))


def _tested(value: float, error: float, confidence: float) -> Difference:
    low, high = normal_interval(value, error, confidence)
    return Difference(value, low, high, math.nan if math.isnan(error) else two_sided_p(value, error))
