"""What a source of negatives says of itself, and how it chooses: all that the rest of the package asks about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recbench.kinds import Kind

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from recbench.rl.asking import Batch, Found
    from recbench.rl.interface import Scorer
    from recbench.rl.negatives import Negatives
    from recbench.schema import AlgoConfig, NegativesConfig


class Source(Kind):
    """A source of negatives. What is written here holds for one that says nothing else.

    `negatives` is its node of settings everywhere, as a dataclass or as its composed config; so is `algo` the rule's.
    """

    searches: ClassVar[bool] = False  # chooses among what a beam search has found
    of_window: ClassVar[bool] = False  # chooses among the ranks of the rule's window
    has_places: ClassVar[bool] = False  # gives all that a beam found, each at its place
    positives: ClassVar[str] = "injected"  # how positives enter its groups, where nothing else is asked for

    @property
    def chooses_first(self) -> bool:
        """Whether it chooses before anything is ranked, by `choose`; else afterwards, by `choose_found`."""
        return not (self.searches or self.of_window)

    @property
    def without_inclusion(self) -> str | None:
        """Why the probabilities that windows divide by are not known; None where they are."""
        return None

    def window(self, negatives: NegativesConfig, algo: AlgoConfig, count: int) -> tuple[float, float] | None:
        """The FPR window of `count` negatives that its negatives stand for; None where nobody knows."""
        return None

    def reach(self, negatives: NegativesConfig, algo: AlgoConfig) -> int | None:
        """The last rank that it gives; None where it gives all."""
        return None

    def check(self, negatives: NegativesConfig, algo: AlgoConfig) -> None:
        """Raise UserError where it cannot fill the groups."""

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
        """As `recbench.rl.interface.NegativeSource` has it."""
        raise NotImplementedError(f"{self.name} chooses from what was found")

    def choose_found(self, batch: Batch, found: Found) -> Negatives:
        """The group's negatives out of what was found for a batch: a beam, or ranks."""
        raise NotImplementedError(f"{self.name} chooses before anything is found")


def beam_width(algo: Any, negatives: Any) -> int:
    """The beam width B: as given, or the group size."""
    return int(algo.group_size if negatives.beam_width is None else negatives.beam_width)
