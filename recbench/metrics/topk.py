"""Top-K metrics as expectations over random orders within ties: hit rate, NDCG and MRR.

With one positive a context they follow from two counts (negatives above it, negatives tied with it). With several
positives they follow from a `Ranking`. Equation numbers are those of docs/methods.md; (3) to (5) say how Top-K metrics
are ROC windows.
"""

import operator
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.rankings import IntArray, Ranking

FloatArray = NDArray[np.float64]


def check_k(k: int) -> int:
    """Return a Top-K cut-off as int; raises UserError unless it is a whole number >= 1."""
    try:
        value = operator.index(k)
    except TypeError:
        value = 0
    if value < 1 or isinstance(k, bool):
        raise UserError(f"K {k!r} is not a cut-off; give a whole number of at least 1, such as 10")
    return value


def hit_rate(above: ArrayLike, ties: ArrayLike, k: int) -> FloatArray:
    """Probability that the only positive is among the best K: clip((K - above) / (ties + 1), 0, 1).

    `above` and `ties` count the negatives strictly above the positive and tied with it, [C], and broadcast. Raises
    UserError for K < 1. Without ties it is the window ((K-1)/n, K/n) of the ROC curve: (3).

    >>> hit_rate(above=[0, 9, 10, 9], ties=[0, 0, 0, 3], k=10)
    array([1.  , 1.  , 0.  , 0.25])
    """
    cutoff = check_k(k)
    g, m = np.asarray(above, dtype=np.float64), np.asarray(ties, dtype=np.float64)
    return np.clip((cutoff - g) / (m + 1), 0.0, 1.0)


def ndcg(above: ArrayLike, ties: ArrayLike, k: int) -> FloatArray:
    """Expected NDCG@K with one positive: the mean of 1 / log2(rank + 1) over the ranks its tie allows, 0 beyond K.

    Arguments as in `hit_rate`; the ideal DCG is 1. Equals the mixture of hit rates (4), ties included.

    >>> ndcg(above=[0, 2, 10], ties=0, k=10)
    array([1. , 0.5, 0. ])
    """
    g, m = _as_counts(above, ties)
    return _expected_gain(g, m, _discounts(_within(k, g + m + 1)))


def mrr(above: ArrayLike, ties: ArrayLike, k: int) -> FloatArray:
    """Expected reciprocal rank of the only positive, 0 beyond rank K. Arguments as in `hit_rate`; equals (5).

    >>> mrr(above=[0, 3, 10], ties=[1, 0, 0], k=10)
    array([0.75, 0.25, 0.  ])
    """
    g, m = _as_counts(above, ties)
    return _expected_gain(g, m, 1.0 / np.arange(1, _within(k, g + m + 1) + 1))


def hit_rate_several(ranking: Ranking, k: int) -> FloatArray:
    """Probability that at least one of a group's positives is among its best K, float64[U].

    `ranking` comes from `rank_scores`. NaN, with a warning, for groups without positives. With one positive it is
    `hit_rate`.
    """
    return _expected_gain_of_first(ranking, np.ones(_within(k, _sizes(ranking))))


def recall_several(ranking: Ranking, k: int) -> FloatArray:
    """Expected share of a group's positives that are among its best K, float64[U]; as `hit_rate_several`.

    Never above K over the positives. With one positive it is `hit_rate`. Theorem 3.4 of arXiv 2604.22504 bounds it by a
    windowed area.
    """
    _warn_without_positives(ranking)
    size = ranking.positives + ranking.negatives
    inside = (
        np.clip(_within(k, _sizes(ranking)) - ranking.before, 0, size) / size
    )  # of each block; positives lie anywhere within
    found = np.bincount(ranking.group, ranking.positives * inside, minlength=ranking.positives_of_group.size)
    return found / np.where(ranking.positives_of_group > 0, ranking.positives_of_group, np.nan)


def mrr_several(ranking: Ranking, k: int) -> FloatArray:
    """Expected reciprocal rank of a group's first positive, 0 beyond rank K, float64[U]; as `hit_rate_several`."""
    return _expected_gain_of_first(ranking, 1.0 / np.arange(1, _within(k, _sizes(ranking)) + 1))


