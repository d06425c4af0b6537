"""How items are written as tokens: one token each, semantic IDs by residual k-means, or an index file as given."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from recbench.data.dataset import RecommendationData
from recbench.data.interactions import Interactions, user_of_interaction
from recbench.errors import UserError
from recbench.policy.sequences import target_positions
from recbench.policy.trie import NO_CODE, ItemTrie, build_trie
from recbench.schema import ItemTokensConfig


@dataclass(frozen=True)
class ItemTokens:
    """The catalogue's token sequences and how they came about."""

    codes: np.ndarray  # int64 [N, L], padded with -1
    origin: str  # one line for the report

    def trie(self) -> ItemTrie:
        """The item trie of these sequences."""
        return build_trie(self.codes)


def make_item_tokens(config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
    """Item tokens of a data set, by the config's kind; semantic IDs see no interaction that SFT does not see.

    Raises:
        UserError: the data cannot serve the kind asked for (no texts, no index file, items missing from it).
    """
    count = data.catalogue.num_rows
    if config.kind == "atomic":
        return ItemTokens(np.arange(count)[:, None], "atomic: one token an item")
    if config.kind == "given":
        if config.path is None:
            raise UserError("item_tokens.path is not set; item_tokens=given reads an index file: item_tokens.path=FILE")
        codes = read_index_file(Path(config.path), data.catalogue["item"])
        return ItemTokens(codes, f"given by {Path(config.path).name}; how it was made is unknown to recbench")
    if config.source == "cooccurrence":
        vectors = cooccurrence_vectors(data.interactions, count, config.dimensions, reserved, seed)
        origin = "co-occurrence in training interactions"
    elif config.source == "text":
        vectors = text_vectors(_texts(data), config.dimensions, seed)
        origin = "TF-IDF and SVD of titles and texts"
    else:
        vectors = encoder_vectors(_texts(data), Path(config.source))
        origin = f"sentence encoder {Path(config.source).name} on titles and texts"
    codes = residual_kmeans(vectors, config.levels, config.codebook_size, seed)
    if config.break_collisions:
        codes = break_collisions(codes)
    return ItemTokens(codes, f"semantic IDs: residual k-means of {origin}")


def read_index_file(path: Path, items: Sequence[str]) -> np.ndarray:
    """Codes int64 [N, L] from a JSON object of item id -> list of token texts.

    MiniOneRec and LETTER write such files. A token's text is arbitrary; equal texts at one level are one token.

    Raises:
        UserError: no such file, no JSON object of lists of texts, or items without an entry.
    """
    if not path.is_file():
        raise UserError(f"item_tokens.path={path}: no such file; expected a JSON object of item id -> list of tokens")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); expected an object of item id -> list of tokens") from error
    if not isinstance(index, dict) or not all(isinstance(tokens, list) and tokens for tokens in index.values()):
        raise UserError(f"{path}: expected a JSON object of item id -> non-empty list of tokens")
    missing = [item for item in items if item not in index]
    if missing:
        raise UserError(
            f"{path} has no tokens for {len(missing)} of {len(items)} items, the first being {missing[0]!r}; "
            "give it an entry for every item of the catalogue"
        )
    longest = max(len(index[item]) for item in items)
    codes = np.full((len(items), longest), NO_CODE, dtype=np.int64)
    for level in range(longest):
        seen: dict[str, int] = {}
        for row, item in enumerate(items):
            if level < len(index[item]):
                codes[row, level] = seen.setdefault(str(index[item][level]), len(seen))
    return codes


def _texts(data: RecommendationData) -> list[str]:
    """Title and text of every item, or an error that names the remedy."""
    titles, texts = data.catalogue["title"], data.catalogue["text"]
    joined = [f"{title or ''} {text or ''}".strip() for title, text in zip(titles, texts, strict=True)]
    if not any(re.search(r"\w", text) for text in joined):
        raise UserError(
            f"data set {data.name} has no titles or texts to make semantic IDs from; "
            "use item_tokens.source=cooccurrence or item_tokens=atomic"
        )
    return joined


