"""Normalised words of the captions: every id can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.features.kinds.interface import FeatureKind, ListSettings, VocabularySettings
from recbench.kinds import own

if TYPE_CHECKING:
    from recbench.features.interface import Features, Material


class Words(FeatureKind):
    """One column."""

    name = "words"
    place = 1
    Settings = (ListSettings, VocabularySettings)

    def add(self, material: Material, made: Features) -> None:
        """The vocabulary is fitted on training items."""
        from recbench.features.vocabulary import encode, fit_vocabulary, occurrences
        from recbench.features.words import words

        kept = own(VocabularySettings, material.config)
        found = occurrences(words(caption or "") for caption in material.captions)
        vocabulary = fit_vocabulary(found, material.training, kept.least_items, kept.most_share)
        made.columns.append(encode("words", "words", found, vocabulary, own(ListSettings, material.config).longest))
        made.vocabularies["words"] = vocabulary
