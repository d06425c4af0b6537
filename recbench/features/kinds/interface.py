"""What a kind of feature is: a name, its settings, and columns out of captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.kinds import Kind
from recbench.option import option

if TYPE_CHECKING:
    from recbench.features.interface import Features, Material


class FeatureKind(Kind):
    """A kind of feature; one from outside the package has the same method."""

    def add(self, material: Material, made: Features) -> None:
        """As `recbench.features.interface.Feature` has it."""
        raise NotImplementedError(f"{self.name} makes no columns")


@dataclass
class ListSettings:
    """Kinds with a list of ids an item."""

    longest: int = option(48, "the first distinct ones of a caption that are kept", least=1)


@dataclass
class VocabularySettings:
    """Kinds with a vocabulary that is fitted."""

    least_items: int = option(3, "out of vocabulary in fewer training items", least=1)
    most_share: float = option(0.95, "left out in a larger share of training items", least=0, most=1)
