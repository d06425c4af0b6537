"""Dynamic negative sampling (Zhang et al. 2013; arXiv 2302.03472): the best scored of a pool drawn uniformly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.errors import UserError
from recbench.kinds import own
from recbench.option import option
from recbench.rl.sources.interface import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from recbench.rl.interface import Scorer
    from recbench.rl.negatives import Negatives
    from recbench.schema import AlgoConfig, NegativesConfig


@dataclass
class PoolSettings:
    """Keys of its own."""

    pool: int = option(150, "items drawn uniformly (M), of which the G - 1 of the highest scores stay", least=1)


class HardestOfPool(Source):
    """The best G - 1 of M estimate that share of all negatives: the window (0, (G - 1) / M), OPAUC(beta)."""

    name = "dns"
    place = 3
    Settings = PoolSettings

    @property
    def without_inclusion(self) -> str | None:
        """The probability depends on all other scores."""
        return (
            "negatives=dns keeps items with a probability that windows would need and nobody computes: "
            "use --neg=window, random, beam or mixed"
        )

    def window(self, negatives: NegativesConfig, algo: AlgoConfig, count: int) -> tuple[float, float] | None:
        """The share of the pool that stays."""
        return (0.0, min(1.0, (algo.group_size - 1) / min(own(PoolSettings, negatives).pool, count)))

    def check(self, negatives: NegativesConfig, algo: AlgoConfig) -> None:
        """The pool has to be large enough."""
        pool = own(PoolSettings, negatives).pool
        if pool < algo.group_size - 1:
            raise UserError(
                f"negatives.pool={pool} cannot fill groups of algo.group_size={algo.group_size}: "
                f"give a pool of at least {algo.group_size - 1}, or smaller groups"
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
        """The pool is drawn, scored and cut."""
        from recbench.rl.negatives import hardest_negatives, uniform_negatives

        size = own(PoolSettings, settings).pool
        pool = uniform_negatives(policy.catalogue_size, positives, size, generator, exclude)
        return hardest_negatives(pool, policy.score_groups(histories, pool.items), budget)