def text_vectors(texts: list[str], dimensions: int, seed: int) -> np.ndarray:
    """TF-IDF of words and pairs of words, reduced by SVD to unit vectors, float64 [N, dimensions or fewer]."""
    matrix = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2 if len(texts) > 100 else 1).fit_transform(
        texts
    )
    return _reduced(matrix, dimensions, seed)


def cooccurrence_vectors(
    interactions: Interactions, count: int, dimensions: int, reserved: int, seed: int
) -> np.ndarray:
    """Positive pointwise mutual information of items in one user's training interactions, reduced by SVD.

    Each user's last `reserved` training interactions are left out, and so are validation and test. Items without
    training interactions get the zero vector.
    """
    chosen = target_positions(interactions, "seen", reserved)
    users = user_of_interaction(interactions)[chosen]
    shape = (len(interactions.users), count)
    bought = scipy.sparse.csr_matrix((np.ones(len(users)), (users, interactions.items[chosen])), shape=shape)
    bought.data[:] = 1.0
    together = (bought.T @ bought).tocoo()
    row, column, times = together.row, together.col, together.data.astype(float)
    different = row != column
    row, column, times = row[different], column[different], times[different]
    total = np.bincount(row, weights=times, minlength=count)
    information = np.log(times * total.sum() / (total[row] * total[column]))
    keep = information > 0
    matrix = scipy.sparse.csr_matrix((information[keep], (row[keep], column[keep])), shape=(count, count))
    return _reduced(matrix, dimensions, seed)


def _reduced(matrix: scipy.sparse.csr_matrix, dimensions: int, seed: int) -> np.ndarray:
    dimensions = min(dimensions, min(matrix.shape) - 1)
    if dimensions < 1:
        return np.asarray(matrix.toarray(), dtype=np.float64)
    vectors = TruncatedSVD(dimensions, random_state=seed).fit_transform(matrix)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def encoder_vectors(texts: list[str], folder: Path) -> np.ndarray:
    """Mean-pooled sentence embeddings of a Hugging Face encoder folder, unit length, float64 [N, width].

    Raises:
        UserError: the folder is missing.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise UserError(
            f"item_tokens.source={folder}: expected text, cooccurrence, or the folder of a sentence encoder "
            "(with config.json, tokenizer and weights)"
        )
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    pooled = []
    with torch.no_grad():
        for start in range(0, len(texts), 64):
            batch = tokenizer(
                texts[start : start + 64], padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            mask = batch["attention_mask"][..., None]
            hidden = model(**batch).last_hidden_state
            pooled.append(((hidden * mask).sum(1) / mask.sum(1)).double().numpy())
    vectors = np.concatenate(pooled)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def residual_kmeans(vectors: np.ndarray, levels: int, codebook_size: int, seed: int) -> np.ndarray:
    """Codes int64 [N, levels]: k-means of the vectors, then of what its centroids leave over, and so on."""
    residual = np.array(vectors, dtype=np.float64)
    codes = np.empty((len(residual), levels), dtype=np.int64)
    for level in range(levels):
        clusters = min(codebook_size, len(np.unique(residual, axis=0)))
        kmeans = KMeans(clusters, n_init=1, random_state=seed + level).fit(residual)
        codes[:, level] = kmeans.labels_
        residual -= kmeans.cluster_centers_[kmeans.labels_]
    return codes


def break_collisions(codes: np.ndarray) -> np.ndarray:
    """Append a last level that counts items with equal codes: int64 [N, L + 1], all rows distinct.

    Unchanged where no two items collide.
    """
    _, group = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    within = np.empty(len(codes), dtype=np.int64)
    within[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(starts, append=len(codes)))
    return codes if not within.any() else np.concatenate([codes, within[:, None]], axis=1)
