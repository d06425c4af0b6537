"""Negatives of the policy's own beam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.errors import UserError
from recbench.rl.sources.interface import Source, beam_width

if TYPE_CHECKING:
    from recbench.rl.asking import Batch, Found
    from recbench.rl.negatives import Negatives
    from recbench.schema import AlgoConfig, NegativesConfig


class Beam(Source):
    """The best B items: their window is (0, B / n), as on-policy positives have it, too."""

    name = "beam"
    place = 1
    reads = frozenset({"beam"})
    searches = True
    has_places = True
    positives = "on_policy"

    def window(self, negatives: NegativesConfig, algo: AlgoConfig, count: int) -> tuple[float, float] | None:
        """The beam's share of the negatives."""
        return (0.0, min(1.0, beam_width(algo, negatives) / count))

    def reach(self, negatives: NegativesConfig, algo: AlgoConfig) -> int | None:
        """The beam's width."""
        return beam_width(algo, negatives)

    def check(self, negatives: NegativesConfig, algo: AlgoConfig) -> None:
        """It has to be wide enough."""
        check_width(negatives, algo, algo.group_size - 1)

    def choose_found(self, batch: Batch, found: Found) -> Negatives:
        """Drawn uniformly from a beam of more negatives than the group takes."""
        from recbench.rl.negatives import beam_negatives

        return beam_negatives(found.searched, batch.width, batch.budget, batch.generator)


def check_width(negatives: NegativesConfig, algo: AlgoConfig, needed: int) -> None:
    """Raise UserError where a beam has fewer than the `needed` items."""
    width = beam_width(algo, negatives)
    if width < needed:
        raise UserError(
            f"negatives.beam_width={width} cannot fill groups of algo.group_size={algo.group_size}: "
            f"give a width of at least {needed}, or smaller groups"
        )
