"""The trainer's gradients against (6) and (7) written down, and the settings under which TAWin is GRPO.

Gradients are read off the weights: one step of plain gradient descent at rate 1 moves them by minus the gradient.
"""

import copy
import math

import pytest
import torch

from recbench.rl.groups import build_groups
from recbench.rl.step import rl_step

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])
PARTS = {
    "population": lambda g: 1 / (g * math.sqrt(g - 1)),  # (6)
    "sample": lambda g: g**-1.5,
    "none": lambda g: 1 / g**2,
}


def step(policy, algo, negatives, seed=0, reference=None, groups=None):
    """Groups, gradient by parameter name, log; of a copy of the policy."""
    policy = copy.deepcopy(policy)
    before = {name: value.detach().clone() for name, value in policy.named_parameters()}
    if groups is None:
        groups = build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(seed))
    log = rl_step(policy, reference, torch.optim.SGD(policy.parameters(), lr=1.0), groups, HISTORIES, algo)
    return groups, {name: before[name] - value.detach() for name, value in policy.named_parameters()}, log


def ascent(policy, groups, coefficient):
    """Gradient of mean over contexts of sum_j coefficient[x, j] (s+ - s_j), by autograd of that very sum."""
    policy = copy.deepcopy(policy)
    scores = policy.log_probs(HISTORIES)
    positive = scores.gather(1, POSITIVES[:, None])
    pairs = positive - scores.gather(1, groups.candidates.clamp(min=0))
    (coefficient * pairs)[:, 1:].sum().div(len(HISTORIES)).backward()
    return {name: -value.grad for name, value in policy.named_parameters()}


def assert_equal(left, right, tolerance=1e-9):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.allclose(left[name], right[name], atol=tolerance, rtol=0), name
    assert max(value.abs().max() for value in right.values()) > 1e-3  # nothing against nothing proves nothing


@pytest.mark.parametrize("normalisation", PARTS)
@pytest.mark.parametrize("size", [2, 5, 16])
@pytest.mark.parametrize("kind", ["random", "beam", "mixed"])
def test_grpo_is_6(tabular, settings, kind, size, normalisation):
    policy = tabular()
    algo, negatives = settings(kind=kind, positives="injected", group_size=size, advantage=normalisation)
    groups, gradient, _ = step(policy, algo, negatives)
    assert_equal(
        gradient,
        ascent(policy, groups, torch.full(groups.weights.shape, PARTS[normalisation](size), dtype=torch.float64)),
    )


def test_grpo_with_epsilon_is_6_times_the_golden_ratio_of_advantages(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="random", advantage="sample", advantage_epsilon=1e-4)
    groups, gradient, _ = step(policy, algo, negatives)
    # A+ = 3.7485 instead of 3.75
    assert_equal(gradient, ascent(policy, groups, torch.full((6, 16), 16**-1.5 * 3.7485006 / 3.75)), 1e-7)


def test_on_policy_grpo_is_6_for_found_positives_and_nothing_else(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="beam", group_size=16)
    groups, gradient, log = step(policy, algo, negatives)
    ranks = (policy.log_probs(HISTORIES) > policy.log_probs(HISTORIES).gather(1, POSITIVES[:, None])).sum(dim=1)
    found = ranks < 16
    assert 0 < found.sum() < 6
    assert groups.positive_present.tolist() == found.tolist()
    assert log.no_effect == pytest.approx(1 - found.double().mean().item())
    coefficient = torch.full((6, 16), PARTS["population"](16), dtype=torch.float64) * found[:, None]
    assert_equal(gradient, ascent(policy, groups, coefficient))


def test_groups_cut_short_by_a_small_catalogue_use_their_own_size(tabular, settings):
    policy = tabular(items=40)
    algo, negatives = settings(kind="random", group_size=64)  # 39 negatives: G = 40
    groups, gradient, _ = step(policy, algo, negatives)
    assert groups.sizes.tolist() == 6 * [40]
    coefficient = groups.valid.double() * PARTS["population"](40)
    assert_equal(gradient, ascent(policy, groups, coefficient))


@pytest.mark.parametrize("normalisation", PARTS)
@pytest.mark.parametrize("epsilon", [0.0, 1e-4])
@pytest.mark.parametrize(
    ("kind", "width", "window"),
    [
        ("random", None, [0.0, 1.0]),  # uniform negatives: AUC
        ("beam", 15, [0.0, 15 / 39]),  # beam negatives: partial AUC, FPR <= B / n
        ("beam", 24, [0.0, 24 / 39]),  # a wider beam, drawn from
    ],
)
def test_tawin_is_grpo_where_it_should_be(tabular, settings, kind, width, window, normalisation, epsilon):
    policy = tabular()
    common = {"kind": kind, "beam_width": width, "advantage": normalisation, "advantage_epsilon": epsilon}
    grpo = settings(name="grpo", positives="injected", **common)
    tawin = settings(name="tawin", positives="injected", window=window, **common)
    groups, expected, _ = step(policy, *grpo)
    same, gradient, _ = step(policy, *tawin)
    assert torch.equal(groups.candidates, same.candidates)
    assert_equal(gradient, expected)


def test_tawin_on_policy_is_grpo_on_policy(tabular, settings):
    policy = tabular()
    _, expected, _ = step(policy, *settings(name="grpo", kind="beam"))
    tawin = settings(name="tawin", kind="beam", positives="on_policy", window=[0.0, 16 / 39])
    assert_equal(step(policy, *tawin)[1], expected)


