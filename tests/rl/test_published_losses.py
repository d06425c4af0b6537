"""The gradients of the published losses against autograd of their formulas, written out plainly, in float64.

Weights are moved by one step of plain gradient descent at rate 1, so that a step is minus the gradient.
"""

import copy
import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.groups import build_groups
from recbench.rl.loss import advantages_of
from recbench.rl.published_losses import best_shares, ranking_rewards, softmax_advantages
from recbench.rl.step import rl_step

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])
OTHERS = ("softmax_negatives", "dns", "llpauc", "sdpo")
POSITIVE_RULES = {"injected": "random", "on_policy": "beam"}  # the second leaves groups without a positive


def made_groups(policy, algo, negatives, seed=0):
    return build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(seed))


def trained(policy, groups, algo, reference=None):
    """Minus what one step adds to each parameter: the gradient that the trainer followed."""
    moved = copy.deepcopy(policy)
    rl_step(moved, reference, torch.optim.SGD(moved.parameters(), lr=1.0), groups, HISTORIES, algo)
    after = dict(moved.named_parameters())
    return {name: (value - after[name]).detach() for name, value in policy.named_parameters()}


def plain(policy, formula):
    """Gradient by parameter name of `formula(scores [6, 40] of all items)`."""
    twin = copy.deepcopy(policy)
    formula(twin.log_probs(HISTORIES)).backward()
    return {name: value.grad for name, value in twin.named_parameters()}


def assert_equal(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-10, rtol=0), name
    assert max(float(value.abs().max()) for value in right.values()) > 1e-3  # nothing against nothing proves nothing


def members(groups):
    """(context, positive, negatives) of the groups that have a positive, as plain numbers."""
    for context, row in enumerate(groups.candidates.tolist()):
        if row[0] >= 0:
            yield context, row[0], [item for item in row[1:] if item >= 0]


def softmax_formula(groups, temperature):
    """Mean over contexts of -log(exp(s+ / T) / sum over the group of exp(s / T))."""

    def formula(scores):
        total = 0
        for context, positive, negatives in members(groups):
            exponentials = [torch.exp(scores[context, item] / temperature) for item in (positive, *negatives)]
            total = total - torch.log(exponentials[0] / sum(exponentials))
        return total / len(HISTORIES)

    return formula


def dns_formula(groups):
    """Mean over contexts of the mean over negatives of -log sigmoid(s+ - s_j)."""

    def formula(scores):
        total = 0
        for context, positive, negatives in members(groups):
            pairs = [-torch.log(torch.sigmoid(scores[context, positive] - scores[context, item])) for item in negatives]
            total = total + sum(pairs) / len(pairs)
        return total / len(HISTORIES)

    return formula


def sdpo_formula(groups, reference, beta):
    """(arXiv 2406.09215) -log sigmoid(-log sum_j exp(beta log(pi_j / ref_j) - beta log(pi+ / ref+)))."""

    def formula(scores):
        with torch.no_grad():
            theirs = reference.log_probs(HISTORIES)
        total = 0
        for context, positive, negatives in members(groups):
            gained = beta * (scores[context] - theirs[context])
            worse = sum(torch.exp(gained[item] - gained[positive]) for item in negatives)
            total = total - torch.log(torch.sigmoid(-torch.log(worse)))
        return total / len(HISTORIES)

    return formula


def llpauc_formula(groups, alpha, beta):
    """(arXiv 2403.00844) mean of (1 - (f+ - f-))^2 over the best positives and negatives of all groups together."""

    def best(values, share):
        count = share * len(values)
        assert abs(count - round(count)) < 1e-9, "the plain formula takes whole numbers of items"
        return sorted(values, key=lambda value: float(value.detach()), reverse=True)[: round(count)]

    def formula(scores):
        chances = torch.sigmoid(scores + math.log(40))
        groups_of = list(members(groups))
        positives = [chances[context, positive] for context, positive, _ in groups_of]
        negatives = [chances[context, item] for context, _, some in groups_of for item in some]
        pairs = list(itertools.product(best(positives, alpha), best(negatives, beta)))
        # the mean over contexts counts those without a positive, too
        return len(positives) / len(HISTORIES) * sum((1 - (p - n)) ** 2 for p, n in pairs) / len(pairs)

    return formula


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("rule", POSITIVE_RULES)
def test_softmax_negatives(tabular, settings, rule, temperature):
    policy = tabular()
    algo, negatives = settings(
        name="softmax_negatives",
        kind=POSITIVE_RULES[rule],
        positives=rule,
        group_size=8,
        surrogate_temperature=temperature,
    )
    groups = made_groups(policy, algo, negatives)
    assert_equal(trained(policy, groups, algo), plain(policy, softmax_formula(groups, temperature)))


