"""The market's truth and the low-rank policy against plain loops, and the rules of recbench.rl on it."""

import math

import pytest
import torch

from recbench.laboratory.market import make_market
from recbench.laboratory.policy import LowRankPolicy
from recbench.rl.groups import build_groups
from recbench.schema import AlgoConfig, NegativesConfig


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def market():
    return make_market(20, 4, taste=2.0, appeal=1.0, generator=generator())


@pytest.fixture
def policy():
    return LowRankPolicy(4, 20, 2, generator(1))


def test_probabilities_are_a_softmax_of_tastes(market):
    users = market.draw_users(3, generator(2))
    for row, user in enumerate(users):
        weights = [
            math.exp(float(market.appeal[item]) + sum(float(user[d]) * float(market.tastes[d, item]) for d in range(4)))
            for item in range(20)
        ]
        expected = [weight / sum(weights) for weight in weights]
        assert market.log_probabilities(users)[row].exp().tolist() == pytest.approx(expected, rel=1e-4)


def test_positives_follow_the_truth(market):
    user = market.draw_users(1, generator(2))
    truth = market.log_probabilities(user).exp()[0]
    drawn = market.draw_positives(user.expand(40_000, 4), generator(3)).bincount(minlength=20) / 40_000
    # five standard errors of a share
    assert ((drawn - truth).abs() < 5 * (truth / 40_000).sqrt() + 1e-4).all()


def test_log_weights_have_the_spread_that_was_asked_for():
    market = make_market(4000, 10, taste=2.0, appeal=0.5, generator=generator())
    log_weights = market.draw_users(500, generator(1)) @ market.tastes
    assert log_weights.std().item() == pytest.approx(2.0, rel=0.05)
    assert market.appeal.std().item() == pytest.approx(0.5, rel=0.05)


def test_scores_against_a_loop_and_gradients_against_differences(market, policy):
    users = market.draw_users(2, generator(2))
    scores = policy.score_catalogue(users)
    assert torch.allclose(scores.exp().sum(dim=1), torch.ones(2))
    inner, items = (users[0] @ policy.users.detach()).tolist(), policy.items.detach().tolist()
    raw = [sum(inner[r] * items[r][i] for r in range(2)) for i in range(20)]
    total = math.log(sum(map(math.exp, raw)))
    assert scores[0].tolist() == pytest.approx([value - total for value in raw], abs=1e-5)
    candidates = torch.tensor([[3, 7, -1], [0, -1, -1]])
    grouped = policy.score_groups(users, candidates)
    assert grouped[0, :2].tolist() == pytest.approx([scores[0, 3].item(), scores[0, 7].item()])
    assert grouped.isneginf().tolist() == [[False, False, True], [False, True, True]]
    policy = policy.double()
    policy.score_groups(users.double(), candidates)[0, 1].backward()
    kept, step = policy.items.detach().clone(), 1e-6
    moved = []
    for sign in (1, -1):
        policy.items.data = kept.clone()
        policy.items.data[1, 7] += sign * step
        moved.append(policy.score_groups(users.double(), candidates)[0, 1].item())
    assert policy.items.grad[1, 7].item() == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-5)


def test_the_beam_holds_the_true_best(market, policy):
    users = market.draw_users(5, generator(2))
    beam = policy.beam_search(users, 6)
    ordered = policy.score_catalogue(users).sort(dim=1, descending=True)
    assert beam.items.tolist() == ordered.indices[:, :6].tolist()
    assert policy.beam_search(users, 99).items.shape == (5, 20)


@pytest.mark.parametrize("aim", [{"top_k": 3}, {"window": [0.1, 0.4]}, {"weights": "ndcg@3"}])
def test_ranks_from_the_beam_are_exact_here(aim, market, policy):
    """Why the laboratory may use ranks=beam: groups are those of ranks=exact."""
    users = market.draw_users(50, generator(2))
    positives = market.draw_positives(users, generator(3))
    made = [
        build_groups(
            policy,
            users,
            positives,
            AlgoConfig(name="tawin", group_size=4, ranks=ranks, **aim),
            NegativesConfig(kind="window"),
            generator(4),
        )
        for ranks in ("exact", "beam")
    ]
    for field in ("candidates", "weights", "context_weights"):
        assert torch.equal(getattr(made[0], field), getattr(made[1], field))


def test_a_head_window_on_the_beam_is_on_policy_grpo(market, policy):
    """TAWin's window (0, B / n) takes the contexts that GRPO with beam negatives finds on policy: (9), reach 1."""
    users = market.draw_users(200, generator(2))
    positives = market.draw_positives(users, generator(3))
    window = [0.0, 6 / 19]
    tawin = AlgoConfig(name="tawin", group_size=6, window=window, ranks="exact")
    groups = [
        build_groups(policy, users, positives, algo, NegativesConfig(kind="beam", beam_width=6), generator(4))
        for algo in (tawin, AlgoConfig(name="grpo", group_size=6))
    ]
    assert torch.equal(groups[0].context_weights > 0, groups[1].context_weights > 0)
    assert 0 < groups[0].context_weights.mean() < 1
