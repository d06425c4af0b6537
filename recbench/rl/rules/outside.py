"""A rule from outside the package, `algo=MODULE.CLASS`, as the others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.schema import AlgoConfig


class RuleFromOutside(Rule):
    """The class that a node of settings names. It is imported where its loss is asked for, or what that needs."""

    listwise = True  # nobody has told what it optimises
    in_laboratory = False

    def __init__(self, algo: Any) -> None:
        self.algo = algo
        self.label = str(getattr(algo, "label", None) or algo.name)

    @property
    def needs_reference(self) -> bool:
        """Whether the class says so."""
        from recbench.rl.outside import compares_with_reference

        return compares_with_reference(self.algo)

    def advantages(
        self, scores: Tensor, reference: Tensor | None, valid: Tensor, context_weights: Tensor, settings: AlgoConfig
    ) -> Tensor:
        """What the class gives, checked."""
        from recbench.rl.outside import advantages_from_outside

        return advantages_from_outside(scores, reference, valid, context_weights, settings)
