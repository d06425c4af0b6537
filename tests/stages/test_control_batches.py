"""More SFT, the control of RL arms, learns from what RL learns from: the same contexts in the same steps and order."""

import pytest
import torch

from recbench.composition import compose
from recbench.data.dataset import load_data
from recbench.policy.checkpoint import load_policy
from recbench.stages import rules

STEPS = 9  # two passes and a bit over the 60 users' reserved interactions


class Seen(Exception):
    """Raised once a step's contexts are known."""


def of_control(config, data, policy) -> tuple[list[list[list[tuple]]], int]:
    """By step, and optimiser update in it, the (history, next item) of every target; and the number of steps."""
    updates: list[list[tuple]] = []

    def sft_loss(items, learned, label_smoothing=0.0):
        rows = [[item for item in row if item >= 0] for row in items.tolist()]
        updates.append([(tuple(rows[row][:place]), rows[row][place]) for row, place in learned.nonzero().tolist()])
        return 0.0 * next(policy.parameters()).sum()

    policy.sft_loss = sft_loss
    plan = rules.plan_of(config, data, policy, torch.device("cpu"))
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.0)
    steps = []
    for step in range(STEPS):
        plan.update(step, optimizer)
        steps.append(list(updates))
        updates.clear()
    return steps, plan.steps


def of_rl(config, data, policy, monkeypatch) -> tuple[list[list[tuple]], int]:
    """By step the (history, next item) of every context; and the number of steps."""
    found: list[list[tuple]] = []

    def build_groups(reads, histories, positives, *others):
        if config.algo.contexts == "sequence":  # histories are places in sequences
            items = reads.items.tolist()
            pasts = [tuple(items[row][:place]) for row, place in histories.tolist()]
        else:
            pasts = [tuple(item for item in row if item >= 0) for row in histories.tolist()]
        found.append(list(zip(pasts, positives.tolist(), strict=True)))
        raise Seen

    monkeypatch.setattr(rules, "build_groups", build_groups)
    plan = rules.plan_of(config, data, policy, torch.device("cpu"))
    for step in range(STEPS):
        with pytest.raises(Seen):
            plan.update(step, None)
    return found, plan.steps


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["reserved=20"],  # all training interactions: the first of a user has no history
        ["algo.interactions=all"],
        ["algo.interactions=all", "algo.contexts=sequence", "algo.item_dropout=0.2"],
        ["reserved=3", "algo.contexts=sequence"],
        ["algo.updates_per_rollout=2"],
    ],
    ids=" ".join,
)
def test_the_same_interactions_in_the_same_steps(more, sft_run, monkeypatch) -> None:
    data = load_data(sft_run.input_run("data").path)
    common = [f"input={sft_run.id}", "algo.batch_size=16", "algo.steps=12", "seed=3", *more]
    control, rule = (compose("train", [algo, *common]) for algo in ("algo=more_sft", "algo=grpo"))
    policy, _ = load_policy(sft_run.path / "policy")
    expected, steps = of_rl(rule, data, policy, monkeypatch)
    found, of_control_steps = of_control(control, data, policy)
    assert of_control_steps == steps == 12 // rule.algo.updates_per_rollout
    for seen, contexts in zip(found, expected, strict=True):
        assert seen == [contexts] * rule.algo.updates_per_rollout
    assert len({tuple(contexts) for contexts in expected}) == STEPS  # not one batch again and again
