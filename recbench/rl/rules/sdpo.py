"""Softmax direct preference optimisation (arXiv 2406.09215): the positive against many, relative to the SFT policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.kinds import own
from recbench.option import option
from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.schema import AlgoConfig


@dataclass
class SdpoSettings:
    """Keys of its own."""

    sdpo_beta: float = option(1.0, "weight of log-ratios to the frozen SFT policy", least=1e-6)


class Sdpo(Rule):
    """Softmax over beta times what each candidate has gained over the frozen SFT policy."""

    name = "sdpo"
    label = "s-dpo"
    place = 6
    usual_negatives = "random"
    listwise = True
    Settings = SdpoSettings

    @property
    def needs_reference(self) -> bool:
        """Its log-ratios are to the SFT policy."""
        return True

    def advantages(
        self, scores: Tensor, reference: Tensor | None, valid: Tensor, context_weights: Tensor, settings: AlgoConfig
    ) -> Tensor:
        """Sampled softmax of the gains."""
        import torch

        from recbench.rl.published_losses import softmax_advantages

        assert reference is not None
        gained = torch.where(valid, scores.double() - reference.double(), 0.0)
        return softmax_advantages(gained, valid, context_weights, own(SdpoSettings, settings).sdpo_beta)
