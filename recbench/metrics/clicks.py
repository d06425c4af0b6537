"""What click probabilities are worth: ranking (AUC, grouped AUC), log loss, calibration, and the best that is possible.

Rows are impressions: a label, 1 for a click, and a score or a probability. Equation numbers are those of
docs/methods.md.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.delong import check_rows, midranks
from recbench.metrics.rankings import rank_scores
from recbench.metrics.windows import window_auc_of

FloatArray = NDArray[np.float64]

# A sigmoid in float32 is exactly 1 from a logit of 17 on; a certain and wrong row then counts 16.1 nats, not infinity.
SMALLEST_PROBABILITY = 1e-7


class GroupedAUC(NamedTuple):
    """AUC within groups, weighted by rows; the groups that count, and those left out because they have one class."""

    value: float
    groups: int
    left_out: int


class CalibrationBins(NamedTuple):
    """Bins of a reliability diagram, [B] each: rows, mean predicted probability, share of clicks."""

    rows: NDArray[np.int64]
    predicted: FloatArray
    observed: FloatArray


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of all rows pooled, ties counting half; NaN, with a warning, where a class is missing.

    `labels` [M] are 0 or 1, `scores` [M] any numbers but NaN. Raises UserError otherwise.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    return float(window_auc_of(rank_scores(labels, scores), (0.0, 1.0))[0])


def grouped_auc(groups: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> GroupedAUC:
    """Mean over groups (users) of the AUC of their rows, weighted by their number of rows: equation (14).

    `groups` [M] holds any sortable ids. Groups with one class only have no AUC: left out, and counted. NaN, with a
    warning, when that is all of them. Source: arXiv 1706.06978, section 6.2 (impressions as weights). Raises UserError
    as `auc`.

    >>> grouped_auc(["a", "a", "b", "b", "b", "c"], [1, 0, 1, 0, 0, 1], [0.9, 0.1, 0.5, 0.2, 0.7, 0.3])
    GroupedAUC(value=0.7, groups=2, left_out=1)
    """
    ranking = rank_scores(labels, scores, groups)
    rows = ranking.positives_of_group + ranking.negatives_of_group
    used = (ranking.positives_of_group > 0) & (ranking.negatives_of_group > 0)
    if not used.any():
        warnings.warn("no group has both clicks and other rows: the grouped AUC is NaN", stacklevel=2)
        return GroupedAUC(float("nan"), 0, used.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one-class groups are counted in the result
        areas = window_auc_of(ranking, (0.0, 1.0))
    return GroupedAUC(float(np.average(areas[used], weights=rows[used])), int(used.sum()), int((~used).sum()))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of -log of the probability given to what happened, in nats; probabilities are clipped to [1e-7, 1 - 1e-7].

    `labels` [M] are 0 or 1, `probabilities` [M] lie in [0, 1]; raises UserError otherwise.

    >>> round(log_loss([1, 0], [0.5, 0.0]), 6)  # (log 2 + 1e-7) / 2
    0.346574
    """
    clicked, probability = _check(labels, probabilities)
    clipped = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.where(clicked, np.log(clipped), np.log1p(-clipped))))


def normalised_entropy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Log loss over that of the constant which is right on average, the rows' own click rate: equation (15).

    Below 1 is better than knowing the click rate only. NaN, with a warning, where a class is missing. Arguments and
    errors as in `log_loss`. Source: He et al., Practical lessons from predicting clicks on ads at Facebook (2014).
    """
    clicked, probability = _check(labels, probabilities)
    rate = float(clicked.mean())
    if rate in (0.0, 1.0):
        warnings.warn("only one class has rows: the normalised entropy is NaN", stacklevel=2)
        return float("nan")
    return log_loss(clicked, probability) / float(-rate * np.log(rate) - (1 - rate) * np.log1p(-rate))


def predicted_over_observed(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected clicks over clicks: 1 is right on average. NaN, with a warning, without clicks. As `log_loss` otherwise.

    >>> predicted_over_observed([0, 1, 0, 1], [0.2, 0.9, 0.4, 0.9])
    1.2
    """
    clicked, probability = _check(labels, probabilities)
    if not clicked.any():
        warnings.warn("there is no click: predicted over observed clicks is NaN", stacklevel=2)
        return float("nan")
    return float(probability.sum() / clicked.sum())


