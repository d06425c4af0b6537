"""Contexts in parts: the gradient and the log of one batch, for every rule, in passes that are no larger than asked."""

import copy

import pytest
import torch

from recbench.rl.groups import build_groups
from recbench.rl.step import rl_step

HISTORIES = torch.tensor([[0, 3], [1, -1], [2, 5], [3, 1], [4, 4], [5, 2]])
PLACES = (2, 4, 1, 7, 3, 30)  # of the positives in the order of the scores


class Listening:
    """Remembers how many contexts each pass of a policy has."""

    def __init__(self, policy) -> None:
        self.passes: list[int] = []
        inner = policy.log_probs

        def log_probs(histories: torch.Tensor) -> torch.Tensor:
            self.passes.append(len(histories))
            return inner(histories)

        policy.log_probs = log_probs


def positives_of(policy) -> torch.Tensor:
    order = policy.score_catalogue(HISTORIES).argsort(dim=1, descending=True)
    return order.gather(1, torch.tensor(PLACES)[:, None])[:, 0]


def step(policy, algo, negatives, updates=2.0):
    own, reference = copy.deepcopy(policy), copy.deepcopy(policy)
    positives = positives_of(policy)
    with torch.no_grad():
        reference.items.add_(torch.randn(reference.items.shape, generator=torch.Generator().manual_seed(1)))
    heard = Listening(own)
    torch.manual_seed(0)
    groups = build_groups(own, HISTORIES, positives, algo, negatives, torch.Generator().manual_seed(0))
    log = rl_step(own, reference, torch.optim.SGD(own.parameters(), lr=updates), groups, HISTORIES, algo)
    return own, log, heard.passes


RULES = {
    "grpo": {"name": "grpo", "kind": "random"},
    "beam": {"name": "grpo", "kind": "beam"},
    "kl and sft": {"name": "grpo", "kind": "mixed", "kl": 0.3, "sft_weight": 0.2},
    "tawin": {"name": "tawin", "kind": "window", "top_k": 6, "surrogate": "logistic"},
    "dns": {"name": "dns", "kind": "dns", "pool": 20},
    "llpauc, which compares contexts": {"name": "llpauc", "kind": "random", "llpauc_alpha": 0.5},
    "sdpo": {"name": "sdpo", "kind": "random"},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [1, 4])
def test_the_step_is_that_of_one_batch(rule: str, size: int, tabular, settings) -> None:
    algo, negatives = settings(**RULES[rule], group_size=8, updates_per_rollout=2, clip=0.2)
    policy = tabular()
    whole, log, passes = step(policy, algo, negatives)
    assert max(passes) == 6 and log.no_effect < 0.5
    algo.micro_batch = size
    parts, its_log, its_passes = step(policy, algo, negatives)
    assert max(its_passes) <= size
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-12, rtol=0)
    assert not torch.allclose(whole.items, policy.items)
    for name in ("loss", "kl", "sft", "surrogate", "ratio", "clipped", "gradient_norm", "reward", "entropy"):
        assert getattr(its_log, name) == pytest.approx(getattr(log, name), rel=1e-9, nan_ok=True), name


def test_parts_repeat_their_dropout(tabular, settings) -> None:
    """Weights that do not move: every later pass has the masks of the first, so that no ratio leaves 1."""
    algo, negatives = settings(kind="random", group_size=4, updates_per_rollout=3, micro_batch=4)
    _, log, passes = step(tabular(dropout=0.5), algo, negatives, updates=0.0)
    assert (log.ratio, log.clipped) == (1.0, 0.0)
    assert passes == [4, 2] * 6  # each of three updates scores, and scores again for the gradient
    assert log.gradient_norm > 0


def test_the_gradient_with_dropout_is_of_the_masks_that_made_the_scores(tabular, settings) -> None:
    """The gradient of the last of three updates at rate 0 is the same whatever else has been drawn before."""
    algo, negatives = settings(kind="random", group_size=4, micro_batch=4)
    policy = tabular(dropout=0.5)
    first, log, _ = step(policy, algo, negatives)
    algo.updates_per_rollout = 2
    _, again, _ = step(policy, algo, negatives, updates=0.0)
    assert again.gradient_norm == log.gradient_norm
    # By hand: the same masks, the same advantages, one part after the other.
    own = copy.deepcopy(policy)
    groups = build_groups(own, HISTORIES, positives_of(policy), algo, negatives, torch.Generator().manual_seed(0))
    own.train()
    torch.manual_seed(0)
    scores = torch.cat([own.score_groups(HISTORIES[part], groups.candidates[part]) for part in ([0, 1, 2, 3], [4, 5])])
    advantage = 1 / (3 / 16) ** 0.5 / 4  # rewards 1, 0, 0, 0: mean 1/4, deviation sqrt(3)/4; G = 4
    wanted = scores.new_tensor([0.75, -0.25, -0.25, -0.25]) * advantage
    (-(scores * wanted).sum(1).mean()).backward()
    expected = policy.items.detach() - 2.0 * own.items.grad
    assert torch.allclose(first.items.detach(), expected, atol=1e-12)
