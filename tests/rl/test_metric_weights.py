"""Weights that aim at NDCG@K and MRR@K: the metrics are those sums of indicators, and the loss has those gradients."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.metrics.topk import mrr, ndcg
from recbench.rl.groups import build_groups
from recbench.rl.ranking import rank_catalogue
from recbench.rl.step import rl_step
from recbench.rl.windows import hard_metric_weights, metric_coefficients, soft_metric_weights

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])
METRICS = {"ndcg": ndcg, "mrr": mrr}


def test_coefficients_by_hand():
    third = 1 / math.log2(3)
    assert metric_coefficients("ndcg", 3).tolist() == pytest.approx([1 - third, third - 1 / 2, 1 / 2])
    assert metric_coefficients("mrr", 3).tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 3])
    assert metric_coefficients("ndcg", 1).tolist() == metric_coefficients("mrr", 1).tolist() == [1.0]


@given(
    metric=st.sampled_from(["ndcg", "mrr"]),
    k=st.integers(1, 12),
    scores=st.lists(st.floats(-30, 0), min_size=2, max_size=25, unique=True),
    data=st.data(),
)
def test_the_metric_is_the_weighted_sum_of_indicators(metric, k, scores, data):
    """sum_j w_j 1[s+ > s_j] over all negatives; ranks that do not exist are always won, weights are shared without."""
    table = torch.tensor([scores], dtype=torch.float64)
    positive = data.draw(st.integers(0, len(scores) - 1))
    ranked = rank_catalogue(table, torch.tensor([positive]))
    negatives = torch.tensor([[item for item in range(len(scores)) if item != positive]])
    ranks, values = ranked.look_up(negatives)
    coefficients = metric_coefficients(metric, k)
    weights = hard_metric_weights(ranks, coefficients, torch.ones(ranks.shape))
    won = (weights * (table[0, positive] > values)).sum().item()
    existing = coefficients[: negatives.shape[1]].sum().item()
    expected = METRICS[metric](int(ranked.positive_above), 0, k)
    assert won * existing + 1 - existing == pytest.approx(float(expected), abs=1e-12)


def test_inclusion_divides_and_unknown_ranks_weigh_nothing():
    # coefficients of mrr@2 are 1/2 and 1/2; rank 2 is drawn a quarter as often; ranks 3 and unknown are outside
    weights = hard_metric_weights(
        torch.tensor([[1, 2, 3, 0]]), metric_coefficients("mrr", 2), torch.tensor([[1.0, 0.25, 1.0, 1.0]])
    )
    assert weights.tolist() == [[0.2, 0.8, 0.0, 0.0]]
    assert hard_metric_weights(torch.tensor([[3, 0]]), metric_coefficients("mrr", 2), torch.ones(1, 2)).sum() == 0


@given(
    metric=st.sampled_from(["ndcg", "mrr"]),
    k=st.integers(1, 6),
    scores=st.lists(st.integers(-20, 0), min_size=2, max_size=12, unique=True),
)
def test_soft_weights_tend_to_the_hard_ones(metric, k, scores):
    table = torch.tensor([sorted(scores, reverse=True)], dtype=torch.float64)
    n = table.shape[1]
    ends = [torch.inf] + [(table[0, r - 1] + table[0, r]) / 2 if r < n else -torch.inf for r in range(1, k + 1)]
    coefficients = metric_coefficients(metric, k)
    one = torch.ones(table.shape)
    soft = soft_metric_weights(
        table, one.bool(), torch.tensor([ends], dtype=torch.float64), coefficients, 0.01, one.double()
    )
    hard = hard_metric_weights(torch.arange(1, n + 1)[None], coefficients, one)
    assert torch.allclose(soft, hard, atol=1e-9)


def test_soft_weights_are_mixtures_of_soft_windows():
    # one negative at 0, window of rank 1 (1, inf), of rank 2 (-1, 1), T = 1; a second negative outside at -20
    scores = torch.tensor([[0.0, -20.0]])
    ends = torch.tensor([[torch.inf, 1.0, -1.0]])
    coefficients = metric_coefficients("ndcg", 2)
    sigmoid = [1 / (1 + math.exp(-x)) for x in (-1, 1, 19, 21)]
    first = coefficients[0] * sigmoid[0] + coefficients[1] * sigmoid[1] ** 2
    second = coefficients[0] * (1 - sigmoid[3]) + coefficients[1] * (1 - sigmoid[2]) * sigmoid[3]
    weights = soft_metric_weights(scores, torch.ones(1, 2, dtype=torch.bool), ends, coefficients, 1.0, torch.ones(1, 2))
    assert weights[0].tolist() == pytest.approx([float(first / (first + second)), float(second / (first + second))])


@pytest.mark.parametrize("weights", ["ndcg@5", "mrr@5"])
@pytest.mark.parametrize("size", [8, 4])
def test_gradient_is_that_of_the_weighted_pairs(tabular, settings, weights, size):
    """(7) with w from the metric's own gains and v = 1 below rank 2 K, differentiated by autograd."""
    algo, negatives = settings(name="tawin", kind="window", weights=weights, group_size=size)
    policy = tabular()
    groups = build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
    copied = copy.deepcopy(policy)
    scores = copied.log_probs(HISTORIES)
    gain = (lambda r: 1 / math.log2(r + 1)) if weights == "ndcg@5" else (lambda r: 1 / r)
    loss = 0.0
    for row in range(6):
        order = [i for i in scores[row].argsort(descending=True).tolist() if i != POSITIVES[row]]
        drawn = [i for i in groups.candidates[row, 1:].tolist() if i >= 0]
        assert len(drawn) == min(size - 1, 5)
        assert set(drawn) <= set(order[:5])
        part = {i: gain(order.index(i) + 1) - (gain(order.index(i) + 2) if order.index(i) < 4 else 0) for i in drawn}
        if sum(scores[row] > scores[row, POSITIVES[row]]) < 10:
            g = len(drawn) + 1
            for item, share in part.items():
                weight = math.sqrt(g - 1) / g * share / sum(part.values())
                loss = loss - weight * (scores[row, POSITIVES[row]] - scores[row, item]) / 6
    loss.backward()
    before = policy.items.detach().clone()
    rl_step(policy, None, torch.optim.SGD(policy.parameters(), lr=1.0), groups, HISTORIES, algo)
    assert copied.items.grad.abs().max() > 1e-3
    assert torch.allclose(before - policy.items.detach(), copied.items.grad, atol=1e-9)


@pytest.mark.parametrize("ranks", ["exact", "beam"])
def test_soft_groups_lean_on_the_top(tabular, settings, ranks):
    algo, negatives = settings(
        name="tawin", kind="window", weights="ndcg@5", window_shape="soft", window_temperature=1e-5, ranks=ranks
    )
    groups = build_groups(tabular(), HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
    expected = metric_coefficients("ndcg", 5)
    for row in range(6):
        drawn = groups.ranks[row].tolist()
        assert max(drawn) <= 10
        present = [expected[r - 1].item() if 0 < r <= 5 else 0.0 for r in drawn]
        if sum(present) > 0:
            found = (groups.weights[row] * sum(present)).tolist()
            assert found == pytest.approx(present, abs=1e-4)
