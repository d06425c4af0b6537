"""One RL step: clipping, several updates, dropout, batches without effect, and the log."""

import copy
import dataclasses
import math

import pytest
import torch

from recbench.rl.groups import build_groups
from recbench.rl.loss import kl_to_reference, policy_loss
from recbench.rl.step import entropy_estimate, rl_step

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
POSITIVES = torch.tensor([7, 0, 39, 12, 20, 3])


def build(policy, algo, negatives):
    return build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))


def descend(policy, rate=1.0):
    return torch.optim.SGD(policy.parameters(), lr=rate)


def test_clipped_objective_by_hand():
    new = torch.tensor([[1.5, 0.5, 1.5, 0.5]], dtype=torch.float64).log()
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0]], dtype=torch.float64)
    # clip .2: min(1.5, 1.2), min(.5, .8), min(-1.5, -1.2), min(-.5, -.8) = 1.2 + .5 - 1.5 - .8 = -.6; two are cut
    clipped = policy_loss(new, torch.zeros_like(new), advantages, 0.2)
    assert clipped.loss.item() == pytest.approx(0.6)
    assert clipped.clipped.item() == 0.5
    assert clipped.ratio.item() == pytest.approx(1.0)
    free = policy_loss(new, torch.zeros_like(new), advantages, 0.0)
    assert free.loss.item() == pytest.approx(0.0)
    assert free.clipped.item() == 0.0


def test_padding_takes_no_part_in_loss_or_gradient():
    new = torch.tensor([[-1.0, -2.0, -math.inf]], requires_grad=True)
    result = policy_loss(new, new.detach(), torch.tensor([[1.0, -1.0, 0.0]]), 0.2)
    (result.loss + kl_to_reference(new, new.detach(), torch.tensor([[True, True, False]]))).backward()
    assert new.grad.tolist() == [[-1.0, 1.0, 0.0]]


def test_k3_by_hand():
    new = torch.zeros(1, 3, dtype=torch.float64)
    reference = torch.tensor([[math.log(2), 0.0, -math.inf]], dtype=torch.float64)
    value = kl_to_reference(new, reference, torch.tensor([[True, True, False]]))
    assert value.item() == pytest.approx((2 - math.log(2) - 1) / 2)


def test_several_updates_repeat_dropout_and_clip_at_the_rollout(tabular, settings):
    policy = tabular(dropout=0.5)
    algo, negatives = settings(kind="random", updates_per_rollout=3)
    groups = build(policy, algo, negatives)
    still = rl_step(copy.deepcopy(policy), None, descend(policy, 0.0), groups, HISTORIES, algo)
    assert (still.ratio, still.clipped, still.updates) == (1.0, 0.0, 3)  # unmoved weights: the masks are the same
    moved = rl_step(policy, None, descend(policy, 20.0), groups, HISTORIES, algo)
    assert moved.ratio != 1.0
    assert moved.clipped > 0
    assert moved.candidates == 3 * 6 * 16


