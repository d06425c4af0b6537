"""What policies with one token an item have in common: a head that needs no search, and scores from one pass."""

from abc import ABC, abstractmethod
from itertools import chain

import torch
from torch import Tensor, nn

from recbench.policy.beam import Beams
from recbench.policy.trie import ItemTrie
from recbench.schema import PolicyConfig


class AtomicPolicy(nn.Module, ABC):
    """A policy of the atomic items of a trie of one level; the token of item i is i + 1.

    What it needs to score is in its parameters and persistent buffers, which are its checkpoint.
    """

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__()
        self.trie = trie
        self.settings = settings  # as built: a checkpoint is written with these
        self.history = settings.history

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return self.trie.catalogue_size

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(chain(self.parameters(), self.buffers())).device

    @abstractmethod
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Scores of every item, float32 [B, N], for histories int64 [B, T] padded with -1. No gradient."""

    @torch.no_grad()
    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` best items, best first: one token an item leaves nothing to search, so these are exact."""
        return best_items(self.score_catalogue(histories), width)


def best_items(scores: Tensor, width: int) -> Beams:
    """The `width` best of scores [B, N], or all N if these are fewer, best first."""
    best = scores.topk(min(width, scores.shape[1]), dim=1)
    return Beams(best.indices, best.values)