def test_dns(tabular, settings):
    policy = tabular()
    algo, negatives = settings(name="dns", kind="dns", pool=20, group_size=6)
    groups = made_groups(policy, algo, negatives)
    # the best five of twenty: better than most of the others, so no uniform draw
    scores = policy.log_probs(HISTORIES)
    ranks = (scores[:, None, :] > scores.gather(1, groups.candidates[:, 1:])[:, :, None]).sum(2)
    assert float(ranks.double().mean()) < 10
    assert_equal(trained(policy, groups, algo), plain(policy, dns_formula(groups)))


@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("rule", POSITIVE_RULES)
def test_sdpo(tabular, settings, rule, beta):
    policy, reference = tabular(), tabular(seed=1)
    algo, negatives = settings(name="sdpo", kind=POSITIVE_RULES[rule], positives=rule, group_size=8, sdpo_beta=beta)
    groups = made_groups(policy, algo, negatives)
    assert_equal(trained(policy, groups, algo, reference), plain(policy, sdpo_formula(groups, reference, beta)))


def test_sdpo_at_its_reference_is_a_uniform_softmax(tabular, settings):
    policy = tabular()
    algo, negatives = settings(name="sdpo", kind="random", group_size=8)
    groups = made_groups(policy, algo, negatives)
    scores = policy.score_groups(HISTORIES, groups.candidates).detach()
    advantages = advantages_of(groups, scores, algo, 40, scores)
    assert advantages.tolist() == [pytest.approx([7 / 8] + 7 * [-1 / 8])] * 6


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.1)])
def test_llpauc(tabular, settings, alpha, beta):
    policy = tabular()
    algo, negatives = settings(
        name="llpauc", kind="random", group_size=11, llpauc_alpha=alpha, llpauc_beta=beta
    )  # 3 of 6 positives and 6 of 60 negatives
    groups = made_groups(policy, algo, negatives)
    assert_equal(trained(policy, groups, algo), plain(policy, llpauc_formula(groups, alpha, beta)))


def test_llpauc_without_all_positives(tabular, settings):
    policy = tabular()
    algo, negatives = settings(
        name="llpauc", kind="beam", positives="on_policy", group_size=16, llpauc_alpha=1.0, llpauc_beta=0.2
    )
    groups = made_groups(policy, algo, negatives)
    assert 1 < groups.positive_present.sum() < 6
    assert_equal(trained(policy, groups, algo), plain(policy, llpauc_formula(groups, 1.0, 0.2)))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.01, 1))
def test_best_shares_are_a_mean_over_the_best(values, share):
    """The largest weighted mean that gives no value more than 1 / (share x count): a linear programme's solution."""
    weights = best_shares(torch.tensor(values, dtype=torch.float64), share)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights.min()) >= 0
    left, expected = 1.0, 0.0
    for value in sorted(values, reverse=True):
        taken = min(left, max(1.0 / (share * len(values)), 0.0))
        left -= taken
        expected += taken * value
    assert float(weights @ torch.tensor(values, dtype=torch.float64)) == pytest.approx(expected, abs=1e-9)


def test_best_shares_by_hand():
    values = torch.tensor([1.0, 4.0, 3.0, 2.0])
    assert best_shares(values, 0.5).tolist() == pytest.approx([0, 0.5, 0.5, 0])
    assert best_shares(values, 0.625).tolist() == pytest.approx([0, 0.4, 0.4, 0.2])  # the third in half
    assert best_shares(values, 0.1).tolist() == pytest.approx([0, 1, 0, 0])  # less than one item is one
    assert best_shares(torch.tensor([2.0, 2.0]), 0.5).tolist() == [1, 0]
    assert best_shares(torch.zeros(0), 0.5).tolist() == []


