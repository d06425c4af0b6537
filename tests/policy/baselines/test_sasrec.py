"""SASRec: what it may see, that it is a distribution, and its loss and scores against plain loops."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.sasrec import SasRec, sampled_cross_entropy
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


@pytest.mark.parametrize("residual", ["hidden", "normed"])
def test_the_layers_are_those_of_the_paper_or_of_its_code(residual) -> None:
    """One history through the equations of arXiv 1808.09781, section 3, written out with loops over heads.

    In the authors' code keys and values are of the state as it is, and each sum begins with the normalised state.
    """
    policy = make(residual=residual)
    history = [3, 1, 4, 1]
    tokens = torch.tensor([0] + [item + 1 for item in history])
    hidden = policy.item_embeddings.weight[tokens] * math.sqrt(8) + policy.positions.weight[:5]
    for block in policy.blocks:
        normed = functional.layer_norm(hidden, (8,), block.attention_norm.weight, block.attention_norm.bias)
        weight, bias = block.queries_keys_values.weight, block.queries_keys_values.bias
        read = {0: normed, 8: normed, 16: normed} if residual == "hidden" else {0: normed, 8: hidden, 16: hidden}
        queries, keys, values = (of @ weight[at : at + 8].T + bias[at : at + 8] for at, of in read.items())
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            logits = queries[:, head] @ keys[:, head].T / math.sqrt(4)
            logits = logits.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
            heads.append(logits.softmax(1) @ values[:, head])
        start = hidden if residual == "hidden" else normed
        hidden = start + torch.cat(heads, 1) @ block.attended.weight.T + block.attended.bias
        normed = functional.layer_norm(hidden, (8,), block.feed_forward_norm.weight, block.feed_forward_norm.bias)
        inner, _, outer = block.feed_forward
        start = hidden if residual == "hidden" else normed
        hidden = start + (normed @ inner.weight.T + inner.bias).relu() @ outer.weight.T + outer.bias
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


def sampled_loss(smoothing: float = 0.0, sampled: int = 4) -> tuple[float, float]:
    """The loss of three targets with sampled negatives, and what loops over the same draw make of it."""
    policy = make(sampled_negatives=sampled)
    items = torch.tensor([[3, 1, 4], [2, 7, -1]])
    targets = torch.tensor([[False, True, True], [False, True, False]])
    torch.manual_seed(5)
    loss = policy.sft_loss(items, targets, smoothing)
    torch.manual_seed(5)
    negatives = torch.randperm(9)[:sampled].tolist()
    total = 0.0
    for history, wanted in [([3], 1), ([3, 1], 4), ([2], 7)]:
        scores = policy.score_catalogue(torch.tensor([history]))[0].double()
        kept = scores[[wanted, *(item for item in negatives if item != wanted)]].log_softmax(0)
        total -= (1 - smoothing) * float(kept[0]) + smoothing * float(kept.mean())
    return float(loss.detach()), total / 3


def test_sampled_negatives_stand_for_the_catalogue() -> None:
    loss, expected = sampled_loss()
    assert loss == pytest.approx(expected, abs=1e-5)
    policy = make(sampled_negatives=4)
    items, targets = torch.tensor([[3, 1]]), torch.tensor([[False, True]])
    losses = {float(policy.sft_loss(items, targets).detach()) for _ in range(20)}
    assert len(losses) > 5  # drawn anew each time
    whole = float(make().sft_loss(items, targets).detach())
    assert max(losses) < whole  # a part of the catalogue's sum
    for every in (9, 100):  # as many as there are, or more: nothing is drawn
        assert float(make(sampled_negatives=every).sft_loss(items, targets).detach()) == whole


def test_a_target_among_the_sampled_negatives_competes_with_the_others_alone() -> None:
    for smoothing in (0.0, 0.2):
        loss, expected = sampled_loss(smoothing, sampled=8)  # of nine: two of three targets at least are drawn
        assert loss == pytest.approx(expected, abs=1e-5)


def test_over_all_draws_the_sampled_loss_is_least_at_the_true_log_probabilities() -> None:
    """Every target with its probability, every set of m negatives alike: the gradient there is 0, and nowhere else."""
    truth = torch.tensor([0.5, 0.3, 0.15, 0.04, 0.01], dtype=torch.float64)
    for count in (1, 2, 3):
        sets = torch.tensor(list(combinations(range(5), count)))
        gradients = []
        for start in (truth.log() + 2.5, torch.zeros(5, dtype=torch.float64)):
            logits = start.clone().requires_grad_()
            losses = [
                truth[item] * sampled_cross_entropy(logits[item].expand(len(sets)), logits[sets], sets == item)
                for item in range(5)
            ]
            gradients.append(torch.autograd.grad(torch.stack(losses).sum(), logits)[0])
        assert float(gradients[0].abs().max()) < 1e-12
        assert float(gradients[1].abs().max()) > 1e-2


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
