"""What a policy that follows a click model would have earned on rounds that another policy logged."""

from typing import Any

import numpy as np

from recbench.market.sequences import softmax
from recbench.metrics.off_policy import doubly_robust, effective_rounds, ips, snips


def softmax_policy(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """A policy that shows actions by softmax(log-odds / temperature), or the best alone at temperature 0.

    Args:
        probabilities: float64 [R, A] predicted click probabilities of all actions in each round, in [0, 1].
        temperature: 0 or more; 1 shows an action in proportion to its odds, more comes near to showing all alike.

    Returns:
        float64 [R, A], rows sum to 1; equally good best actions share at temperature 0.
    """
    if temperature == 0:
        best = probabilities == probabilities.max(axis=1, keepdims=True)
        return best / best.sum(axis=1, keepdims=True)
    inside = np.clip(probabilities, 1e-12, 1 - 1e-12)
    log_odds = np.log(inside) - np.log1p(-inside)
    # The best first at 0: whatever the temperature, nothing is inf - inf; -inf weighs nothing.
    with np.errstate(over="ignore"):
        return softmax((log_odds - log_odds.max(axis=1, keepdims=True)) / temperature)


def policy_estimates(
    rewards: np.ndarray,
    propensities: np.ndarray,
    actions: np.ndarray,
    policy: np.ndarray,
    predicted: np.ndarray,
    *,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """IPS, SNIPS and doubly robust estimates of a policy's reward a round, and the rounds that its weights are worth.

    Args:
        rewards: [R] of the logged actions.
        propensities: [R] with which they were logged.
        actions: int [R], which of the A.
        policy: [R, A] probabilities of all actions under the policy, rows sum to 1.
        predicted: [R, A] click probabilities by a model that has not seen these rounds.
        samples: of the bootstrap over rounds.
    """
    target = policy[np.arange(len(actions)), actions]
    options: dict[str, Any] = {"samples": samples, "seed": seed}
    return {
        "ips": ips(rewards, propensities, target, **options)._asdict(),
        "snips": snips(rewards, propensities, target, **options)._asdict(),
        "doubly_robust": doubly_robust(rewards, propensities, actions, policy, predicted, **options)._asdict(),
        "effective_rounds": effective_rounds(propensities, target),
    }
