"""Sequences in parts: losses that sum to that of the batch, and gradients that do."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.sasrec import SasRec
from recbench.policy.interface import SequencePolicy
from recbench.policy.llama_small import LlamaPolicy
from recbench.schema import PolicyConfig
from recbench.training.micro_batches import losses_of_sequences

SETTINGS = PolicyConfig(layers=1, width=16, heads=2, feed_forward=16, history=6)
ITEMS = torch.tensor([[0, 3, -1, -1], [1, 2, 4, 5], [5, 5, -1, -1], [2, 0, 1, -1], [4, 3, 2, 1]])
TARGETS = torch.tensor([[0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 1, 1]]).bool()


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=9), st.integers(1, 10))
def test_parts_sum_to_the_mean_over_all_targets(targets: list[list[bool]], size: int) -> None:
    chosen = torch.tensor(targets)
    if not chosen.any():
        return
    values = torch.arange(chosen.numel()).view(chosen.shape).double()
    parts = list(losses_of_sequences(lambda some, wanted: some[wanted].mean(), values, chosen, size))
    assert float(sum(parts)) == pytest.approx(float(values[chosen].mean()))
    assert len(parts) <= -(-len(chosen) // size)


@pytest.mark.parametrize("kind", [LlamaPolicy, SasRec])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_gradients_add_up_to_those_of_the_batch(kind: Callable[..., SequencePolicy], size: int) -> None:
    torch.manual_seed(0)
    policy = kind(build_trie(torch.arange(6)[:, None].numpy()), SETTINGS)
    policy.train(False)
    rows: list[int] = []

    def loss(items: Tensor, targets: Tensor) -> Tensor:
        rows.append(len(items))
        return policy.sft_loss(items, targets, 0.1)

    found = []
    for each in (None, size):
        for parameter in policy.parameters():
            parameter.grad = None
        total = 0.0
        for part in losses_of_sequences(loss, ITEMS, TARGETS, each):
            part.backward()  # type: ignore[no-untyped-call]
            total += float(part.detach())
        found.append((total, [parameter.grad for parameter in policy.parameters()]))
    assert rows[0] == 5 and max(rows[1:]) == size
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert one is not None and other is not None and torch.allclose(one, other, atol=1e-6)
