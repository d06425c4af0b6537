"""Threshold-adjusted windowed reweighting (arXiv 2604.22504): GRPO aimed at one window, (7) to (9) and (27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbench.rl.rules.windowed import WindowedRule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.schema import AlgoConfig


class Tawin(WindowedRule):
    """Pairs of the positive and each negative, weighted by the ranks of both."""

    name = label = "tawin"
    place = 2
    usual_negatives = "window"
    reads = WindowedRule.reads | {"surrogate", "anchor"}
    takes_anchor = True
    usual_with_anchor = "beam"

    def arm(self, algo: Any, negatives: str, first: bool) -> str:
        """As the others', or with its anchor, whose negatives are usually a beam's."""
        if getattr(algo, "anchor", None) is not None:
            name = f"tawin anchor {algo.anchor}"
            return name if negatives == self.usual_with_anchor else f"{name} {negatives}"
        return super().arm(algo, negatives, first)

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """(7) with the groups' weights."""
        from recbench.rl.loss import pairwise_of_groups

        return pairwise_of_groups(groups, scores, algo)
