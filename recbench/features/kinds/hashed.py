"""Words hashed into a fixed number of buckets: no vocabulary to keep, and no word is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.features.kinds.interface import FeatureKind, ListSettings
from recbench.kinds import own
from recbench.option import option

if TYPE_CHECKING:
    from recbench.features.interface import Features, Material


@dataclass
class HashSettings:
    """Keys of its own."""

    bits: int = option(12, "2^bits buckets", least=1, most=24)
    signed: bool = option(True, "each word adds or subtracts, so that collisions cancel on average")


class Hashed(FeatureKind):
    """One column."""

    name = "hashed"
    place = 2
    Settings = (ListSettings, HashSettings)

    def add(self, material: Material, made: Features) -> None:
        """Nothing is fitted."""
        from recbench.features.hashing import hashed_column
        from recbench.features.vocabulary import occurrences
        from recbench.features.words import words

        settings, longest = own(HashSettings, material.config), own(ListSettings, material.config).longest
        found = occurrences(words(caption or "") for caption in material.captions)
        made.columns.append(hashed_column("hashed", found, settings.bits, settings.signed, longest))
