"""Where token embeddings start: from what the items under a token have in common."""

import numpy as np
import torch

from recbench.policy.interface import StartsFromVectors


def start_embeddings(policy: StartsFromVectors, vectors: np.ndarray, scale: float) -> None:
    """Set each item token's embedding to the mean vector of the items that use it.

    The first min(dimensions, width) dimensions are set, the others stay as they are; tokens of items whose vectors are
    all zero stay random, and so do all where every number is the same.

    Args:
        vectors: float [N, dimensions], the catalogue's item vectors.
        scale: standard deviation of what is set, positive.
    """
    tokens = policy.trie.item_tokens
    dimensions = min(vectors.shape[1], policy.embeddings.shape[1])
    vectors = vectors[:, :dimensions]
    item, level = np.nonzero(tokens >= 0)
    total = np.zeros((policy.trie.vocabulary_size, dimensions))
    np.add.at(total, tokens[item, level], vectors[item])
    count = np.bincount(tokens[item, level], minlength=len(total))
    mean = total / np.maximum(count, 1)[:, None]
    known = np.flatnonzero(np.abs(mean).sum(axis=1) > 0)
    if not len(known) or mean[known].min() == mean[known].max():  # nothing to tell tokens apart by
        return
    mean *= scale / mean[known].std()
    with torch.no_grad():
        policy.embeddings[torch.from_numpy(known), :dimensions] = torch.from_numpy(mean[known]).float()
