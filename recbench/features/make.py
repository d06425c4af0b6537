"""All columns that a config asks for, from captions."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.features.columns import OOV
from recbench.features.hashing import hashed_column
from recbench.features.interface import Features, Material
from recbench.features.semantic import caption_codes, cluster_column, joint_column, level_columns
from recbench.features.subwords import load_tokenizer, saved_tokenizers, subwords, train_tokenizer
from recbench.features.vocabulary import Encoded, encode, fit_vocabulary, occurrences
from recbench.features.words import words

NAME = re.compile(r"[A-Za-z]\w*")  # of a column


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
        if kind in _MAKERS:
            _MAKERS[kind](material, made)
        else:
            before = [encoded.column.name for encoded in made.columns]
            implementation("features", material.config)().add(material, made)
            _check_added(kind, made.columns[len(before) :], before, len(material.captions))
    return made


def _check_added(kind: str, added: Sequence[Encoded], before: Sequence[str], items: int) -> None:
    """Raise UserError unless a class from outside has added columns that every reader of them can take."""
    if not added:
        raise UserError(f"features={kind}: add has added no column to made.columns")
    names = list(before)
    for encoded in added:
        if not isinstance(encoded, Encoded):
            raise UserError(f"features={kind}: add has added a {type(encoded).__name__}, expected an Encoded")
        column = encoded.column
        if not NAME.fullmatch(str(column.name)) or column.name in (*names, "item"):
            raise UserError(f"features={kind}: a column is called {column.name!r}; expected another name, of letters")
        names.append(column.name)
        if len(column.offsets) != items + 1 or column.offsets[0] != 0 or column.offsets[-1] != len(column.ids):
            raise UserError(f"features={kind}: the offsets of column {column.name} do not lead through {items} items")
        if len(column.ids) and not (column.ids.min() >= OOV and column.ids.max() < column.size):
            raise UserError(f"features={kind}: the ids of column {column.name} are not all from {OOV} to its size")


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
