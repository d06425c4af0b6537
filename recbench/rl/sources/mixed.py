"""Half of the negatives from the beam, half uniform: the head of the ROC curve without losing its tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.sources.beam import check_width
from recbench.rl.sources.interface import Source, beam_width

if TYPE_CHECKING:
    from recbench.rl.asking import Batch, Found
    from recbench.rl.negatives import Negatives
    from recbench.schema import AlgoConfig, NegativesConfig


class Mixed(Source):
    """Its window is taken to be the beam's, (0, B / n)."""

    name = "mixed"
    place = 2
    reads = frozenset({"beam"})
    searches = True
    positives = "on_policy"

    def window(self, negatives: NegativesConfig, algo: AlgoConfig, count: int) -> tuple[float, float] | None:
        """The beam's share of the negatives."""
        return (0.0, min(1.0, beam_width(algo, negatives) / count))

    def check(self, negatives: NegativesConfig, algo: AlgoConfig) -> None:
        """The beam gives the larger half."""
        check_width(negatives, algo, algo.group_size // 2)

    def choose_found(self, batch: Batch, found: Found) -> Negatives:
        """What the beam does not give is drawn from the rest."""
        from recbench.rl.negatives import mixed_negatives

        return mixed_negatives(
            batch.policy.catalogue_size,
            found.searched,
            batch.width,
            batch.positives,
            batch.budget,
            batch.generator,
            batch.exclude,
        )
