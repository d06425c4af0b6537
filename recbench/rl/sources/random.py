"""Negatives drawn uniformly from the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.sources.interface import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from recbench.rl.interface import Scorer
    from recbench.rl.negatives import Negatives
    from recbench.schema import AlgoConfig, NegativesConfig


class Random(Source):
    """All negatives alike: their window is (0, 1), AUC."""

    name = "random"
    place = 0

    def window(self, negatives: NegativesConfig, algo: AlgoConfig, count: int) -> tuple[float, float] | None:
        """All of them."""
        return (0.0, 1.0)

    def choose(
        self,
        policy: Scorer,
        histories: Tensor,
        positives: Tensor,
        budget: int,
        settings: NegativesConfig,
        exclude: Tensor | None,
        generator: torch.Generator,
    ) -> Negatives:
        """Without replacement; nothing is scored."""
        from recbench.rl.negatives import uniform_negatives

        return uniform_negatives(policy.catalogue_size, positives, budget, generator, exclude)
