"""The SFT loss against scores computed case by case, and label smoothing by hand."""

import math

import numpy as np
import pytest
import torch

from recbench.policy.sft import sft_loss


@pytest.mark.parametrize("kind", ["atomic", "levels", "shared", "mixed depth"])
def test_the_loss_is_minus_the_mean_score_of_the_targets(kind: str, make_policy) -> None:
    policy = make_policy(kind, history=6)
    random = np.random.default_rng(0)
    items = random.integers(0, policy.catalogue_size, size=(5, 6))
    targets = random.random((5, 6)) < 0.6
    for row, length in enumerate([6, 1, 4, 2, 3]):
        items[row, length:] = -1
        targets[row, length:] = False
        targets[row, length - 1] = True
    total = 0.0
    for row, place in zip(*np.nonzero(targets)):
        history = torch.from_numpy(items[row : row + 1, :place])
        total += float(policy.score_catalogue(history)[0, items[row, place]])
    loss = sft_loss(policy, torch.from_numpy(items), torch.from_numpy(targets))
    assert float(loss.detach()) == pytest.approx(-total / targets.sum(), abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_on_two_items_by_hand(smoothing: float, make_policy) -> None:
    policy = make_policy(np.array([[0], [1]]))
    history = torch.tensor([[1, 0]])
    scores = policy.score_catalogue(history)[0].double()
    # The target distribution is (1 - e + e / 2, e / 2) on (item 1, item 0).
    expected = -((1 - smoothing / 2) * scores[1] + smoothing / 2 * scores[0])
    items, targets = torch.tensor([[1, 0, 1]]), torch.tensor([[False, False, True]])
    assert float(sft_loss(policy, items, targets, smoothing).detach()) == pytest.approx(float(expected), abs=1e-6)
    probability = math.exp(float(scores[1]))
    assert 0.001 < probability < 0.999  # a case that says something


def test_smoothing_leaves_illegal_tokens_out(make_policy) -> None:
    # First level: 0 or 1; below 0 there are codes 0 and 1, below 1 there is code 2 alone. The target [0, 1] makes two
    # choices among two tokens each.
    policy = make_policy(np.array([[0, 0], [0, 1], [1, 2]]))
    scores = policy.score_catalogue(torch.zeros(1, 0, dtype=torch.int64))[0].double()
    first = torch.stack([scores[:2].logsumexp(0), scores[2]])  # log-probabilities of the first codes 0 and 1
    second = scores[:2] - first[0]
    expected = -(0.9 * first[0] + 0.1 * first.mean() + 0.9 * second[1] + 0.1 * second.mean())
    loss = sft_loss(policy, torch.tensor([[1]]), torch.tensor([[True]]), 0.1)
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-5)


def test_items_without_a_choice_cost_nothing(make_policy) -> None:
    policy = make_policy(np.array([[4, 2]]))
    loss = sft_loss(policy, torch.tensor([[0, 0]]), torch.tensor([[True, True]]), 0.1)
    assert float(loss.detach()) == 0.0


def test_what_follows_a_target_has_no_influence(make_policy) -> None:
    policy = make_policy("levels")
    targets = torch.tensor([[False, True, False, False]])
    losses = [sft_loss(policy, torch.tensor([[3, 1, *rest]]), targets).detach() for rest in ([2, 4], [7, 0], [-1, -1])]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(losses[0], losses[2], atol=1e-6, rtol=0)
