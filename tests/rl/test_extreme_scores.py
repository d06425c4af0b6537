"""Losses and weights at log-ratios, margins and temperatures far from the usual: finite, and the same where usual."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.rl.advantages import group_advantages, pair_scale
from recbench.rl.loss import FAR, kl_to_reference, pairwise_advantages, policy_loss, probability_ratio
from recbench.rl.published_losses import llpauc_advantages, softmax_advantages
from recbench.rl.surrogates import surrogate_pull, surrogate_value
from recbench.rl.windows import (
    inside_metric,
    metric_coefficients,
    soft_context_weights,
    soft_weights,
    thresholds,
    window_in_ranks,
)

ONE = torch.tensor([[True]])
gaps = st.floats(-1000, 1000, width=32)


def differentiated(function, value: float, dtype=torch.float32) -> tuple[float, float]:
    point = torch.tensor([[value]], dtype=dtype, requires_grad=True)
    result = function(point)
    result.sum().backward()
    return float(result.detach()), float(point.grad)


@pytest.mark.parametrize("gap", [1000.0, 100.0, 89.0, -1000.0, -100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_k3_is_finite_far_from_the_reference_and_pulls_towards_it(gap: float, dtype: torch.dtype) -> None:
    """e^20 (1 + d - 20) - d - 1 beyond 20 nats, whose slope is e^20 - 1; for d << 0 it is -d - 1."""
    zero = torch.zeros(1, 1, dtype=dtype)
    value, slope = differentiated(lambda own: kl_to_reference(own, zero, ONE), -gap, dtype)
    expected = math.exp(20) * (1 + gap - 20) - gap - 1 if gap > 0 else -gap - 1
    assert value == pytest.approx(expected, rel=1e-5)
    assert slope == pytest.approx(1 - math.exp(20) if gap > 0 else 1.0, rel=1e-5)  # by the policy's own score


@given(st.lists(st.floats(-100, FAR, width=32), min_size=1, max_size=6))
def test_usual_ratios_are_those_of_exp_to_the_last_bit(values: list[float]) -> None:
    results = []
    for ratio in (torch.exp, probability_ratio):
        points = torch.tensor(values, requires_grad=True)
        result = ratio(points)
        result.backward(torch.arange(1.0, len(values) + 1))
        results.append((result.detach(), points.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("clip", [0.0, 0.2])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("gap", [1000.0, 95.0, -95.0, -1000.0])
def test_the_clipped_objective_is_finite_at_any_ratio(gap: float, advantage: float, clip: float) -> None:
    old, advantages = torch.zeros(1, 1), torch.tensor([[advantage]])
    value, slope = differentiated(lambda own: policy_loss(own, old, advantages, clip).loss, gap)
    far = math.exp(20) * (1 + gap - 20) if gap > 0 else 0.0
    ratio = min(max(far, 0.8), 1.2) if clip and (gap > 0) == (advantage > 0) else far
    assert value == pytest.approx(-ratio * advantage, rel=1e-5)
    cut = clip and (gap > 0) == (advantage > 0)
    assert slope == pytest.approx(0.0 if cut or gap < 0 else -advantage * math.exp(20), rel=1e-5)


@given(gap=gaps, temperature=st.sampled_from([1e-6, 1e-3, 1.0, 1e6]), kind=st.sampled_from(["logistic", "sigmoid"]))
def test_surrogates_are_those_of_exact_exponentials(gap: float, temperature: float, kind: str) -> None:
    """Against the definitions with -d / T kept within what exp can take."""
    x = -gap / temperature
    share = 1 / (1 + math.exp(-x)) if -700 < x < 700 else float(x > 0)
    rest = 1 / (1 + math.exp(x)) if -700 < x < 700 else float(x < 0)
    margin = torch.tensor([gap], dtype=torch.float64)
    value, pull = surrogate_value(margin, kind, temperature).item(), surrogate_pull(margin, kind, temperature).item()
    soft = math.log1p(math.exp(-abs(x))) + max(x, 0.0) if -700 < x < 700 else max(x, 0.0)
    expected = (
        (2 * temperature * soft, 2 * share) if kind == "logistic" else (4 * temperature * share, 4 * share * rest)
    )
    assert (value, pull) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=6),
    st.sampled_from([1e-6, 1.0, 1e6]),
    st.sampled_from([0.0, 1.0]),
)
def test_advantages_are_finite_and_sum_to_zero(scores: list[float], scale: float, weight: float) -> None:
    row = torch.tensor([scores + [-math.inf]], dtype=torch.float64)
    valid, weights = row.isfinite(), torch.tensor([weight], dtype=torch.float64)
    pairs = (valid.double() / (len(scores) - 1)).clone()
    pairs[:, 0] = 0.0
    c = pair_scale(valid.sum(dim=1), "population")
    for found in (
        softmax_advantages(row, valid, weights, scale),
        pairwise_advantages(row, pairs, weights, c, "logistic", scale),
        group_advantages(row.masked_fill(~valid, 0.0), valid, "sample", 0.0),
    ):
        assert found.isfinite().all()
        assert float(found.sum()) == pytest.approx(0.0, abs=1e-6)
        assert float(found[0, -1]) == 0.0
    assert llpauc_advantages(row, valid, weights, 10, 0.7, 0.1).isfinite().all()


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8, unique=True),
    st.sampled_from([1e-6, 1e-3, 1.0, 1e6]),
    st.data(),
)
@settings(deadline=None)
def test_soft_windows_are_finite_for_any_scores_and_temperature(scores: list[float], t: float, data) -> None:
    ordered = torch.tensor([sorted(scores, reverse=True)], dtype=torch.float64)
    count = torch.tensor([len(scores)])
    ends = sorted(data.draw(st.tuples(st.integers(0, len(scores)), st.integers(0, len(scores)))))
    high, low = (thresholds(ordered, count, count, torch.tensor([end])) for end in ends)
    inclusion, valid = torch.full_like(ordered, 0.5), torch.ones_like(ordered, dtype=torch.bool)
    weights = soft_weights(ordered, valid, high, low, t, inclusion)
    assert weights.isfinite().all() and (weights >= 0).all()
    assert float(weights.sum()) == pytest.approx(1.0) or not weights.any()
    if (
        t <= 1e-6
        and ends[1] > ends[0]
        and min([abs(a - b) for a in scores for b in scores if a != b], default=1) > 1e-3
    ):
        inside = torch.zeros(len(scores), dtype=torch.float64)
        inside[ends[0] : ends[1]] = 1 / (ends[1] - ends[0])
        assert torch.allclose(weights[0], inside)  # the hard window
    context = soft_context_weights(ordered[:, 0], high, low, t)
    assert 0.0 <= float(context) <= 1.0
    k = data.draw(st.integers(1, len(scores)))
    ranks = torch.stack([thresholds(ordered, count, count, torch.tensor([r])) for r in range(k + 1)], dim=1)
    assert not inside_metric(ordered, ranks, metric_coefficients("ndcg", k), t).isnan().any()


@given(st.integers(2, 10**9), st.data())
def test_ends_at_ranks_are_whole_however_many_negatives(n: int, data) -> None:
    k = data.draw(st.integers(1, n))
    lower, upper = window_in_ranks(((k - 1) / n, k / n), torch.tensor([n]))
    assert (lower.item(), upper.item()) == (k - 1, k)
