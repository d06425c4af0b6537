"""recbench tokenize: captions become categorical feature columns, fitted on items of the training period."""

from typing import Any

import numpy as np

from recbench.captioning.table import read_captions
from recbench.data.dataset import load_data
from recbench.data.impressions import training_items
from recbench.errors import UserError
from recbench.features.columns import FIRST_ID, OOV, PAD, write_features
from recbench.features.make import Features, Material, make_features
from recbench.features.semantic import semantic_index
from recbench.features.summary import summarise, summarise_captions
from recbench.features.vocabulary import Vocabulary
from recbench.runs import Run, atomic_path
from recbench.schema import TokenizeStageConfig, label_of
from recbench.training.device import use_threads
from recbench.upstream import agreeing, require


def run(config: TokenizeStageConfig, run: Run) -> dict[str, Any]:
    """Write features.parquet, columns.json and vocabularies, and return coverage, OOV rates and frequent values.

    Raises:
        UserError: no captions of training items, or a tokenizer or encoder that cannot be loaded.
    """
    use_threads(config.threads)
    captioned = _caption_run(config, run)
    data_run = captioned.input_run("data") or require("data", config, run)  # type: ignore[arg-type]
    run.use(data_run)
    data = load_data(data_run.path)
    run.record(data_fingerprint=data.fingerprint)
    items = list(data.catalogue["item"])
    captions = [caption.strip() or None if caption else None for caption in read_captions(captioned.path)]
    if len(captions) != len(items):
        raise UserError(
            f"caption run {captioned.id} has {len(captions)} rows and data set {data.name} {len(items)} items: "
            "caption the data again"
        )
    training = training_items(data)
    made = make_features(Material(config.features, captions, training, captioned.path, config.seed))
    _write(run, items, made)
    return {
        **summarise_captions(captions, training),
        "captioner": label_of("captioner", captioned.config.captioner),
        "origins": made.origins,
        "columns": {encoded.column.name: summarise(encoded, training) for encoded in made.columns},
        **({"semantic_ids": _shared(made.codes)} if made.codes is not None else {}),
    }


def _caption_run(config: TokenizeStageConfig, run: Run) -> Run:
    """The run of `input`, or the newest by `config.captioner`; by any captioner while that has its default settings."""
    return require(
        "caption",
        config,  # type: ignore[arg-type]
        run,
        match=agreeing("tokenize", config, ("captioner",)),  # type: ignore[arg-type]
        make={"captioner": config.captioner},
        input=config.input,
    )


def _write(run: Run, items: list[str], made: Features) -> None:
    write_features(run.path, items, [encoded.column for encoded in made.columns])
    for kind, vocabulary in made.vocabularies.items():
        run.write_json(f"vocabulary-{kind}.json", _vocabulary_file(vocabulary))
    if made.codes is not None:
        run.write_json("semantic_ids.json", semantic_index(items, made.codes))
    if made.tokenizer is not None:
        with atomic_path(run.path / "tokenizer.json") as partial:
            partial.write_text(made.tokenizer, encoding="utf-8")


def _vocabulary_file(vocabulary: Vocabulary) -> dict[str, Any]:
    """The value with id `first_id` comes first; `items` counts the training items that have it."""
    return {
        "pad": PAD,
        "oov": OOV,
        "first_id": FIRST_ID,
        "values": vocabulary.values,
        "items": vocabulary.items,
        "left_out": vocabulary.left_out,
    }


def _shared(codes: np.ndarray) -> dict[str, Any]:
    """How many items with a caption share all codes with another: as item tokens, a further level tells them apart."""
    written = codes[(codes >= 0).all(axis=1)]
    _, group, size = np.unique(written, axis=0, return_inverse=True, return_counts=True)
    return {
        "levels": codes.shape[1],
        "distinct": len(size),
        "items_that_share_all_codes": int((size[group.reshape(-1)] > 1).sum()),
    }
