"""Scores sorted once into blocks of equal scores, from which every ROC and Top-K metric follows by counting."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError

IntArray = NDArray[np.int64]


class Ranking(NamedTuple):
    """Rankings of U groups (users), best score first, as T blocks of equal scores, in order of group and rank.

    Per block, int64[T]: `group` 0..U-1, `before` (rows of the group ranked higher), `above` (its negatives among them),
    `positives` and `negatives` (those inside the block). Per group, int64[U]: `positives_of_group` and
    `negatives_of_group`.
    """

    group: IntArray
    before: IntArray
    above: IntArray
    positives: IntArray
    negatives: IntArray
    positives_of_group: IntArray
    negatives_of_group: IntArray


def rank_scores(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None) -> Ranking:
    """Sort scores within each group and count labels in every block of equal scores.

    `labels` are 0 or 1, `scores` any numbers but NaN (infinities rank and tie as such), larger is more relevant;
    `groups` holds a group id per row, any sortable values, by default one group for all; all [N]. Group u of the result
    is the u-th smallest id. Raises UserError for empty input, unequal lengths, other labels or NaN scores.

    >>> ranking = rank_scores([0, 1, 0, 1], [0.1, 0.7, 0.7, 0.9])
    >>> ranking.above.tolist(), ranking.positives.tolist(), ranking.negatives.tolist()
    ([0, 0, 1], [1, 1, 0], [0, 1, 1])
    """
    label = np.asarray(labels)
    score = np.asarray(scores, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise UserError(f"labels have shape {label.shape} and scores {score.shape}; give two lists of one length")
    if label.size == 0:
        raise UserError("there are no scores; give at least one positive and one negative")
    bad_labels = np.flatnonzero((label != 0) & (label != 1))
    if bad_labels.size:
        raise UserError(f"label {label[bad_labels[0]]} at index {bad_labels[0]} is neither 0 nor 1")
    bad_scores = np.flatnonzero(np.isnan(score))
    if bad_scores.size:
        raise UserError(f"the score at index {bad_scores[0]} is NaN; give every row a number")
    if groups is None:
        group = np.zeros(label.size, dtype=np.int64)
    else:
        group = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
        if group.size != label.size:
            raise UserError(f"there are {label.size} labels but {group.size} groups; give one group a row")

    order = np.lexsort((-score, group))
    score, group, positive = score[order], group[order], (label == 1)[order].astype(np.int64)
    # Compared, not subtracted: inf - inf would be NaN and split a tie.
    first_of_block = np.append(True, (score[1:] != score[:-1]) | (group[1:] != group[:-1]))
    start = np.flatnonzero(first_of_block)
    group_of_block = group[start]
    positives = np.add.reduceat(positive, start)
    negatives = np.diff(np.append(start, score.size)) - positives

    first_block = np.searchsorted(group_of_block, np.arange(group[-1] + 1))
    negatives_before = np.cumsum(negatives) - negatives
    return Ranking(
        group=group_of_block,
        before=start - start[first_block][group_of_block],
        above=negatives_before - negatives_before[first_block][group_of_block],
        positives=positives,
        negatives=negatives,
        positives_of_group=np.add.reduceat(positives, first_block),
        negatives_of_group=np.add.reduceat(negatives, first_block),
    )
