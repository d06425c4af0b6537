"""What a policy from outside is, by `policy=MODULE.CLASS`: one that is counted, or a class below `sasrec.SasRec`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor

from recbench.policy.trie import ItemTrie
from recbench.schema import PolicyConfig


class CountedPolicy(Protocol):
    """A policy without steps of training: `AtomicPolicy` with what it learns in buffers, which are its checkpoint.

    A class below `SasRec` needs none of this: with another `hidden` it is a policy that sft and every rl rule train.
    """

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None: ...

    def count(self, users: np.ndarray, items: np.ndarray) -> None:
        """Learn from interactions in order: users and items int [C], rows of both."""
        ...

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Scores of every item, float32 [B, N], for histories int64 [B, T] padded with -1."""
        ...
