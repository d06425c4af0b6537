"""Dynamic negative sampling (Zhang et al. 2013; arXiv 2302.03472): BPR's loss on the best scored of many negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.schema import AlgoConfig


class DynamicNegativeSampling(Rule):
    """The mean of log(1 + exp(s_j - s+)) over the negatives."""

    name = label = "dns"
    place = 5
    usual_negatives = "dns"

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """BPR is half of the logistic surrogate at T = 1."""
        import torch

        from recbench.rl.loss import pairwise_advantages

        half = torch.full_like(groups.context_weights, 0.5)
        return pairwise_advantages(scores, groups.weights, groups.context_weights, half, "logistic", 1.0)
