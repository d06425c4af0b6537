"""What training, scoring, saving and referencing ask of a policy. Nothing asks of which kind it is.

A policy says by `learns_from` what trains it, and its Protocol below is what that needs. `base.Policy` has what is
alike in all of them; `atomic.AtomicPolicy` (one token an item) and `trie_policy.TriePolicy` (a causal language model
over item tokens) have most of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from recbench.data.interactions import Cases, Interactions
from recbench.item_tokens.trie import ItemTrie
from recbench.schema import PolicyConfig

COUNTS = "counts"  # of interactions, at once: `CountedPolicy`
TRIPLES = "triples"  # of a user, an item and one that the user has not, in steps: `TriplesPolicy`
SEQUENCES = "sequences"  # by sft and every rl rule, in steps: `SequencePolicy`


class Beams(NamedTuple):
    """Items found by a beam search, best first."""

    items: Tensor  # int64 [B, W], padded with -1
    log_probs: Tensor  # [B, W], padded with -inf


class CountedPolicy(Protocol):
    """A policy without steps of training: what it learns is in buffers, which are its checkpoint.

    From outside, by `policy=MODULE.CLASS`, it is a class below `AtomicPolicy`. A class below `SasRec` needs none of
    this: with another `hidden` it is a policy that sft and every rl rule train.
    """

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None: ...

    def count(self, users: np.ndarray, items: np.ndarray) -> None:
        """Learn from interactions in order: users and items int [C], rows of both."""
        ...

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Scores of every item, float32 [B, N], for histories int64 [B, T] padded with -1."""
        ...


class TriplesPolicy(Protocol):
    """A policy of users that bpr trains."""

    @property
    def users(self) -> int:
        """Number of users U that it was made for."""
        ...

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        ...

    def trained_parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves, tied parameters once."""
        ...

    def bpr_loss(self, users: Tensor, positives: Tensor, negatives: Tensor, l2: float) -> Tensor:
        """The loss, a scalar, of user rows and of items that they have and have not, int64 [B] each."""
        ...


class StartsFromVectors(Protocol):
    """A policy whose token embeddings can be set before it is trained, as policy.initial_embeddings asks."""

    @property
    def trie(self) -> ItemTrie:
        """The token sequences of the catalogue."""
        ...

    @property
    def embeddings(self) -> Tensor:
        """Input embeddings [vocabulary, width] of the trie's tokens, written in place."""
        ...


class SequencePolicy(Protocol):
    """A policy of probabilities that sft and every rl rule train; also a `recbench.rl.interface.ScoringPolicy`."""

    @property
    def trie(self) -> ItemTrie:
        """The token sequences of the catalogue."""
        ...

    @property
    def history(self) -> int:
        """The most items that it reads."""
        ...

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        ...

    @property
    def training(self) -> bool:
        """Whether dropout is on."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Turn dropout on or off."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """All parameters, frozen ones included."""
        ...

    def trained_parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves, tied parameters once."""
        ...

    def contexts(self, interactions: Interactions, cases: Cases) -> np.ndarray:
        """What it reads of each case, int64 [C, T]: the histories of everything below."""
        ...

    def reference(self) -> SequencePolicy:
        """This policy as it is now, frozen, for losses that compare with it."""
        ...

    @property
    def searches(self) -> bool:
        """Whether a beam search scores fewer items than there are; with one token an item it scores them all."""
        ...

    @property
    def reads_everything(self) -> bool:
        """Whether a pass reads the same whichever contexts are asked for: dropout masks then do not depend on those."""
        ...

    @property
    def shares_sequences(self) -> bool:
        """Whether one pass over a sequence has the state before each of its items: `states` and what follows it."""
        ...

    def sft_loss(self, items: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Mean of -log pi(item | items before it) over targets bool [B, T] of items int64 [B, T]; a scalar."""
        ...

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """log pi of candidates int64 [B, G], with gradients: float32 [B, G]; -inf where a candidate is -1."""
        ...

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Exact log pi(i | x) of every item: float32 [B, N]. No gradient."""
        ...

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Scores [B, M + K] of items [M] for every history and of own candidates [B, K]; -inf where one is -1."""
        ...

    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` best items that a beam of that width finds. No gradient."""
        ...

    # where one pass shares sequences

    def states(self, items: Tensor) -> Tensor:
        """States [S, T, width] before each of items int64 [S, T], right-padded with -1."""
        ...

    @property
    def token_vectors(self) -> Tensor:
        """Output rows [V, width] of the tokens that can begin an item, whether or not they are input embeddings."""
        ...

    @property
    def token_columns(self) -> Tensor:
        """Which row of `token_vectors` each item begins with: int64 [N]."""
        ...
