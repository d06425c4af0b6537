"""A source of negatives from outside the package, `negatives=MODULE.CLASS`, as the others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbench.rl.sources.interface import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from recbench.rl.interface import Scorer
    from recbench.rl.negatives import Negatives
    from recbench.schema import NegativesConfig


class SourceFromOutside(Source):
    """The class that a node of settings names. It is imported where it is asked for negatives, or what it knows."""

    def __init__(self, negatives: Any) -> None:
        self.negatives = negatives
        self.name = str(negatives.kind)

    @property
    def without_inclusion(self) -> str | None:
        """The class has to say that it knows them."""
        from recbench.rl.outside import knows_inclusion

        if knows_inclusion(self.negatives):
            return None
        return (
            f"negatives={self.name} does not say that it knows the probabilities that windows need: give "
            "its class knows_inclusion = True, or use --neg=window, random, beam or mixed"
        )

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
        """What the class chooses, checked."""
        from recbench.rl.outside import negatives_from_outside

        return negatives_from_outside(policy, histories, positives, budget, settings, exclude, generator)
