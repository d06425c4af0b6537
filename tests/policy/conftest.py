"""Small data sets and tiny policies made by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from recbench.item_tokens.trie import build_trie
from recbench.policy.llama_small import LlamaPolicy
from recbench.schema import PolicyConfig

CODES = {
    "atomic": np.arange(9)[:, None],
    "levels": np.unique(np.random.default_rng(1).integers(0, 3, size=(40, 3)), axis=0),
    "shared": np.random.default_rng(1).integers(0, 3, size=(30, 2)),
    # [1] begins [1, 2], which begins [1, 2, 0]; [3] and [0, 2, ...] leave nodes without a choice.
    "mixed depth": np.array(
        [[1, -1, -1], [1, 2, -1], [1, 2, 0], [0, 2, 1], [0, 2, 2], [3, -1, -1], [2, 0, -1], [2, 1, -1]]
    ),
}


@pytest.fixture
def make_policy() -> Callable[..., LlamaPolicy]:
    """A tiny policy in evaluation mode over codes, given or one of CODES; large weights tell items apart."""

    def make(codes: str | np.ndarray = "atomic", seed: int = 0, history: int = 4) -> LlamaPolicy:
        torch.manual_seed(seed)
        trie = build_trie(CODES[codes] if isinstance(codes, str) else codes)
        policy = LlamaPolicy(trie, PolicyConfig(layers=1, width=16, heads=2, feed_forward=16, history=history)).eval()
        for parameter in policy.parameters():
            parameter.data.mul_(4.0)
        return policy

    return make
