"""Pairs of neighbouring words of a caption as a categorical column.

recbench tokenize features=feature.Pairs features.joiner=+
recbench ctr features=feature.Pairs features.kinds=[words,feature.Pairs]
"""

from dataclasses import dataclass

from recbench.features.vocabulary import encode, fit_vocabulary, occurrences
from recbench.features.words import words
from recbench.schema import option


class Pairs:
    @dataclass
    class Settings:
        joiner: str = option(" ", "stands between the two words in vocabularies")
        least_items: int = option(2, "out of vocabulary in fewer training items", least=1)

    def add(self, material, made):
        config = material.config
        texts = [words(caption or "") for caption in material.captions]
        found = occurrences([config.joiner.join(pair) for pair in zip(text, text[1:])] for text in texts)
        vocabulary = fit_vocabulary(found, material.training, config.least_items)
        made.columns.append(encode("pairs", "pairs", found, vocabulary, config.longest))
        made.vocabularies["pairs"] = vocabulary
