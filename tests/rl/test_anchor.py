"""The authors' weights (27): the operator's threshold by hand and by bisection, its limits, and TAWin with it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.aims import objective_metric, positives_rule
from recbench.rl.anchor import anchored_weights, soft_top_k
from recbench.rl.groups import build_groups
from recbench.rl.step import rl_step

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])


def of(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def threshold(values: list[float], count: int, temperature: float) -> float:
    """lambda by bisection of sum_i min(1, exp((x_i - lambda) / tau)) = count, which falls in lambda."""
    low, high = min(values) - 100 * temperature, max(values) + 100 * temperature
    for _ in range(200):
        middle = (low + high) / 2
        total = sum(min(1.0, math.exp(min(0.0, (value - middle) / temperature))) for value in values)
        low, high = (middle, high) if total > count else (low, middle)
    return (low + high) / 2


def test_the_operator_by_hand():
    # x / tau = 0, -1, -1: for a sum of 1 nothing is cut off: e^0 : e^-1 : e^-1 over 1 + 2/e
    share = 1 / (1 + 2 / math.e)
    assert soft_top_k(of(0, -2, -2), of(1, 1, 1).bool(), 1, 2.0)[0].tolist() == pytest.approx(
        [share, share / math.e, share / math.e]
    )
    # For a sum of 2 the first would be 2 / (1 + 2/e) = 1.15: it is cut off at 1, and the others share what is left.
    assert soft_top_k(of(0, -2, -2), of(1, 1, 1).bool(), 2, 2.0)[0].tolist() == pytest.approx([1.0, 0.5, 0.5])


@given(
    values=st.lists(st.floats(-50, 50), min_size=2, max_size=12),
    temperature=st.floats(0.05, 20),
    data=st.data(),
)
def test_the_threshold_is_the_one_that_makes_the_sum(values, temperature, data):
    count = data.draw(st.integers(1, len(values) - 1))
    operator = soft_top_k(of(*values), torch.ones(1, len(values), dtype=torch.bool), count, temperature)[0]
    at = threshold(values, count, temperature)
    expected = [min(1.0, math.exp(min(0.0, (value - at) / temperature))) for value in values]
    assert operator.tolist() == pytest.approx(expected, abs=1e-6)
    assert operator.sum().item() == pytest.approx(count, abs=1e-9)


def test_a_row_of_no_more_than_the_count_has_ones_and_invalid_values_nothing():
    valid = torch.tensor([[True, False, True], [False, False, False]])
    assert soft_top_k(of(3, 9, -4).expand(2, -1), valid, 2, 1.0).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert soft_top_k(of(3, 9, -4).expand(2, -1), valid, 7, 1.0).tolist() == [[1, 0, 1], [0, 0, 0]]


def test_weights_fall_off_with_the_distance_to_the_anchor():
    # anchor 3, tau 1: distances 2, 1, 0, 1 of ranks 1 to 4; rank unknown: nothing
    parts = [math.exp(-2), math.exp(-1), 1.0, math.exp(-1), 0.0]
    weights = anchored_weights(torch.tensor([[1, 2, 3, 4, 0]]), 3, 1, 1.0, torch.ones(1, 5))
    assert weights[0].tolist() == pytest.approx([part / sum(parts) for part in parts])


def test_inclusion_divides_the_weights_and_nothing_ranked_weighs_nothing():
    weights = anchored_weights(torch.tensor([[2, 4], [0, 0]]), 3, 1, 1.0, of(1.0, 0.25).expand(2, -1))
    assert weights.tolist() == [[0.2, 0.8], [0.0, 0.0]]  # equally far; the second stands for four


@pytest.mark.parametrize("anchor", [1, 4, 15])
def test_a_small_temperature_leaves_the_anchor_alone(anchor):
    ranks = torch.arange(1, 16)[None]
    weights = anchored_weights(ranks, anchor, 1, 1e-3, torch.ones(1, 15))
    assert weights[0].tolist() == pytest.approx([float(rank == anchor) for rank in range(1, 16)])
    # A count of three leaves the three nearest; at the head's end those are ranks 1 to 3.
    three = anchored_weights(ranks, 1, 3, 1e-3, torch.ones(1, 15))
    assert three[0].tolist() == pytest.approx([1 / 3] * 3 + [0] * 12)


@pytest.mark.parametrize("surrogate", ["linear", "logistic"])
def test_with_an_infinite_temperature_it_is_grpo_with_beam_negatives(tabular, settings, surrogate):
    def trained(**rule):
        policy = tabular()
        algo, negatives = settings(kind="beam", group_size=12, surrogate=surrogate, **rule)
        groups = build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
        rl_step(policy, None, torch.optim.SGD(policy.parameters(), lr=1.0), groups, HISTORIES, algo)
        return policy.items.detach() - tabular().items.detach()  # at rate 1: minus the gradient

    beam, anchored = trained(name="grpo"), trained(name="tawin", anchor=5, anchor_temperature=1e9)
    assert torch.allclose(anchored, beam, atol=1e-7, rtol=0)
    assert beam.abs().max() > 1e-3
    assert not torch.allclose(trained(name="tawin", anchor=5), beam, atol=1e-3, rtol=0)


def test_the_group_has_the_candidates_and_positives_of_beam_negatives(tabular, settings):
    algo, negatives = settings(name="tawin", anchor=3, anchor_temperature=2.0, kind="beam", group_size=8)
    groups = build_groups(tabular(), HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
    other = build_groups(
        tabular(), HISTORIES, POSITIVES, *settings(kind="beam", group_size=8), torch.Generator().manual_seed(0)
    )
    assert groups.candidates.tolist() == other.candidates.tolist()
    assert groups.positive_present.tolist() == other.positive_present.tolist()
    for row in range(len(HISTORIES)):
        parts = [math.exp(-abs(rank - 3) / 2) if rank > 0 else 0.0 for rank in groups.ranks[row].tolist()]
        assert groups.weights[row].tolist() == pytest.approx([part / sum(parts) for part in parts])


def test_an_anchor_aims_at_its_top_k(settings):
    beam, own = settings(name="tawin", anchor=10, kind="beam"), settings(name="tawin", anchor=10, kind="window")
    assert objective_metric(*beam, 99) == objective_metric(*own, 99) == "hr@10"
    assert (positives_rule(*beam), positives_rule(*own)) == ("on_policy", "window")
