"""Group relative policy optimisation (arXiv 2402.03300) with one positive a group: (6) of docs/methods.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.schema import AlgoConfig


class Grpo(Rule):
    """Rewards standardised within the group; with another surrogate than the linear one, (7) with equal weights."""

    name = label = "grpo"
    place = 1
    reads = frozenset({"advantage", "surrogate", "scale"})

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """Reward 1 for the positive, 0 for negatives. Both ways have one gradient where the surrogate is linear."""
        from recbench.rl.loss import pairwise_of_groups, positive_rewards, standardised
        from recbench.rl.surrogates import SURROGATES

        if SURROGATES[algo.surrogate].linear and algo.scale_size is None:
            return standardised(positive_rewards(groups), groups, algo)
        return pairwise_of_groups(groups, scores, algo)
