"""How items are written as tokens: one token each, semantic IDs by residual k-means, or an index file as given.

Semantic IDs are made here from texts or interactions, or taken over from a tokenize run, made from captions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from recbench.data.dataset import RecommendationData
from recbench.errors import UserError
from recbench.item_tokens.kinds import ITEM_TOKENS
from recbench.item_tokens.trie import NO_CODE, ItemTrie, build_trie
from recbench.schema import ItemTokensConfig
from recbench.strict_json import read_object


@dataclass(frozen=True)
class ItemTokens:
    """The catalogue's token sequences and how they came about."""

    codes: np.ndarray  # int64 [N, L], padded with -1
    origin: str  # one line for the report

    def trie(self) -> ItemTrie:
        """The item trie of these sequences."""
        return build_trie(self.codes)


def make_item_tokens(config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
    """Item tokens of a data set, by the config's kind; `ItemTokenKind.make` says what each raises."""
    return ITEM_TOKENS[config.kind].make(config, data, reserved, seed)


def captions_index(config: ItemTokensConfig) -> Path | None:
    """The semantic IDs of the tokenize run whose folder `source` is, or None where it is no such folder."""
    return ITEM_TOKENS[config.kind].captions_index(config)


def read_index_file(
    path: Path, items: Sequence[str], remedy: str = "give it an entry for every item of the catalogue"
) -> np.ndarray:
    """Codes int64 [N, L] from a JSON object of item id -> list of token texts.

    MiniOneRec and LETTER write such files. A token's text is arbitrary; equal texts at one level are one token.

    Args:
        remedy: what the error about items without an entry tells the user to do.

    Raises:
        UserError: no such file, no JSON object of lists of texts, or items without an entry.
    """
    expected = "a JSON object of item id -> list of tokens"
    if not path.is_file():
        raise UserError(f"item_tokens.path={path}: no such file; expected {expected}")
    index = read_object(path, expected)
    for item, tokens in index.items():
        if not isinstance(tokens, list) or not tokens or not all(type(token) in (str, int) for token in tokens):
            raise UserError(f"{path}: item {item[:60]!r}: expected a non-empty list of tokens, each a text or a number")
    missing = [item for item in items if item not in index]
    if missing:
        raise UserError(
            f"{path} has no tokens for {len(missing)} of {len(items)} items, the first being {missing[0]!r}; {remedy}"
        )
    longest = max(len(index[item]) for item in items)
    codes = np.full((len(items), longest), NO_CODE, dtype=np.int64)
    for level in range(longest):
        seen: dict[str, int] = {}
        for row, item in enumerate(items):
            if level < len(index[item]):
                codes[row, level] = seen.setdefault(str(index[item][level]), len(seen))
    return codes


def residual_kmeans(
    vectors: np.ndarray, levels: int, codebook_size: int, seed: int, fitted: np.ndarray | None = None
) -> np.ndarray:
    """Codes int64 [N, levels]: k-means of the vectors, then of what its centroids leave over, and so on.

    Args:
        fitted: bool [N]; the vectors that centroids are learned from, by default all. The others get the nearest.
    """
    residual = np.array(vectors, dtype=np.float64)
    codes = np.empty((len(residual), levels), dtype=np.int64)
    for level in range(levels):
        learned = residual if fitted is None else residual[fitted]
        clusters = min(codebook_size, len(np.unique(learned, axis=0)))
        kmeans = KMeans(clusters, n_init=1, random_state=seed + level).fit(learned)
        codes[:, level] = kmeans.labels_ if fitted is None else kmeans.predict(residual)
        residual -= kmeans.cluster_centers_[codes[:, level]]
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
