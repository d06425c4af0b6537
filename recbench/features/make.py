"""All columns that a config asks for, from captions."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recbench.errors import UserError
from recbench.features.hashing import hashed_column
from recbench.features.semantic import caption_codes, cluster_column, joint_column, level_columns
from recbench.features.subwords import load_tokenizer, saved_tokenizers, subwords, train_tokenizer
from recbench.features.vocabulary import Encoded, Vocabulary, encode, fit_vocabulary, occurrences
from recbench.features.words import words
from recbench.schema import FeaturesConfig


@dataclass(frozen=True)
class Material:
    """What columns are made from."""

    config: FeaturesConfig
    captions: list[str | None]  # [N] in catalogue order
    training: np.ndarray  # bool [N]; items that anything may be learned from
    caption_run: Path  # the folder that may hold the captioner's tokenizer
    seed: int


@dataclass
class Features:
    """Columns, and what belongs with them in the run's folder."""

    columns: list[Encoded] = field(default_factory=list)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)  # by kind
    origins: dict[str, str] = field(default_factory=dict)  # by kind: the tokenizer or embedding, in words
    codes: np.ndarray | None = None  # int64 [N, L]; semantic IDs, -1 without a caption
    tokenizer: str | None = None  # tokenizer.json of the kind tokens


def make_features(material: Material) -> Features:
    """The columns of every kind in `config.kinds`, in that order; semantic IDs may be several columns.

    Raises:
        UserError: no kinds or one twice, no captions of training items, or no such tokenizer or encoder.
    """
    kinds = list(material.config.kinds)
    if not kinds or len(set(kinds)) < len(kinds):
        raise UserError(f"features.kinds={kinds}: expected at least one of {', '.join(_MAKERS)}, each at most once")
    if not any(caption and trained for caption, trained in zip(material.captions, material.training, strict=True)):
        raise UserError("no item of the training period has a caption: there is nothing to fit a vocabulary on")
    made = Features()
    for kind in kinds:
        _MAKERS[kind](material, made)
    return made


def _add_tokens(material: Material, made: Features) -> None:
    config = material.config
    saved = saved_tokenizers(material.caption_run)
    if config.tokenizer is not None:
        tokenizer = load_tokenizer(config.tokenizer)
        origin = f"tokenizer of {Path(config.tokenizer).name}"
    elif len(saved) == 1:
        tokenizer, origin = load_tokenizer(str(saved[0])), "tokenizer of the captioner"
    else:
        pairs = zip(material.captions, material.training, strict=True)
        tokenizer = train_tokenizer([caption for caption, trained in pairs if caption and trained], config.vocabulary)
        origin = "byte-level BPE trained on captions of training items"
        origin += ", since the captioners of the folds have none in common" if saved else ""
    found = occurrences(subwords(material.captions, tokenizer))
    # A tokenizer's own token for what it does not know is out of vocabulary, however frequent.
    vocabulary = fit_vocabulary(
        found, material.training, config.least_items, config.most_share, unknown=tokenizer.unk_token
    )
    made.columns.append(encode("tokens", "tokens", found, vocabulary, config.longest))
    made.vocabularies["tokens"] = vocabulary
    made.origins["tokens"] = origin
    if tokenizer.is_fast:
        made.tokenizer = tokenizer.backend_tokenizer.to_str()


def _add_words(material: Material, made: Features) -> None:
    config = material.config
    found = occurrences(words(caption or "") for caption in material.captions)
    vocabulary = fit_vocabulary(found, material.training, config.least_items, config.most_share)
    made.columns.append(encode("words", "words", found, vocabulary, config.longest))
    made.vocabularies["words"] = vocabulary


def _add_hashed(material: Material, made: Features) -> None:
    config = material.config
    found = occurrences(words(caption or "") for caption in material.captions)
    made.columns.append(hashed_column("hashed", found, config.bits, config.signed, config.longest))


def _add_semantic_ids(material: Material, made: Features) -> None:
    config = material.config
    made.codes, made.origins["semantic_ids"] = _codes(material, config.levels, config.codebook_size)
    if config.level_columns:
        made.columns.extend(level_columns("semantic_ids", made.codes, config.codebook_size))
    else:
        made.columns.append(joint_column("semantic_ids", made.codes, config.codebook_size))


def _add_clusters(material: Material, made: Features) -> None:
    codes, made.origins["clusters"] = _codes(material, 1, material.config.clusters)
    made.columns.append(cluster_column("clusters", codes[:, 0], material.config.clusters))


def _codes(material: Material, levels: int, codebook_size: int) -> tuple[np.ndarray, str]:
    """Codes int64 [N, levels], and where the embedding comes from."""
    config = material.config
    codes = caption_codes(
        material.captions,
        material.training,
        levels,
        codebook_size,
        config.embedding,
        config.dimensions,
        material.seed,
    )
    if config.embedding == "tfidf":
        return codes, "TF-IDF and SVD of captions of training items"
    return codes, f"sentence encoder {Path(config.embedding).name} on captions"


_MAKERS = {
    "tokens": _add_tokens,
    "words": _add_words,
    "hashed": _add_hashed,
    "semantic_ids": _add_semantic_ids,
    "clusters": _add_clusters,
}
