"""Sampled softmax (arXiv 2201.02327): cross-entropy of the positive among the group's candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.schema import AlgoConfig


class SoftmaxNegatives(Rule):
    """-log softmax(s / T) at the positive."""

    name = "softmax_negatives"
    label = "softmax negatives"
    place = 4
    usual_negatives = "random"
    listwise = True
    reads = frozenset({"temperature"})

    def advantages(
        self, scores: Tensor, reference: Tensor | None, valid: Tensor, context_weights: Tensor, settings: AlgoConfig
    ) -> Tensor:
        """1 / T sharpens the scores; uniform negatives are all drawn as often, so no correction is left over."""
        from recbench.rl.published_losses import softmax_advantages

        return softmax_advantages(scores, valid, context_weights, 1.0 / settings.surrogate_temperature)