def test_rere_rewards_by_hand(tabular, settings):
    """A beam of four: the positive in one of its places, a negative in each of the others."""
    policy = tabular()
    algo, negatives = settings(name="rere", kind="beam", positives="on_policy", group_size=4, rere_weight=1.0)
    ordered = policy.log_probs(HISTORIES).argsort(dim=1, descending=True)
    positives = ordered[torch.arange(6), torch.tensor([0, 1, 2, 3, 9, 30])]
    groups = build_groups(policy, HISTORIES, positives, algo, negatives, torch.Generator().manual_seed(0))
    assert groups.positive_present.tolist() == [True, True, True, True, False, False]
    rewards = ranking_rewards(groups)
    discounts = [1 / math.log2(place + 1) for place in (1, 2, 3, 4)]
    total = sum(discounts)
    for context, own in enumerate([0, 1, 2, 3]):
        for item, reward in zip(groups.candidates[context].tolist(), rewards[context].tolist(), strict=True):
            place = ordered[context].tolist().index(item)
            assert reward == pytest.approx(0.0 if place == own else -discounts[place] / total), (context, place)
    assert not rewards[4:].any()


def test_rere_is_grpo_on_the_sum_of_both_rewards(tabular, settings):
    policy = tabular()
    # 8 of the 16 beam items at random: places are of the whole beam
    common = {"kind": "beam", "beam_width": 16, "positives": "on_policy", "group_size": 8}
    algo, negatives = settings(name="rere", rere_weight=0.7, **common)
    groups = made_groups(policy, algo, negatives)
    rewards = ranking_rewards(groups)
    scores = policy.log_probs(HISTORIES)

    def formula(scores):
        total = 0
        for context, positive, some in members(groups):
            group = [positive, *some]
            reward = torch.tensor([1.0] + (0.7 * rewards[context, 1:]).tolist(), dtype=torch.float64)
            advantage = (reward - reward.mean()) / reward.std(correction=0)
            total = total - sum(a * scores[context, i] for a, i in zip(advantage, group, strict=True)) / len(group)
        return total / len(HISTORIES)

    found = list(members(groups))
    assert 0 < len(found) < 6
    for context, positive, some in found:
        places = [int((scores[context] > scores[context, item]).sum()) + 1 for item in (positive, *some)]
        assert max(places) > 8 or context != found[0][0]
        discounts = [1 / math.log2(place + 1) for place in places]
        expected = [0.0] + [-discount / sum(discounts) for discount in discounts[1:]]
        assert rewards[context].tolist() == pytest.approx(expected)
    assert_equal(trained(policy, groups, algo), plain(policy, formula))


def test_rere_of_weight_zero_is_grpo(tabular, settings):
    policy = tabular()
    common = {"kind": "beam", "positives": "on_policy", "surrogate": "linear"}
    grpo, negatives = settings(name="grpo", **common)
    groups = made_groups(policy, grpo, negatives)
    rere, _ = settings(name="rere", rere_weight=0.0, **common)
    assert_equal(trained(policy, groups, rere), trained(policy, groups, grpo))


@pytest.mark.parametrize("name", OTHERS)
def test_padding_and_absent_positives_take_no_part(tabular, settings, name):
    """A group larger than the catalogue is padded; a group without its positive has advantages 0."""
    policy, reference = tabular(items=9), tabular(items=9, seed=1)
    kind = "dns" if name == "dns" else "random"
    algo, negatives = settings(name=name, kind=kind, positives="on_policy", group_size=16, beam_width=3)
    positives = torch.tensor([7, 0, 8, 2, 5, 3])
    groups = build_groups(policy, HISTORIES, positives, algo, negatives, torch.Generator().manual_seed(0))
    present = groups.positive_present
    assert 0 < present.sum() < 6 and (groups.sizes[present] == 9).all()
    scores = policy.score_groups(HISTORIES, groups.candidates).detach()
    theirs = reference.score_groups(HISTORIES, groups.candidates).detach()
    advantages = advantages_of(groups, scores, algo, 9, theirs)
    assert advantages.dtype == torch.float64 and torch.isfinite(advantages).all()
    assert not advantages[~groups.valid].any() and not advantages[~present].any()
    assert (advantages[present, 0] >= 0).all() and (advantages[present, 1:] <= 0).all()
    assert float(advantages[present, 0].max()) > 0
    if name != "llpauc":  # whose pairs join contexts
        assert advantages.sum(dim=1).abs().max() < 1e-12


def test_a_group_of_nothing_but_its_positive_teaches_nothing():
    valid = torch.tensor([[True, False, False]])
    scores = torch.tensor([[-1.0, -torch.inf, -torch.inf]])
    assert not softmax_advantages(scores, valid, torch.ones(1), 1.0).any()


def test_sdpo_without_a_reference_is_refused(tabular, settings):
    policy = tabular()
    algo, negatives = settings(name="sdpo", kind="random", group_size=4)
    with pytest.raises(ValueError, match="reference"):
        trained(policy, made_groups(policy, algo, negatives), algo)
