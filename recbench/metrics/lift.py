"""An online A/B test read correctly: relative lift of a click-through rate, and the traffic that a small lift needs.

Users are assigned, not impressions, and one user's clicks depend on each other; the click-through rate is a ratio of
two sums over users, so its variance comes from the delta method. Source: Deng, Knoblich and Lu (arXiv 1803.06336).
Equation numbers are those of docs/methods.md.
"""

import math
import warnings
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.delong import normal_interval, two_sided_p

FloatArray = NDArray[np.float64]


class Rate(NamedTuple):
    """Clicks over impressions, its standard error with users as draws, and the users and impressions behind it.

    `design_effect` is its variance over that of independent impressions, rate (1 - rate) / impressions.
    """

    value: float
    error: float
    users: int
    impressions: int
    design_effect: float


class Lift(NamedTuple):
    """Relative lift of the treatment over the control, a fraction (0.01 is 1%), with interval and two-sided p-value."""

    value: float
    low: float
    high: float
    p: float
    control: Rate
    treatment: Rate


def click_rate(users: ArrayLike, clicks: ArrayLike, impressions: ArrayLike | None = None) -> Rate:
    """Click-through rate of rows [M] and its standard error clustered by user: equation (18).

    A row has a user (any sortable id), clicks, and impressions (by default one); a user may have any number of rows.
    NaN, with a warning, without impressions; the error and the design effect are NaN, with a warning, with fewer than
    two users. Raises UserError unless 0 <= clicks and 0 <= impressions, of equal lengths.
    """
    user, clicked = np.asarray(users), np.asarray(clicks, dtype=np.float64)
    shown = np.ones(clicked.size) if impressions is None else np.asarray(impressions, dtype=np.float64)
    if not user.shape == clicked.shape == shown.shape or user.ndim != 1:
        raise UserError(f"users have shape {user.shape}, clicks {clicked.shape}, impressions {shown.shape}; give equal")
    for name, counts in (("clicks", clicked), ("impressions", shown)):
        wrong = np.flatnonzero(~((counts >= 0) & np.isfinite(counts)))
        if wrong.size:
            raise UserError(f"row {wrong[0]} has {counts[wrong[0]]:g} {name}; give counts, numbers of at least 0")
    distinct, place = np.unique(user, return_inverse=True)
    by_user = [np.bincount(place.reshape(-1), weights=values, minlength=distinct.size) for values in (clicked, shown)]
    total = float(by_user[1].sum())
    if not total:
        warnings.warn("an arm has no impressions: its click-through rate is NaN", stacklevel=2)
        return Rate(math.nan, math.nan, distinct.size, 0, math.nan)
    rate = float(by_user[0].sum()) / total
    if distinct.size < 2:
        warnings.warn("an arm has fewer than two users: its standard error is NaN", stacklevel=2)
        return Rate(rate, math.nan, distinct.size, int(total), math.nan)
    residual = by_user[0] - rate * by_user[1]
    variance = distinct.size / (distinct.size - 1) * float(residual @ residual) / total**2
    independent = rate * (1 - rate) / total
    return Rate(
        rate,
        math.sqrt(variance),
        distinct.size,
        int(total),
        variance / independent if independent > 0 else math.nan,
    )


def ctr_lift(
    users: ArrayLike,
    treated: ArrayLike,
    clicks: ArrayLike,
    impressions: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Lift:
    """Relative lift of the click-through rate of treated users over the others': equation (19).

    Rows [M] as in `click_rate`; `treated` [M] says which arm a row is of. The p-value belongs to the interval: below
    1 - `confidence` exactly where that leaves out zero. NaN, with a warning, where the control has no click or an arm
    no impressions. Raises UserError for a user in both arms.

    >>> lift = ctr_lift([1, 2, 3, 4], [False, False, True, True], [4, 6, 8, 7], [10, 10, 10, 10])
    >>> [round(number, 4) for number in lift[:4]]  # rates .5 and .75, errors .1 and .05
    [0.5, -0.1198, 1.1198, 0.1138]
    """
    user, arm, clicked = np.asarray(users), np.asarray(treated, dtype=bool), np.asarray(clicks, dtype=np.float64)
    shown = np.ones(clicked.size) if impressions is None else np.asarray(impressions, dtype=np.float64)
    if not user.shape == arm.shape == clicked.shape == shown.shape:
        raise UserError(f"users have shape {user.shape}, treated {arm.shape}, clicks {clicked.shape}; give equal ones")
    both = np.intersect1d(user[arm], user[~arm])
    if both.size:
        raise UserError(f"user {both[0]} is in both arms; assign each user to one")
    control, treatment = (click_rate(user[rows], clicked[rows], shown[rows]) for rows in (~arm, arm))
    return lift_of(control, treatment, confidence)


def lift_of(control: Rate, treatment: Rate, confidence: float = 0.95) -> Lift:
    """`ctr_lift` from two arms' rates."""
    if not control.value > 0:
        warnings.warn("the control has no clicks: a lift relative to it is NaN", stacklevel=2)
        return Lift(math.nan, math.nan, math.nan, math.nan, control, treatment)
    lift = (treatment.value - control.value) / control.value  # not their ratio less 1, which rounds a small lift off
    error = math.hypot(treatment.error, (1 + lift) * control.error) / control.value
    low, high = normal_interval(lift, error, confidence)
    p = math.nan if math.isnan(error) else two_sided_p(lift, error)
    return Lift(lift, low, high, p, control, treatment)


def sample_size(
    rate: float, lift: float, power: float = 0.8, confidence: float = 0.95, design_effect: float = 1.0
) -> int:
    """Impressions that each arm needs for a relative `lift` to be found with probability `power`: equation (20).

    `rate` is the control's click-through rate, `lift` a fraction (0.0002 is +0.02%), negative for a loss;
    `design_effect` is how much wider than independent impressions' the variance is (`Rate.design_effect`). Raises
    UserError for rates outside (0, 1) or a lift of 0.

    >>> sample_size(0.1, 0.1)  # 10% against 11%: (1.960 + .842)^2 (.09 + .0979) / .01^2
    14749
    """
    raised = rate * (1 + lift)
    if not (0 < rate < 1 and 0 < raised < 1):
        raise UserError(f"rates {rate:g} and {raised:g} are no click-through rates; both must lie between 0 and 1")
    if lift == 0 or not (0 < power < 1 and 0 < confidence < 1 and design_effect > 0):
        raise UserError(f"lift {lift:g} at power {power:g}: give a lift that is not 0, and a power between 0 and 1")
    quantiles = NormalDist().inv_cdf((1 + confidence) / 2) + NormalDist().inv_cdf(power)
    variance = rate * (1 - rate) + raised * (1 - raised)
    return math.ceil(design_effect * quantiles**2 * variance / (raised - rate) ** 2)
