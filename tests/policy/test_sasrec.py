"""SASRec: what it may see, that it is a distribution, and its loss and scores against plain loops."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from recbench.policy.sasrec import SasRec
from recbench.policy.trie import build_trie
from recbench.schema import PolicyConfig


def make(items: int = 9, history: int = 6, layers: int = 2, seed: int = 0, **changes) -> SasRec:
    """A tiny policy in evaluation mode; large weights tell items and positions apart."""
    torch.manual_seed(seed)
    sizes = PolicyConfig(kind="sasrec", layers=layers, width=8, heads=2, feed_forward=12, history=history, **changes)
    policy = SasRec(build_trie(np.arange(items)[:, None]), sizes).eval()
    for parameter in policy.parameters():
        parameter.data.mul_(8.0)
    return policy


HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 0], [2, -1, -1, -1, -1, -1], [6, 5, 3, -1, -1, -1], [-1] * 6])


def test_probabilities_sum_to_one_and_depend_on_order_and_length() -> None:
    scores = make().score_catalogue(HISTORIES)
    assert scores.dtype == torch.float32
    assert scores.exp().sum(1).numpy() == pytest.approx(np.ones(4), abs=1e-5)
    swapped = make().score_catalogue(torch.tensor([[1, 3, 4, 1, 5, 0]]))
    assert float((swapped[0] - scores[0]).abs().max()) > 1e-2
    assert all(float((a - b).abs().max()) > 1e-2 for a, b in pairwise(scores))


def test_later_items_change_nothing_before_them() -> None:
    policy = make()
    hidden = policy.hidden(HISTORIES[:1])
    for place in range(6):
        changed = HISTORIES[:1].clone()
        changed[0, place] = 7
        other = policy.hidden(changed)
        assert torch.equal(other[0, : place + 1], hidden[0, : place + 1])  # state t knows the first t items
        assert float((other[0, place + 1 :] - hidden[0, place + 1 :]).detach().abs().amax(1).min()) > 1e-4


def test_padding_says_nothing_wherever_it_is() -> None:
    policy = make()
    whole = policy.score_catalogue(HISTORIES)
    for row, history in enumerate(HISTORIES):
        alone = policy.score_catalogue(history[history >= 0][None])
        assert torch.allclose(alone[0], whole[row], atol=1e-5)
    left = policy.score_catalogue(HISTORIES.sort(dim=1, stable=True, descending=False).values[1:2])
    assert torch.allclose(left[0], whole[1], atol=1e-5)
    middle = policy.score_catalogue(torch.tensor([[-1, 6, -1, 5, 3, -1]]))
    assert torch.allclose(middle[0], whole[2], atol=1e-5)


def test_the_layers_are_those_of_the_paper() -> None:
    """One history through the equations of arXiv 1808.09781, section 3, written out with loops over heads."""
    policy = make()
    history = [3, 1, 4, 1]
    tokens = torch.tensor([0] + [item + 1 for item in history])
    hidden = policy.item_embeddings.weight[tokens] * math.sqrt(8) + policy.positions.weight[:5]
    for block in policy.blocks:
        normed = functional.layer_norm(hidden, (8,), block.attention_norm.weight, block.attention_norm.bias)
        weight, bias = block.queries_keys_values.weight, block.queries_keys_values.bias
        queries, keys, values = (normed @ weight[at : at + 8].T + bias[at : at + 8] for at in (0, 8, 16))
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            logits = queries[:, head] @ keys[:, head].T / math.sqrt(4)
            logits = logits.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
            heads.append(logits.softmax(1) @ values[:, head])
        hidden = hidden + torch.cat(heads, 1) @ block.attended.weight.T + block.attended.bias
        normed = functional.layer_norm(hidden, (8,), block.feed_forward_norm.weight, block.feed_forward_norm.bias)
        inner, _, outer = block.feed_forward
        hidden = hidden + (normed @ inner.weight.T + inner.bias).relu() @ outer.weight.T + outer.bias
    last = functional.layer_norm(hidden, (8,), policy.last_norm.weight, policy.last_norm.bias)[-1]
    expected = (policy.item_embeddings.weight[1:] @ last).log_softmax(0)
    assert torch.allclose(policy.score_catalogue(torch.tensor([history]))[0], expected, atol=1e-4)


def test_the_sft_loss_is_minus_the_mean_score_of_the_targets() -> None:
    policy = make()
    random = np.random.default_rng(0)
    items = random.integers(0, 9, size=(5, 7))
    targets = random.random((5, 7)) < 0.6
    for row, length in enumerate([7, 1, 4, 2, 3]):
        items[row, length:] = -1
        targets[row, length:] = False
        targets[row, length - 1] = True
    total = 0.0
    for row, place in zip(*np.nonzero(targets), strict=True):
        history = torch.from_numpy(items[row : row + 1, :place])
        total += float(policy.score_catalogue(history)[0, items[row, place]])
    loss = policy.sft_loss(torch.from_numpy(items), torch.from_numpy(targets))
    assert float(loss.detach()) == pytest.approx(-total / targets.sum(), abs=1e-4)


def test_label_smoothing_by_hand() -> None:
    policy = make(items=2)
    scores = policy.score_catalogue(torch.tensor([[1, 0]]))[0].double()
    loss = policy.sft_loss(torch.tensor([[1, 0, 1]]), torch.tensor([[False, False, True]]), 0.2)
    # the target distribution is 0.9 on item 1 and 0.1 on item 0
    assert float(loss.detach()) == pytest.approx(-(0.9 * scores[1] + 0.1 * scores[0]).item(), abs=1e-5)


def test_groups_are_scored_as_the_catalogue_with_gradients() -> None:
    policy = make()
    candidates = torch.tensor([[0, 8, -1], [2, -1, 5], [7, 6, 5], [-1, -1, -1]])
    scores = policy.score_groups(HISTORIES, candidates)
    whole = policy.score_catalogue(HISTORIES)
    for row, column in np.ndindex(4, 3):
        item = int(candidates[row, column])
        expected = float(whole[row, item]) if item >= 0 else -math.inf
        assert float(scores[row, column].detach()) == pytest.approx(expected, abs=1e-5)
    scores[candidates >= 0].sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in policy.parameters())
    assert float(policy.item_embeddings.weight.grad.abs().sum()) > 0
    assert torch.equal(
        policy.positive_log_probs(HISTORIES, candidates[:, 0].clamp(min=0)),
        policy.score_groups(HISTORIES, candidates[:, :1].clamp(min=0))[:, 0],
    )
    best = policy.beam_search(HISTORIES, 3)
    assert torch.equal(best.items, whole.topk(3).indices) and torch.equal(best.log_probs, whole.topk(3).values)


def test_every_dropout_acts_while_training_and_none_after() -> None:
    for name in ("embedding_dropout", "block_dropout", "output_dropout"):
        rates = {"embedding_dropout": 0.0, "block_dropout": 0.0, "output_dropout": 0.0, name: 0.5}
        policy = make(**rates)
        assert torch.equal(policy.hidden(HISTORIES), policy.hidden(HISTORIES))
        policy.train()
        assert not torch.equal(policy.hidden(HISTORIES), policy.hidden(HISTORIES)), name
    policy = make(embedding_dropout=0.0, block_dropout=0.0, output_dropout=0.0).train()
    assert torch.equal(policy.hidden(HISTORIES), policy.hidden(HISTORIES))