def calibration_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int = 20) -> CalibrationBins:
    """Rows sorted by probability and cut into `bins` bins of equal size, empty ones left out.

    A row's bin is that of its mean rank: equal probabilities stay together, and bins are unequal then. Arguments as in
    `log_loss`; raises UserError for fewer than one bin, too.
    """
    clicked, probability = _check(labels, probabilities)
    if bins < 1:
        raise UserError(f"bins={bins} is no number of bins; give a whole number of at least 1, such as 20")
    place = np.floor((midranks(probability) - 0.5) / probability.size * bins).astype(np.int64)
    rows = np.bincount(place, minlength=bins)
    filled = rows > 0
    sums = (np.bincount(place, weights=values, minlength=bins)[filled] for values in (probability, clicked))
    predicted, observed = (total / rows[filled] for total in sums)
    return CalibrationBins(rows[filled], predicted, observed)


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 20) -> float:
    """Expected calibration error: mean over rows of their bin's |predicted - observed|, `calibration_bins`: (16).

    It is above 0 for perfect probabilities, too: a bin of r rows has noise of order sqrt(p (1 - p) / r).

    >>> round(calibration_error([0, 0, 0, 1], [0.1, 0.3, 0.6, 0.8], bins=2), 10)  # (|.2 - 0| + |.7 - .5|) / 2
    0.2
    """
    found = calibration_bins(labels, probabilities, bins)
    return float(np.average(np.abs(found.predicted - found.observed), weights=found.rows))


def best_auc(probabilities: ArrayLike) -> float:
    """AUC that nobody can beat: of rows ranked by the true click probabilities, clicks drawn from them: equation (17).

    The chance that of two different rows, one clicked and one not, the clicked one has the larger probability, half a
    chance for equal ones. `probabilities` [M] lie in [0, 1]; raises UserError otherwise; NaN, with a warning, where no
    such pair can occur. O(M log M).

    >>> round(best_auc([0.2, 0.8]), 6)  # .8 * .8 right, .2 * .2 wrong
    0.941176
    """
    probability = np.sort(check_probabilities(probabilities))
    value, first, counts = np.unique(probability, return_index=True, return_counts=True)
    no_click = np.concatenate([[0.0], np.cumsum(1 - probability)])
    clicks = value * counts
    ahead = float(clicks @ no_click[first])  # each against all strictly smaller ones
    tied = float(value * (1 - value) @ (counts * (counts - 1.0)))
    pairs = float(probability.sum() * no_click[-1] - probability @ (1 - probability))
    if pairs <= 0:
        warnings.warn("no click and no other row can occur together: the best possible AUC is NaN", stacklevel=2)
        return float("nan")
    return (ahead + tied / 2) / pairs


def best_log_loss(probabilities: ArrayLike) -> float:
    """Log loss that nobody can beat: the mean entropy of the true click probabilities, in nats: equation (17).

    >>> round(best_log_loss([0.5, 0.0, 1.0]), 6)  # log 2 / 3
    0.231049
    """
    p = check_probabilities(probabilities)
    inside = p[(p > 0) & (p < 1)]
    return float(-(inside * np.log(inside) + (1 - inside) * np.log1p(-inside)).sum() / p.size)


def check_probabilities(values: ArrayLike) -> FloatArray:
    """`values` as float64[M]; raises UserError unless they lie in [0, 1] and there are some."""
    probability = np.asarray(values, dtype=np.float64)
    if probability.ndim != 1 or not probability.size:
        raise UserError(f"probabilities have shape {probability.shape}; give one a row, and at least one")
    wrong = np.flatnonzero(~((probability >= 0) & (probability <= 1)))
    if wrong.size:
        raise UserError(
            f"{probability[wrong[0]]} at index {wrong[0]} is no probability; give numbers from 0 to 1, not logits"
        )
    return probability


def _check(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], FloatArray]:
    clicked, _ = check_rows(labels, probabilities)
    return clicked, check_probabilities(probabilities)
