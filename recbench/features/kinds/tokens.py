"""The subwords of captions: of the LLM that wrote them, of a tokenizer that is named, or of one trained here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recbench.features.kinds.interface import FeatureKind, ListSettings, VocabularySettings
from recbench.kinds import own
from recbench.option import option

if TYPE_CHECKING:
    from recbench.features.interface import Features, Material


@dataclass
class TokenizerSettings:
    """Keys of its own."""

    tokenizer: str | None = option(
        None, "checkpoint folder or hub name; none: the captioner's own, or one trained on the captions"
    )
    vocabulary: int = option(
        4096, "size of a tokenizer that is trained because there is none", least=300, of="tokenizer=none"
    )


class Tokens(FeatureKind):
    """One column; the tokenizer is kept with it."""

    name = "tokens"
    place = 0
    Settings = (ListSettings, TokenizerSettings, VocabularySettings)

    def add(self, material: Material, made: Features) -> None:
        """A tokenizer's own token for what it does not know is out of vocabulary, however frequent."""
        from recbench.features.subwords import load_tokenizer, saved_tokenizers, subwords, train_tokenizer
        from recbench.features.vocabulary import encode, fit_vocabulary, occurrences

        config, settings = material.config, own(TokenizerSettings, material.config)
        saved = saved_tokenizers(material.caption_run)
        if settings.tokenizer is not None:
            tokenizer = load_tokenizer(settings.tokenizer)
            origin = f"tokenizer of {Path(settings.tokenizer).name}"
        elif len(saved) == 1:
            tokenizer, origin = load_tokenizer(str(saved[0])), "tokenizer of the captioner"
        else:
            pairs = zip(material.captions, material.training, strict=True)
            learned = [caption for caption, trained in pairs if caption and trained]
            tokenizer = train_tokenizer(learned, settings.vocabulary)
            origin = "byte-level BPE trained on captions of training items"
            origin += ", since the captioners of the folds have none in common" if saved else ""
        found = occurrences(subwords(material.captions, tokenizer))
        kept = own(VocabularySettings, config)
        unknown = tokenizer.unk_token
        vocabulary = fit_vocabulary(found, material.training, kept.least_items, kept.most_share, unknown=unknown)
        made.columns.append(encode("tokens", "tokens", found, vocabulary, own(ListSettings, config).longest))
        made.vocabularies["tokens"] = vocabulary
        made.origins["tokens"] = origin
        if tokenizer.is_fast:
            made.tokenizer = tokenizer.backend_tokenizer.to_str()
