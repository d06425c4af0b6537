"""What a policy would have earned, from rounds that another one logged: IPS, self-normalised IPS, doubly robust.

A round is one decision: the logging policy showed an action with a known probability (its propensity), and the reward
of that action was seen. Equation numbers are those of docs/methods.md.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.intervals import percentile_ends, resampled_means
from recbench.metrics.spread import sample_deviation

FloatArray = NDArray[np.float64]


class PolicyValue(NamedTuple):
    """Expected reward a round, its percentile bootstrap interval, and the standard deviation of the resamples."""

    value: float
    low: float
    high: float
    error: float


def ips(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PolicyValue:
    """Inverse propensity scoring: the mean of target / propensity * reward, equation (21); unbiased, of high variance.

    All [R]: `rewards`, `propensities` in (0, 1] of the logged actions, and `target`, the probabilities in [0, 1] with
    which the policy in question would have taken them. The bootstrap resamples rounds, or `groups` of them. Interval
    and error are NaN with fewer than two rounds or samples. Raises UserError for other values or unequal lengths.

    >>> ips([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5], [1, 0, 0.5, 0], samples=0).value  # (2 + 0 + 1 + 0) / 4
    0.75
    """
    reward, weight = _check(rewards, propensities, target)
    return _mean_of(weight * reward, groups, samples, seed, confidence)


def snips(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PolicyValue:
    """Self-normalised IPS: weighted rewards over the sum of the weights, (22); steadier, biased by order 1 / R.

    Arguments and errors as in `ips`. NaN, with a warning, where the policy would have taken no logged action. Source:
    Swaminathan and Joachims (2015).
    """
    reward, weight = _check(rewards, propensities, target)
    if not weight.any():
        warnings.warn("the policy would have taken none of the logged actions: SNIPS is NaN", stacklevel=2)
        return PolicyValue(*[float("nan")] * 4)
    weight = _scaled(weight)
    means, resampled = resampled_means(np.stack([weight * reward, weight], axis=1), samples, seed, groups)
    with np.errstate(invalid="ignore"):
        ratios = resampled[:, 0] / resampled[:, 1]
    return _valued(float(means[0] / means[1]), ratios, confidence)


def doubly_robust(
    rewards: ArrayLike,
    propensities: ArrayLike,
    actions: ArrayLike,
    policy: ArrayLike,
    estimates: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PolicyValue:
    """Doubly robust estimate: a model of the reward, corrected by IPS of its residuals, equation (23).

    `actions` int[R] are the logged ones, `policy` [R, A] the probabilities of all actions under the policy in question
    (rows sum to 1), `estimates` [R, A] the model's expected rewards (NaN is allowed where that probability is 0).
    Unbiased where the propensities are right, whatever the model; but the model must not have been fitted on these
    rounds. Other arguments and errors as in `ips`. Source: arXiv 1103.4601.
    """
    probability, expected = (np.asarray(values, dtype=np.float64) for values in (policy, estimates))
    action = np.asarray(actions)
    if probability.ndim != 2 or probability.shape != expected.shape or action.shape != probability.shape[:1]:
        shapes = f"policy {probability.shape}, estimates {expected.shape} and actions {action.shape}"
        raise UserError(f"shapes of {shapes} do not fit; give [R, A], [R, A] and [R]")
    if action.size and not (action.min() >= 0 and action.max() < probability.shape[1]):
        raise UserError(f"an action lies outside 0..{probability.shape[1] - 1}, the columns of the policy")
    uneven = np.flatnonzero(~(np.abs(probability.sum(axis=1) - 1) < 1e-6))
    if uneven.size:
        raise UserError(f"the policy's probabilities in round {uneven[0]} do not sum to 1")
    rows = np.arange(action.size)
    reward, weight = _check(rewards, propensities, probability[rows, action])
    modelled = np.where(probability > 0, probability * expected, 0.0).sum(axis=1)
    if not np.isfinite(modelled).all():
        round_ = int(np.flatnonzero(~np.isfinite(modelled))[0])
        raise UserError(f"an action that the policy may take in round {round_} has no finite estimated reward")
    correction = np.where(weight > 0, weight * (reward - expected[rows, action]), 0.0)
    return _mean_of(modelled + correction, groups, samples, seed, confidence)


def effective_rounds(propensities: ArrayLike, target: ArrayLike) -> float:
    """Rounds that the weights are worth, (sum w)^2 / sum w^2, from 0 to R; few of them make any estimate a guess.

    >>> effective_rounds([0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0, 0])
    2.0
    """
    _, weight = _check(np.zeros(np.shape(target)), propensities, target)
    if not weight.any():
        return 0.0
    scaled = _scaled(weight)
    return float(scaled.sum() ** 2 / (scaled @ scaled))


def _check(rewards: ArrayLike, propensities: ArrayLike, target: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Rewards and weights target / propensity, float64[R] each."""
    reward, logged, wanted = (np.asarray(values, dtype=np.float64) for values in (rewards, propensities, target))
    if not reward.shape == logged.shape == wanted.shape or reward.ndim != 1 or not reward.size:
        shapes = f"rewards {reward.shape}, propensities {logged.shape} and target {wanted.shape}"
        raise UserError(f"shapes of {shapes} do not fit; give three lists of one length, not empty")
    for name, values, right in (
        ("reward", reward, np.isfinite(reward)),
        ("propensity", logged, (logged > 0) & (logged <= 1)),
        ("target probability", wanted, (wanted >= 0) & (wanted <= 1 + 1e-9)),
    ):
        if not right.all():
            row = int(np.flatnonzero(~right)[0])
            raise UserError(f"{name} {values[row]} of round {row} is impossible; probabilities lie in 0..1, logged > 0")
    with np.errstate(over="ignore"):
        weight = wanted / logged
    if not np.isfinite(weight).all():
        row = int(np.flatnonzero(~np.isfinite(weight))[0])
        raise UserError(f"propensity {logged[row]} of round {row} is too small to divide by; leave such rounds out")
    return reward, weight


def _scaled(weight: FloatArray) -> FloatArray:
    """Weights over a power of two near the largest, for what has no scale: nothing ends at 0 or inf."""
    return np.ldexp(weight, -int(np.frexp(weight.max())[1]))


def _mean_of(values: FloatArray, groups: ArrayLike | None, samples: int, seed: int, confidence: float) -> PolicyValue:
    means, resampled = resampled_means(values[:, None], samples, seed, groups)
    return _valued(float(means[0]), resampled[:, 0], confidence)


def _valued(value: float, resampled: FloatArray, confidence: float) -> PolicyValue:
    low, high = percentile_ends(resampled, confidence)
    known = resampled[~np.isnan(resampled)]
    return PolicyValue(value, low, high, float(sample_deviation(known)))
