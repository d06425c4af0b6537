"""Vectors of items from their texts or from who bought them: the ground of semantic IDs and of initial embeddings."""

import re
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from recbench.data.dataset import RecommendationData
from recbench.data.interactions import Interactions, user_of_interaction
from recbench.data.targets import target_positions
from recbench.errors import UserError


def item_vectors(
    source: str, data: RecommendationData, dimensions: int, reserved: int, seed: int
) -> tuple[np.ndarray, str]:
    """Vectors float64 [N, dimensions or fewer] of a data set's items, and one line on where they come from.

    Args:
        source: `text`, `cooccurrence`, or the folder of a Hugging Face sentence encoder (its own dimensions).
        reserved: each user's last training interactions that co-occurrence leaves out, with all held-out ones.

    Raises:
        UserError: no texts, or no such folder.
    """
    if source == "cooccurrence":
        vectors = cooccurrence_vectors(data.interactions, data.catalogue.num_rows, dimensions, reserved, seed)
        return vectors, "co-occurrence in training interactions"
    if source == "text":
        return text_vectors(texts_of(data), dimensions, seed), "TF-IDF and SVD of titles and texts"
    return encoder_vectors(texts_of(data), Path(source)), f"sentence encoder {Path(source).name} on titles and texts"


def texts_of(data: RecommendationData) -> list[str]:
    """Title and text of every item, or an error that names the remedy."""
    titles, texts = data.catalogue["title"], data.catalogue["text"]
    joined = [f"{title or ''} {text or ''}".strip() for title, text in zip(titles, texts, strict=True)]
    if not any(re.search(r"\w", text) for text in joined):
        raise UserError(
            f"data set {data.name} has no titles or texts to make item vectors from; "
            "use cooccurrence instead of text, or item_tokens=atomic"
        )
    return joined


def text_vectors(texts: list[str], dimensions: int, seed: int) -> np.ndarray:
    """TF-IDF of words and pairs of words, reduced by SVD to unit vectors, float64 [N, dimensions or fewer].

    Raises:
        UserError: no words are left to count.
    """
    vectors = tfidf_vectors(texts, dimensions, seed)
    if vectors is None:
        raise UserError(
            "titles and texts hold no words of two letters or more to make item vectors from, or none that two items "
            "have in common; use cooccurrence instead of text, or item_tokens=atomic"
        )
    return vectors


def tfidf_vectors(texts: list[str], dimensions: int, seed: int, fitted: np.ndarray | None = None) -> np.ndarray | None:
    """As `text_vectors`, or None when no words are left to count.

    Args:
        fitted: bool [N]; the texts that words and SVD are learned from, by default all. The others may be zero vectors.
    """
    chosen = texts if fitted is None else [text for text, is_fitted in zip(texts, fitted, strict=True) if is_fitted]
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2 if len(chosen) > 100 else 1)
    try:
        matrix = words.fit_transform(chosen)
    except ValueError:  # scikit-learn's for an empty vocabulary
        return None
    if fitted is None:
        return _reduced(matrix, dimensions, seed)
    return _reduced(matrix, dimensions, seed, words.transform(texts))


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


def _reduced(
    matrix: scipy.sparse.csr_matrix, dimensions: int, seed: int, others: scipy.sparse.csr_matrix | None = None
) -> np.ndarray:
    """Unit vectors of the rows of `matrix` by its own SVD, or of those of `others` by the SVD of `matrix`."""
    dimensions = min(dimensions, min(matrix.shape) - 1)
    if dimensions < 1:
        return np.asarray((matrix if others is None else others).toarray(), dtype=np.float64)
    svd = TruncatedSVD(dimensions, random_state=seed)
    vectors = svd.fit_transform(matrix) if others is None else svd.fit(matrix).transform(others)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def encoder_vectors(texts: list[str], folder: Path) -> np.ndarray:
    """Mean-pooled sentence embeddings of a Hugging Face encoder folder, unit length, float64 [N, width].

    Raises:
        UserError: the folder is missing, or holds no whole encoder.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    from recbench.pretrained import load_pretrained, load_pretrained_model

    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: expected the folder of a sentence encoder (with config.json, tokenizer and weights)"
        )
    tokenizer = load_pretrained(AutoTokenizer, str(folder), "the sentence encoder")
    model = load_pretrained_model(AutoModel, str(folder), "the sentence encoder").eval()
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