def test_later_updates_see_the_moved_weights_under_autocast(tabular, settings):
    policy = tabular().float()
    algo, negatives = settings(kind="random", updates_per_rollout=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log = rl_step(policy, None, descend(policy, 20.0), build(policy, algo, negatives), HISTORIES, algo)
    assert log.ratio != 1.0


def test_dropout_can_be_off(tabular, settings):
    policy = tabular(dropout=0.5)
    algo, negatives = settings(kind="random", dropout=False)
    groups = build(policy, algo, negatives)
    losses = [
        rl_step(copy.deepcopy(policy), None, descend(policy, 0), groups, HISTORIES, algo).surrogate for _ in range(2)
    ]
    assert losses[0] == losses[1]
    assert policy.training


def test_a_batch_without_effect_moves_nothing_but_the_schedule(tabular, settings):
    policy = tabular()
    policy.missed = POSITIVES.tolist()
    algo, negatives = settings(kind="beam", group_size=8)
    groups = build(policy, algo, negatives)
    before = copy.deepcopy(policy.state_dict())
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.1, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    log = rl_step(policy, None, optimizer, groups, HISTORIES, algo, scheduler)
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert (log.no_effect, log.positive_share, log.updates, log.candidates, log.gradient_norm) == (1.0, 0.0, 0, 0, 0.0)
    assert math.isnan(log.surrogate)
    assert scheduler.last_epoch == 1


def test_log_by_hand(tabular, settings):
    policy, reference = tabular(), tabular()
    algo, negatives = settings(name="tawin", kind="window", window=[0.0, 5 / 39], group_size=4)
    groups = build(policy, algo, negatives)
    log = rl_step(policy, reference, descend(policy), groups, HISTORIES, algo)
    above = groups.positive_above
    assert log.context_weight == pytest.approx((above < 5).double().mean().item())  # r_hi = 5
    assert log.no_effect == pytest.approx(1 - log.context_weight)
    assert 0 < log.no_effect < 1
    assert log.window_width == pytest.approx(3.0)  # three negatives of equal weight
    assert log.reward == pytest.approx(0.25)
    assert log.kl == 0.0
    assert log.uncovered == 0.0
    assert log.gradient_norm > 0
    scores = tabular().log_probs(HISTORIES)
    margins = scores.gather(1, POSITIVES[:, None]) - scores.gather(1, groups.candidates)
    assert log.surrogate == pytest.approx(-margins[above < 10, 1:].mean().item())
    assert log.entropy == pytest.approx(-(scores.exp() * scores).sum(dim=1).mean().item())
    assert log.seconds > 0
    assert log.candidates_per_second == pytest.approx(log.candidates / log.seconds)


def test_entropy_from_a_random_group_of_everything_is_exact(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="random", group_size=40)
    groups = build(policy, algo, negatives)
    scores = policy.log_probs(HISTORIES)
    estimate = entropy_estimate(groups, policy.score_groups(HISTORIES, groups.candidates))
    assert estimate == pytest.approx(-(scores.exp() * scores).sum(dim=1).mean().item())


def test_gradient_norm_is_clipped(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="random", max_gradient_norm=0.01)
    groups = build(policy, algo, negatives)
    before = [value.detach().clone() for value in policy.parameters()]
    log = rl_step(policy, None, descend(policy), groups, HISTORIES, algo)
    moved = torch.stack([(now - then).norm() for now, then in zip(policy.parameters(), before)]).norm()
    assert log.gradient_norm > 0.01
    assert moved.item() == pytest.approx(0.01, rel=1e-3)


def test_kl_needs_a_reference(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="random", kl=0.1)
    with pytest.raises(ValueError, match="reference"):
        rl_step(policy, None, descend(policy), build(policy, algo, negatives), HISTORIES, algo)


def test_replay_adds_its_own_gradient(tabular, settings):
    policy = tabular()
    algo, negatives = settings(kind="random", replay_weight=0.3)
    groups = build(policy, algo, negatives)

    def moved(weight, groups_=groups, **keys):
        own = copy.deepcopy(policy)
        algo.replay_weight = weight
        replay = (lambda: [own.items.square().sum()]) if weight else None
        log = rl_step(own, None, descend(own), groups_, HISTORIES, algo, replay=replay, **keys)
        return own.items.detach() - policy.items.detach(), log

    alone, without = moved(0.0)
    both, log = moved(0.3)
    assert torch.allclose(both, alone - 0.3 * 2 * policy.items.detach())  # of a square the gradient is twice the value
    assert math.isnan(without.replay)
    assert log.replay == pytest.approx(float(policy.items.detach().square().sum()))
    assert log.loss == pytest.approx(without.loss + 0.3 * log.replay)
    # A batch of contexts without effect still learns from the replay.
    nothing = dataclasses.replace(groups, context_weights=torch.zeros_like(groups.context_weights))
    only, log = moved(0.3, nothing)
    assert torch.allclose(only, -0.6 * policy.items.detach())
    assert log.loss == pytest.approx(0.3 * log.replay) and log.gradient_norm > 0 and log.updates == 1
