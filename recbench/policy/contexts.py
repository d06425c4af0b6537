"""Every target of a batch of user sequences as a context of its own, all of them read in one forward pass.

A causal policy knows at each item of a sequence what came before it and nothing else. With one token an item nothing
has to be continued from there, so one pass scores the catalogue for all targets of a sequence, as in SFT, where a
context alone would take a pass each.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from recbench.policy.base import best_items
from recbench.policy.interface import Beams, SequencePolicy
from recbench.policy.scoring import inner_products
from recbench.precision import exact_product


class SequenceContexts:
    """A policy of one token an item behind sequences; a `recbench.rl.interface.ScoringPolicy`.

    Its histories are places int64 [B, 2] in the sequences items [S, T] (right-padded with -1): a row of items, and how
    many of its items come before. Dropout and weights are the policy's own.
    """

    searches = False  # one token an item
    reads_everything = True  # all sequences, whichever places are asked for

    def __init__(self, policy: SequencePolicy, items: Tensor) -> None:
        if not policy.shares_sequences:
            raise ValueError("sequences share a pass only where an item is one token")
        self.policy = policy
        self.items = items

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return self.policy.catalogue_size

    @property
    def training(self) -> bool:
        """Whether dropout is on."""
        return self.policy.training

    def train(self, mode: bool = True) -> None:
        """Turn dropout on or off."""
        self.policy.train(mode)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """What the optimiser moves."""
        return self.policy.parameters(recurse)

    def score_groups(self, places: Tensor, candidates: Tensor) -> Tensor:
        """log pi of candidates int64 [B, G], with gradients: float32 [B, G]; -inf where a candidate is -1."""
        columns = self.policy.token_columns[candidates.clamp(min=0)]
        return torch.where(candidates >= 0, self._log_probs(places).gather(1, columns), float("-inf"))

    @torch.no_grad()
    def score_catalogue(self, places: Tensor) -> Tensor:
        """Exact log pi(i | x) of every item: float32 [B, N]. No gradient."""
        return self._log_probs(places).index_select(1, self.policy.token_columns)

    @torch.no_grad()
    def score_some(self, places: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Logits [B, M + K] of items [M] for every place and of own candidates [B, K]; -inf where one is -1."""
        states = self._states(places)
        return inner_products(states, self.policy.token_vectors, self.policy.token_columns, shared, own)

    def beam_search(self, places: Tensor, width: int) -> Beams:
        """The `width` best items, best first: one token an item leaves nothing to search, so these are exact."""
        return best_items(self.score_catalogue(places), width)

    def _log_probs(self, places: Tensor) -> Tensor:
        """log pi of every token that an item can be, float32 [B, V]."""
        return exact_product(self._states(places), self.policy.token_vectors.T).float().log_softmax(dim=-1)

    def _states(self, places: Tensor) -> Tensor:
        """States [B, width] behind the places; all sequences are read, whichever are asked for."""
        return self.policy.states(self.items)[places[:, 0], places[:, 1]]
