"""The popularity baseline: every history gets the items that most training interactions are of."""

import numpy as np
import torch
from torch import Tensor

from recbench.item_tokens.trie import ItemTrie
from recbench.policy.baselines.atomic import AtomicPolicy
from recbench.schema import PolicyConfig


def popularity_log_probs(items: np.ndarray, count: int) -> np.ndarray:
    """log((c_i + 1) / (C + N)) of each of N = `count` items, float64 [N]; C counts, of which c_i are of item i.

    One more interaction for every item (Laplace's rule) keeps items without any from probability zero; the order is
    that of the counts.

    Args:
        items: int [C], the item of each interaction counted.
    """
    counts = np.bincount(items, minlength=count)
    return np.log((counts + 1) / (len(items) + count))


class Popularity(AtomicPolicy):
    """log pi(i | x) by item counts, the same for every history x."""

    log_probs: Tensor

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        self.register_buffer("log_probs", torch.zeros(trie.catalogue_size))

    def count(self, users: np.ndarray, items: np.ndarray) -> None:
        """Learn from interactions: users and items int [C], rows of both."""
        self.log_probs.copy_(torch.from_numpy(popularity_log_probs(items, self.catalogue_size)))

    @torch.no_grad()
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Exact log pi(i | x) of every item: float32 [B, N] for histories int64 [B, T]."""
        return self.log_probs.expand(len(histories), -1)
