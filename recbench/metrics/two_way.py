"""A relative AUC gain's interval where rows share users and, across users, items: variance clustered by both.

Captions are columns of items: where one item's caption misleads a click model, it does so in all of the item's rows,
whoever sees them. With users alone as draws, the items at hand count as all that there are. Sources: Cameron, Gelbach
and Miller (2011) for the variance; Obuchowski (1997) for an AUC's rows in groups. Equation (29) of docs/methods.md.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.delong import check_rows, clustered, placements

FloatArray = NDArray[np.float64]

ROUNDING = 1e-12  # a sum of variances this small, beside its parts, is zero


class TwoWayGain(NamedTuple):
    """A relative gain in percent, the ends of its Student interval and its p-value, users and items both as draws.

    `user_error`, `item_error` and `pair_error` are the standard errors by users, by items, and by the pairs of the two.
    """

    value: float
    low: float
    high: float
    p: float
    user_error: float
    item_error: float
    pair_error: float


def two_way_gain(
    labels: ArrayLike, a: ArrayLike, b: ArrayLike, users: ArrayLike, items: ArrayLike, confidence: float = 0.95
) -> TwoWayGain:
    """AUC of `a` over that of `b` in percent, 100 (A - B) / B, with users and items as draws: equation (29).

    `labels` [M] are 0 or 1, `a` and `b` scores [M], or [S, M] of S seeds, whose AUCs are averaged; `users` and `items`
    [M] hold any sortable ids. Quantiles are Student's, with one degree of freedom less than the fewer of users and
    items. Where every item occurs once, the variance is that by users. NaN, with a warning, where the AUC of `b` is 0
    and, of the interval, where fewer than two users, or items, hold clicks, or other rows. Raises UserError for other
    labels, NaN scores or unequal lengths.
    """
    from scipy.special import stdtr, stdtrit  # only click models wait for it

    if not 0 < confidence < 1:
        raise UserError(f"confidence {confidence} is not a probability; give a number between 0 and 1, such as 0.95")
    label, first = check_rows(labels, a)
    _, second = check_rows(labels, b)
    counts, groups = zip(*(_numbered(ids, label.size) for ids in (users, items)), strict=True)
    areas, centred = placements(label, np.vstack([first, second]))
    mine, base = float(areas[: len(first)].mean()), float(areas[len(first) :].mean())
    if base == 0 or math.isnan(base):
        if base == 0:
            warnings.warn("the baseline's AUC is 0: a gain relative to it is NaN", stacklevel=2)
        return TwoWayGain(*[math.nan] * 7)
    influence = centred[: len(first)].mean(axis=0) - mine / base * centred[len(first) :].mean(axis=0)
    pairs = groups[0].astype(np.int64) * counts[1] + groups[1]
    errors = [100 / base * float(np.linalg.norm(clustered(label, influence[None], ids))) for ids in (*groups, pairs)]
    value, error = 100 * (mine - base) / base, math.sqrt(two_way_variance(*(one**2 for one in errors)))
    freedom = min(counts) - 1
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error if freedom > 0 else math.nan
    if math.isnan(half) or (value != 0 and error == 0):
        p = math.nan
    else:
        p = 1.0 if value == 0 else 2 * float(stdtr(freedom, -abs(value) / error))
    return TwoWayGain(value, value - half, value + half, p, *errors)


def two_way_variance(users: float, items: float, pairs: float) -> float:
    """Variance clustered by users and items: users + items - pairs; where that is not above 0, the larger of those two.

    `pairs` is the variance by rows, those of one user and one item summed: `users` and `items` both have counted it.
    The difference can fall to zero or below where rows of an item, or of a user, balance each other.

    >>> two_way_variance(3.0, 2.0, 1.0), two_way_variance(1.0, 0.5, 2.0)
    (4.0, 1.0)
    """
    larger = max(users, items)
    variance = users + items - pairs
    return larger if variance <= ROUNDING * larger else variance


def _numbered(ids: ArrayLike, rows: int) -> tuple[int, NDArray[np.int64]]:
    """How many different ids there are, and each row's number among them."""
    distinct, number = np.unique(np.asarray(ids), return_inverse=True)
    if number.size != rows:
        raise UserError(f"there are {rows} labels but {number.size} users or items; give one a row")
    return distinct.size, number.reshape(-1)