def ndcg_several(ranking: Ranking, k: int) -> FloatArray:
    """Expected NDCG@K of groups with any number of positives, float64[U].

    DCG sums 1 / log2(rank + 1) over the positives among the best K; the ideal DCG has min(positives, K) of them first.
    Within a tie every position holds a positive with the same probability. NaN, with a warning, for groups without
    positives. With one positive it is `ndcg`. It is scikit-learn's `ndcg_score(k=K)` for binary labels.
    """
    gains = _Gains(_discounts(_within(k, _sizes(ranking))))
    size = ranking.positives + ranking.negatives
    reached = gains.between(ranking.before, ranking.before + size)
    groups = ranking.positives_of_group.size
    dcg = np.bincount(ranking.group, weights=ranking.positives / size * reached, minlength=groups)
    _warn_without_positives(ranking)
    ideal = gains.between(np.zeros_like(ranking.positives_of_group), ranking.positives_of_group)
    return dcg / np.where(ideal > 0, ideal, np.nan)


def _discounts(k: int) -> FloatArray:
    return 1.0 / np.log2(np.arange(2, k + 2))


def _as_counts(above: ArrayLike, ties: ArrayLike) -> tuple[IntArray, IntArray]:
    g, m = np.broadcast_arrays(np.asarray(above, dtype=np.int64), np.asarray(ties, dtype=np.int64))
    return g, m


def _sizes(ranking: Ranking) -> IntArray:
    return ranking.positives_of_group + ranking.negatives_of_group


def _within(k: int, ranks: IntArray) -> int:
    """The cut-off, or the last rank that there is: a table of gains needs no more."""
    return min(check_k(k), max(1, int(ranks.max(initial=1))))


class _Gains:
    """Sums of the gains [K] of ranks 1 to K over any stretch of ranks; later ranks gain nothing."""

    def __init__(self, gains: FloatArray) -> None:
        self.last = gains.size
        self.sums = np.concatenate([[0.0], np.cumsum(gains)])
        # What each addition rounded off (Knuth's two-sum): a difference of far sums would be little else.
        before, after = self.sums[:-1], self.sums[1:]
        added = after - before
        self.rests = np.concatenate([[0.0], np.cumsum((before - (after - added)) + (gains - added))])

    def between(self, begin: IntArray, end: IntArray) -> FloatArray:
        """Sum of the gains of ranks begin + 1 to end."""
        first, last = np.minimum(begin, self.last), np.minimum(end, self.last)
        return np.asarray((self.sums[last] - self.sums[first]) + (self.rests[last] - self.rests[first]))


def _expected_gain(above: IntArray, ties: IntArray, gains: FloatArray) -> FloatArray:
    """Mean gain over the equally likely ranks above + 1 .. above + ties + 1; ranks beyond the table gain nothing."""
    return np.asarray(_Gains(gains).between(above, above + ties + 1) / (ties + 1))


def _expected_gain_of_first(ranking: Ranking, gains: FloatArray) -> FloatArray:
    """Expected gain at the rank of each group's first positive, which lies in the first block that has any."""
    _warn_without_positives(ranking)
    blocks = np.flatnonzero(ranking.positives > 0)
    groups, first = np.unique(ranking.group[blocks], return_index=True)
    blocks = blocks[first]
    before, positives = ranking.before[blocks], ranking.positives[blocks]
    size = positives + ranking.negatives[blocks]

    none_yet, expected = np.ones(groups.size), np.zeros(groups.size)
    for step in range(min(gains.size, int(size.max(initial=0)))):
        # Drawing the block's rows without replacement: the chance that this one is a positive, none having come before.
        inside = (step < size) & (before + step < gains.size)
        hit = np.where(inside, none_yet * positives / np.maximum(size - step, 1), 0.0)
        expected += hit * gains[np.minimum(before + step, gains.size - 1)]
        none_yet -= hit
    result = np.full(ranking.positives_of_group.size, np.nan)
    result[groups] = expected
    return result


def _warn_without_positives(ranking: Ranking) -> None:
    missing = int(np.count_nonzero(ranking.positives_of_group == 0))
    if missing:
        count = ranking.positives_of_group.size
        warnings.warn(f"{missing} of {count} rankings have no positive: their Top-K metrics are NaN", stacklevel=3)
