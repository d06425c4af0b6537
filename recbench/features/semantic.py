"""Captions as codes: k-means clusters and semantic IDs (residual k-means) of caption embeddings.

Embeddings and centroids are fitted on training items; the others are placed among them.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recbench.errors import UserError
from recbench.features.columns import FIRST_ID, FeatureColumn, offsets_of, single_valued
from recbench.features.vocabulary import Encoded, fully_encoded
from recbench.item_tokens.make import residual_kmeans
from recbench.item_tokens.vectors import encoder_vectors, tfidf_vectors

NONE = -1  # code of an item without a caption
TFIDF = "tfidf"  # what embeds captions where no encoder does


def caption_vectors(
    captions: Sequence[str | None], training: np.ndarray, embedding: str, dimensions: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors float64 [C, d] of the C items that have a caption, and their rows, int64 [C].

    Args:
        training: bool [N]; items that TF-IDF and SVD are fitted on.
        embedding: `tfidf`, or the folder of a sentence encoder (its own dimensions).

    Raises:
        UserError: no training item has a caption with words, or no such folder.
    """
    rows = np.array([row for row, caption in enumerate(captions) if caption], dtype=np.int64)
    written = [caption for caption in captions if caption]
    if not training[rows].any():
        raise UserError("no training item has a caption to learn an embedding from; caption more items first")
    if embedding == TFIDF:
        vectors = tfidf_vectors(written, dimensions, seed, training[rows])
        if vectors is None:
            raise UserError(
                "the captions of training items have no words of two letters or more in common to embed them by; "
                "use features.kinds=[tokens], or features.embedding=FOLDER of a sentence encoder"
            )
        return vectors, rows
    folder = Path(embedding)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"features.embedding={embedding}: expected tfidf, or the folder of a sentence encoder (with config.json, "
            "tokenizer and weights)"
        )
    distinct = {caption: number for number, caption in enumerate(dict.fromkeys(written))}
    return encoder_vectors(list(distinct), folder)[[distinct[caption] for caption in written]], rows


def caption_codes(
    captions: Sequence[str | None],
    training: np.ndarray,
    levels: int,
    codebook_size: int,
    embedding: str,
    dimensions: int,
    seed: int,
) -> np.ndarray:
    """Codes int64 [N, levels] by residual k-means of caption embeddings, NONE in rows without a caption.

    Errors as in `caption_vectors`; with fewer distinct training captions than clusters, there are fewer clusters, and
    a warning says so.
    """
    vectors, rows = caption_vectors(captions, training, embedding, dimensions, seed)
    codes = np.full((len(captions), levels), NONE, dtype=np.int64)
    codes[rows] = residual_kmeans(vectors, levels, codebook_size, seed, training[rows])
    used = len(np.unique(codes[rows, 0][training[rows]]))
    if used < codebook_size:
        warnings.warn(
            f"{codebook_size} clusters were asked for, and the captions of training items make only {used}",
            stacklevel=2,
        )
    return codes


def cluster_column(name: str, clusters: np.ndarray, count: int) -> Encoded:
    """One cluster an item from int [N], NONE without a caption; there are `count` clusters."""
    column = single_valued(name, "clusters", FIRST_ID + count, _ids(clusters))
    return fully_encoded(column, [f"cluster {number}" for number in range(count)])


def level_columns(name: str, codes: np.ndarray, codebook_size: int) -> list[Encoded]:
    """Semantic IDs int [N, L] as L columns of one code an item: `<name>_1` is the first level."""
    made = []
    for level, column in enumerate(codes.T, start=1):
        values = single_valued(f"{name}_{level}", "semantic_ids", FIRST_ID + codebook_size, _ids(column))
        made.append(fully_encoded(values, [f"level {level} code {code}" for code in range(codebook_size)]))
    return made


def joint_column(name: str, codes: np.ndarray, codebook_size: int) -> Encoded:
    """Semantic IDs int [N, L] as one column of L ids an item: code c of level l, from 0, is l * codebook_size + c."""
    levels = codes.shape[1]
    has = (codes != NONE).all(axis=1)
    ids = FIRST_ID + np.arange(levels) * codebook_size + codes[has]
    size = FIRST_ID + levels * codebook_size
    column = FeatureColumn(name, "semantic_ids", size, offsets_of(has * levels), ids.reshape(-1).astype(np.int32))
    names = [f"level {level + 1} code {code}" for level in range(levels) for code in range(codebook_size)]
    return fully_encoded(column, names)


def semantic_index(items: Sequence[str], codes: np.ndarray) -> dict[str, list[str]]:
    """An index of item -> token texts, as `item_tokens=given` and published systems have it: `<a_12>`, `<b_3>`, ...

    Items without a caption share `<a_none>`, `<b_none>`, ...
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    return {
        item: [f"<{letters[level]}_{'none' if code == NONE else code}>" for level, code in enumerate(row)]
        for item, row in zip(items, codes.tolist(), strict=True)
    }


def _ids(codes: np.ndarray) -> np.ndarray:
    return np.where(codes == NONE, -1, codes + FIRST_ID)