def test_whole_window_needs_no_injection_for_random_negatives(tabular, settings):
    """(9) for (0, 1) is 1 everywhere, so `auto` positives change nothing."""
    policy = tabular()
    _, expected, _ = step(policy, *settings(name="grpo", kind="random"))
    assert_equal(step(policy, *settings(name="tawin", kind="random", window=[0.0, 1.0]))[1], expected)


@pytest.mark.parametrize("shape", ["hard", "soft"])
@pytest.mark.parametrize("surrogate", ["linear", "logistic", "sigmoid"])
@pytest.mark.parametrize("kind", ["random", "mixed", "window"])
def test_tawin_is_7(tabular, settings, kind, surrogate, shape):
    """The gradient of c v sum_j w_j l(s+ - s_j) by autograd of the surrogate itself, with w and v as built."""
    policy = tabular()
    algo, negatives = settings(
        name="tawin",
        kind=kind,
        group_size=8,
        window=[0.05, 0.5],
        window_shape=shape,
        surrogate=surrogate,
        surrogate_temperature=0.7,
    )
    groups, gradient, _ = step(policy, algo, negatives)
    surrogates = {
        "linear": lambda d: -d,
        "logistic": lambda d: 1.4 * torch.log1p(torch.exp(-d / 0.7)),
        "sigmoid": lambda d: 2.8 / (1 + torch.exp(d / 0.7)),
    }
    twin = copy.deepcopy(policy)
    scores = twin.log_probs(HISTORIES)
    margins = scores.gather(1, POSITIVES[:, None]) - scores.gather(1, groups.candidates.clamp(min=0))
    pairs = groups.context_weights[:, None] * groups.weights * surrogates[surrogate](margins)
    (math.sqrt(7) / 8 * pairs.sum() / len(HISTORIES)).backward()
    assert_equal(gradient, {name: value.grad for name, value in twin.named_parameters()})


@pytest.mark.parametrize("weight", [1.0, 28.0, 0.0])
def test_kl_and_sft_terms_add_their_own_gradients(weight, tabular, settings):
    policy, reference = tabular(), tabular(seed=1)
    algo, negatives = settings(kind="beam", kl=0.3, sft_weight=0.2, rl_weight=weight)
    groups, gradient, log = step(policy, algo, negatives, reference=reference)
    _, alone, _ = step(policy, *settings(kind="beam"), groups=groups)
    twin = copy.deepcopy(policy)
    scores = twin.score_groups(HISTORIES, groups.candidates)
    gap = (reference.score_groups(HISTORIES, groups.candidates) - scores)[groups.valid]
    kl = (gap.exp() - gap - 1).mean()
    sft = -twin.log_probs(HISTORIES).gather(1, POSITIVES[:, None]).mean()  # of positives that no beam found as well
    (0.3 * kl + 0.2 * sft).backward()
    expected = {name: weight * alone[name] + value.grad for name, value in twin.named_parameters()}
    assert not groups.positive_present.all()
    assert_equal(gradient, expected)
    assert (log.kl, log.sft) == (pytest.approx(kl.item()), pytest.approx(sft.item()))


@pytest.mark.parametrize("size", [3, 11, 16])
@pytest.mark.parametrize("rule", [{"name": "grpo"}, {"name": "tawin", "window": [0.0, 1.0]}], ids=["grpo", "tawin"])
def test_groups_of_any_size_pull_alike_with_one_scale(tabular, settings, rule, size):
    """c of G = 16 on the mean over the group's own pairs, where the groups' own c differs by 19% from 11 to 16."""
    policy = tabular()
    algo, negatives = settings(**rule, kind="random", group_size=size, scale_size=16)
    groups, gradient, _ = step(policy, algo, negatives)
    pair = math.sqrt(15) / 16 / (size - 1)
    assert_equal(gradient, ascent(policy, groups, torch.full(groups.weights.shape, pair, dtype=torch.float64)))


def test_own_scales_differ_by_a_fifth():
    eleven, sixteen = (math.sqrt(size - 1) / size for size in (11, 16))
    assert eleven / sixteen == pytest.approx(1.188, abs=1e-3)


@pytest.mark.parametrize("shape", ["hard", "soft"])
def test_weighted_sft_is_the_positives_part_of_7(tabular, settings, shape):
    """c v grad s+ by autograd, with v as TAWin has it: what its linear surrogate does to the positive."""
    policy = tabular()
    common = {"kind": "window", "group_size": 8, "window": [0.05, 0.5], "window_shape": shape}
    groups, gradient, log = step(policy, *settings(name="weighted_sft", **common))
    tawin, _, _ = step(policy, *settings(name="tawin", **common))
    assert torch.equal(groups.context_weights, tawin.context_weights)
    assert groups.context_weights.unique().numel() > 1
    size = groups.valid.sum(dim=1).double()
    weight = size.sub(1).sqrt() / size * groups.context_weights * groups.effective
    copied = copy.deepcopy(policy)
    (weight * copied.log_probs(HISTORIES).gather(1, POSITIVES[:, None])[:, 0]).mean().backward()
    assert_equal(gradient, {name: -value.grad for name, value in copied.named_parameters()})
    assert log.candidates == groups.effective.sum()
