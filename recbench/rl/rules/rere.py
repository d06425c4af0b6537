"""ReRe (arXiv 2510.12211): GRPO on beams with a reward that falls with a negative's place in the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.errors import UserError
from recbench.kinds import own
from recbench.option import option
from recbench.rl.rules.interface import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.rl.sources.interface import Source
    from recbench.schema import AlgoConfig


@dataclass
class RereSettings:
    """Keys of its own."""

    rere_weight: float = option(1.0, "weight of the ranking reward of negatives; 0 is grpo", least=0)


class Rere(Rule):
    """GRPO's reward and the ranking reward of `baselines.ranking_rewards`, added."""

    name = label = "rere"
    place = 8
    usual_negatives = "beam"
    reads = frozenset({"advantage"})
    Settings = RereSettings

    def check_places(self, source: Source) -> None:
        """A reward for a place in the beam needs one."""
        if not source.has_places:
            raise UserError(f"negatives={source.name} has no places to reward: rere needs --neg=beam")

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """Both rewards, standardised as GRPO's."""
        from recbench.rl.loss import positive_rewards, standardised
        from recbench.rl.published_losses import ranking_rewards

        rewards = positive_rewards(groups) + own(RereSettings, algo).rere_weight * ranking_rewards(groups)
        return standardised(rewards, groups, algo)
