"""Lower-left partial AUC (arXiv 2403.00844): squared pairwise loss on a batch's best positives and best negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.kinds import own
from recbench.option import option
from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.schema import AlgoConfig


@dataclass
class LlpaucSettings:
    """Keys of its own."""

    llpauc_alpha: float = option(0.7, "share of positives, the best scored, that count", least=1e-3, most=1)
    llpauc_beta: float = option(0.1, "share of negatives, the best scored, that count", least=1e-3, most=1)


class Llpauc(Rule):
    """The paper's minimax problem at its solution."""

    name = label = "llpauc"
    place = 7
    usual_negatives = "random"
    listwise = True
    Settings = LlpaucSettings

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """Scores are held against a uniform policy's, hence the catalogue's size."""
        from recbench.rl.published_losses import llpauc_advantages

        shares = own(LlpaucSettings, algo)
        return llpauc_advantages(
            scores,
            groups.valid,
            groups.context_weights,
            catalogue_size,
            shares.llpauc_alpha,
            shares.llpauc_beta,
        )
