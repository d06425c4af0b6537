"""Area under the ROC curve inside a window of false positive rates: AUC, partial AUC, WPAUC and McClish's form.

Everything here is counting: what a positive contributes depends only on how many negatives score above it, how many tie
with it and how many there are. Equation numbers are those of docs/methods.md; the windowed area is that of arXiv
2604.22504, and for several positives it equals what R's pROC computes.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.fpr_window import check_window
from recbench.metrics.rankings import Ranking, rank_scores

FloatArray = NDArray[np.float64]


class WindowAUC(NamedTuple):
    """Three ways to state one area: `raw`, over the window's width (`normalised`, (1)), and McClish's (`mcclish`)."""

    raw: float
    normalised: float
    mcclish: float


def tpr_at(above: ArrayLike, ties: ArrayLike, negatives: ArrayLike, fpr: ArrayLike) -> FloatArray:
    """Height of a one-positive ROC curve at a false positive rate: equation (2).

    The four arguments broadcast: negatives strictly above the positive, negatives tied with it, all negatives, and the
    false positive rate in [0, 1]. Ties make the curve a ramp, not a step. A rate that is k / n up to the rounding of a
    double is k / n. NaN where there are no negatives.

    >>> tpr_at(above=1, ties=2, negatives=4, fpr=[0.25, 0.5, 0.75])
    array([0. , 0.5, 1. ])
    """
    g, m, n = check_counts(above, ties, negatives)
    beyond = _Rank.of(fpr, n).beyond(g)
    ramp = np.clip(beyond / np.where(m > 0, m, 1.0), 0.0, 1.0)
    return np.where(n > 0, np.where(m > 0, ramp, beyond >= 0), np.nan)


def windowed_tpr(above: ArrayLike, ties: ArrayLike, negatives: ArrayLike, window: Sequence[float]) -> FloatArray:
    """WPAUC of contexts with one positive each: the integral (1) of the curve (2), in closed form.

    `above`, `ties` and `negatives` broadcast and count, for each context, the negatives strictly above the positive,
    those tied with it, and all of them. The result lies in [0, 1] (the area is divided by the window's width b - a) and
    is NaN, with a warning, where there are no negatives. Window (0, 1) gives AUC. Raises UserError for a malformed
    window or impossible counts. Source: arXiv 2604.22504 for the measure, (1) by (2) for the closed form.

    >>> windowed_tpr(above=[0, 1, 4], ties=[0, 2, 0], negatives=4, window=(0.25, 0.75))
    array([1. , 0.5, 0. ])
    """
    a, b = check_window(window)
    g, m, n = check_counts(above, ties, negatives)
    empty = int(np.count_nonzero(n == 0))
    if empty:
        warnings.warn(f"{empty} of {n.size} contexts have no negatives: their windowed area is NaN", stacklevel=2)
    # In units of negatives, the curve is 0 before g, rises over [g, g + m], and is 1 after it. Windows may be narrower
    # than the rounding of n a: only distances between ends, and from an end to a count, are computed, each once.
    start, end = _Rank.of(a, n), _Rank.of(b, n)
    width = start.width(end)
    plateau = np.clip(end.beyond(g + m), 0.0, width)
    rising = np.clip(np.minimum(end.beyond(g), -start.beyond(g + m)), 0.0, np.minimum(width, m))
    middle = (np.clip(start.beyond(g), 0.0, m) + np.clip(end.beyond(g), 0.0, m)) / 2
    ramp = rising * middle / np.where(m > 0, m, 1.0)
    return np.clip((ramp + plateau) / np.where(n > 0, width, np.nan), 0.0, 1.0)


def window_width(negatives: ArrayLike, window: Sequence[float]) -> FloatArray:
    """Width of an FPR window in negatives, n (b - a), for each of `negatives`; ends that are k / n count as such.

    >>> window_width([10, 49], (1 / 49, 2 / 49))
    array([0.20408163, 1.        ])
    """
    a, b = check_window(window)
    n = np.asarray(negatives, dtype=np.float64)
    return _Rank.of(a, n).width(_Rank.of(b, n))


def rank_of(rate: ArrayLike, negatives: ArrayLike) -> FloatArray:
    """A false positive rate u in negatives, n u; k where u is k / n up to the rounding of a double.

    >>> 49 * (1 / 49), float(rank_of(1 / 49, 49))
    (0.9999999999999999, 1.0)
    """
    return _Rank.of(rate, np.asarray(negatives, dtype=np.float64)).whole


def mcclish(raw: ArrayLike, window: Sequence[float]) -> FloatArray:
    """McClish's standardisation of a raw partial area, unclipped: 1/2 (1 + (A - m) / (M - m)).

    `m` = (b^2 - a^2) / 2 is the area under the chance diagonal and `M` = b - a the largest possible one: chance level
    becomes 0.5 and a perfect ranking 1. A curve below the diagonal falls below 0.5 and can become negative. With a = 0
    it is scikit-learn's `roc_auc_score(max_fpr=b)`.

    >>> mcclish([0.5, 0.125], (0.0, 0.5))
    array([1. , 0.5])
    """
    a, b = check_window(window)
    return mcclish_of(np.asarray(raw, dtype=np.float64) / (b - a), (a, b))


def mcclish_of(normalised: ArrayLike, window: Sequence[float]) -> FloatArray:
    """`mcclish` of an area over the window's width, w: 1 - (1 - w) / ((1 - a) + (1 - b)), the same with m and M put in.

    >>> mcclish_of([1.0, 0.25], (0.0, 0.5))
    array([1. , 0.5])
    """
    a, b = check_window(window)
    return 1 - (1 - np.asarray(normalised, dtype=np.float64)) / ((1 - a) + (1 - b))


def window_auc(labels: ArrayLike, scores: ArrayLike, window: Sequence[float]) -> WindowAUC:
    """Area of the empirical ROC curve over an FPR window, for any number of positives; R's pROC gives the same.

    `labels` are 0 or 1, `scores` any numbers but NaN, larger is more relevant, both [N]. Ties are ramps, and the
    window's ends are interpolated linearly. NaN, with a warning, where one of the classes is missing. Raises UserError
    for other labels, NaN scores or a malformed window.

    >>> window_auc([0, 0, 0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], (0.0, 0.5))
    WindowAUC(raw=0.125, normalised=0.25, mcclish=0.5)
    """
    a, b = check_window(window)
    normalised = float(window_auc_of(rank_scores(labels, scores), (a, b))[0])
    return WindowAUC(normalised * (b - a), normalised, float(mcclish_of(normalised, (a, b))))


def window_auc_of(ranking: Ranking, window: Sequence[float]) -> FloatArray:
    """WPAUC of every group of a ranking, float64[U]: one sort serves every window.

    NaN, with a warning, for groups that lack positives or negatives.
    """
    check_window(window)
    undefined = (ranking.positives_of_group == 0) | (ranking.negatives_of_group == 0)
    if undefined.any():
        warnings.warn(
            f"{undefined.sum()} of {undefined.size} rankings have only one class: their ROC curve is undefined (NaN)",
            stacklevel=2,
        )
    # The curve of several positives is the average of their one-positive curves, so its area is the average area.
    used = (ranking.positives > 0) & ~undefined[ranking.group]
    group = ranking.group[used]
    areas = windowed_tpr(ranking.above[used], ranking.negatives[used], ranking.negatives_of_group[group], window)
    sums = np.bincount(group, weights=areas * ranking.positives[used], minlength=undefined.size)
    return np.clip(sums / np.where(undefined, np.nan, ranking.positives_of_group), 0.0, 1.0)


class _Rank(NamedTuple):
    """A false positive rate u in units of negatives, n u = `whole` + `rest`, without rounding."""

    whole: FloatArray  # n u rounded, or k where u is k / n
    rest: FloatArray

    @classmethod
    def of(cls, rate: ArrayLike, negatives: FloatArray) -> "_Rank":
        """n u exactly, by Dekker's product (1971); k where u is the double next to k / n, which is what was meant."""
        u, n = np.broadcast_arrays(np.asarray(rate, dtype=np.float64), negatives)
        product = n * u
        (n_high, n_low), (u_high, u_low) = _halves(n), _halves(u)
        rest = ((n_high * u_high - product) + n_high * u_low + n_low * u_high) + n_low * u_low
        nearest = np.rint(product)
        meant = nearest / np.maximum(n, 1.0) == u
        return cls(np.where(meant, nearest, product), np.where(meant, 0.0, rest))

    def beyond(self, count: FloatArray) -> FloatArray:
        """n u - count, of which only the result is rounded."""
        return (self.whole - count) + self.rest

    def width(self, end: "_Rank") -> FloatArray:
        """From here to a later end, of which only the result is rounded, too."""
        return (end.whole - self.whole) + (end.rest - self.rest)


def _halves(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each value as a sum of two of half the digits (Veltkamp 1968)."""
    scaled = 134217729.0 * values  # 2^27 + 1
    high = scaled - (scaled - values)
    return high, values - high


def check_counts(above: ArrayLike, ties: ArrayLike, negatives: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Broadcast the counts to float64; raises UserError unless they are whole, >= 0, and above + ties <= negatives."""
    g, m, n = np.broadcast_arrays(*(np.asarray(counts, dtype=np.float64) for counts in (above, ties, negatives)))
    whole = (g == np.floor(g)) & (m == np.floor(m)) & (n == np.floor(n))
    wrong = ~(whole & (g >= 0) & (m >= 0) & (g + m <= n) & np.isfinite(n))
    if wrong.any():
        case = int(np.flatnonzero(wrong)[0])
        counts = f"above={g.flat[case]:g}, ties={m.flat[case]:g}, negatives={n.flat[case]:g}"
        raise UserError(f"case {case} has {counts}; counts are whole numbers >= 0 with above + ties <= negatives")
    return g, m, n
