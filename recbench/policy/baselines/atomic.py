"""What policies with one token an item have in common: a head that needs no search, and scores from one pass."""

import torch
from torch import Tensor

from recbench.policy.base import Policy, best_items
from recbench.policy.interface import COUNTS, Beams


class AtomicPolicy(Policy):
    """A policy of the atomic items of a trie of one level; the token of item i is i + 1.

    What it needs to score is in its parameters and persistent buffers, which are its checkpoint.
    """

    learns_from = COUNTS

    @torch.no_grad()
    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` best items, best first: one token an item leaves nothing to search, so these are exact."""
        return best_items(self.score_catalogue(histories), width)
