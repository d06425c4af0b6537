"""The steps of any training: rates, dropout's stream, what ends them; one step down; averages; several processes."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recbench.errors import UserError
from recbench.schema import AlgoConfig
from recbench.training.averaging import move_average
from recbench.training.loop import TrainingLoop
from recbench.training.module import TrainedModule
from recbench.training.optimizer import descend, optimizer_state, restore_optimizer
from recbench.training.random_streams import random_stream, stream_seed
from recbench.training.steps import run_steps


class Line(TrainedModule):
    """slope x, from zero."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))

    def loss(self, x: float) -> torch.Tensor:
        return (self.slope * x).sum()


def test_rates_are_shares_of_each_optimisers_own() -> None:
    module, rates = Line(), []
    optimizers = [torch.optim.SGD(module.parameters(), lr=0.5), torch.optim.SGD(module.parameters(), lr=2.0)]

    def update(step: int) -> dict[str, float]:
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        return {}

    seen = []
    run_steps(
        module,
        optimizers,
        range(2, 5),
        rate=lambda step: step / 4,
        update=update,
        after=lambda step, values: seen.append((step, values["learning_rate"])) or step == 3,
    )
    assert rates == [[0.25, 1.0], [0.375, 1.5]]
    assert seen == [(2, 0.25), (3, 0.375)]  # it was enough: step 4 is not taken


def test_dropout_starts_from_the_seed_of_its_step() -> None:
    module, drawn = Line(), []

    def update(step: int) -> dict[str, float]:
        assert module.training
        drawn.append(float(torch.rand(1)))
        return {}

    for steps in (range(3), range(2, 3)):
        module.eval()
        run_steps(
            module,
            [torch.optim.SGD(module.parameters())],
            steps,
            rate=lambda step: 1.0,
            update=update,
            dropout_seed=lambda step: stream_seed(4, 1, step),
        )
    assert len(set(drawn[:3])) == 3 and drawn[3] == drawn[2]


def test_gradients_are_gone_when_a_step_is_over() -> None:
    module = Line()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    seen = []
    run_steps(
        module,
        [optimizer],
        range(2),
        rate=lambda step: 1.0,
        update=lambda step: descend([module.loss(2.0)], module.parameters(), [optimizer]),
        after=lambda step, values: bool(seen.append((module.slope.grad, float(module.slope.detach())))),
    )
    assert seen == [(None, -2.0), (None, -4.0)]


def test_a_loss_that_is_no_number_ends_the_steps() -> None:
    module = Line()
    with pytest.raises(UserError, match="the loss of step 2 is nan at learning rate 0.1: train with a lower one"):
        run_steps(
            module,
            [torch.optim.SGD(module.parameters(), lr=0.1)],
            range(5),
            rate=lambda step: 1.0,
            update=lambda step: {"loss": math.nan if step == 1 else 0.0},
        )


@pytest.mark.parametrize(("limit", "moved"), [(0.0, 7.0), (1.0, 1.0), (10.0, 7.0)])
def test_one_step_down_a_sum_of_losses(limit: float, moved: float) -> None:
    module = Line()
    module.slope.grad = torch.ones(1)  # of before
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    with torch.no_grad():
        module.slope.fill_(1.0)
    log = descend((module.loss(x) for x in (3.0, 4.0)), module.parameters(), [optimizer], limit)
    assert log == {"loss": 7.0, "gradient_norm": 7.0}  # before clipping
    assert float(module.slope.detach()) == pytest.approx(1 - moved, abs=1e-6)


def test_losses_are_made_one_after_the_other() -> None:
    module, order = Line(), []

    def losses() -> Iterable[torch.Tensor]:
        for x in (1.0, 2.0):
            order.append(None if module.slope.grad is None else float(module.slope.grad))
            yield module.loss(x)

    descend(losses(), module.parameters(), [torch.optim.SGD(module.parameters())])
    assert order == [None, 1.0]  # the first is differentiated before the second is made


class TwoProcesses:
    """As if another process had found twice this one's gradients."""

    def __init__(self, is_first: bool) -> None:
        self.is_first = is_first

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad += 2 * parameter.grad


def test_gradients_are_summed_over_processes_before_they_are_clipped() -> None:
    module = Line()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    log = descend([module.loss(1.0)], module.parameters(), [optimizer], 2.0, TwoProcesses(True))
    assert log["gradient_norm"] == 3.0
    assert float(module.slope.detach()) == pytest.approx(-2.0)


@pytest.mark.parametrize("is_first", [True, False])
def test_the_first_process_writes(is_first: bool, tmp_path: Path) -> None:
    loop = TrainingLoop(
        module=Line(),
        config=AlgoConfig(),
        total_steps=0,
        evaluate_every=1,
        select="score",
        seed=0,
        folder=tmp_path,
        update=lambda step, optimizer: {},
        validate=lambda: {"score": 1.0},
        report=lambda state, values, is_validation: None,
        distributed=TwoProcesses(is_first),
    )
    if is_first:
        loop.run()
        assert (tmp_path / "best").is_dir() and (tmp_path / "last").is_dir()
    else:
        loop._validate()
        assert not list(tmp_path.iterdir())


def test_averages_by_hand() -> None:
    state = {"a": torch.tensor([2.0])}
    average = move_average(None, state, 0.5, 0)
    assert average["a"] is not state["a"]
    state["a"].fill_(4.0)
    # After one step the decay is min(0.5, 2 / 11), and 0.5 after ten thousand.
    assert move_average(average, state, 0.5, 1)["a"].item() == pytest.approx(2 / 11 * 2 + 9 / 11 * 4)
    held = average["a"].item()
    assert move_average(average, state, 0.5, 10_000)["a"].item() == pytest.approx((held + 4) / 2)


def test_an_optimisers_state_comes_back() -> None:
    def steps(module: Line, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            descend([(module.slope - 3).square().sum()], module.parameters(), [optimizer])

    whole = Line()
    steps(whole, torch.optim.AdamW(whole.parameters(), lr=0.1), 5)
    half = Line()
    before, after = (torch.optim.AdamW(half.parameters(), lr=0.1) for _ in range(2))
    steps(half, before, 3)
    restore_optimizer(after, optimizer_state(before))
    steps(half, after, 2)
    assert torch.equal(whole.slope, half.slope)


def test_several_integers_are_one_seed() -> None:
    """The streams of the captioner's folds, whose numbers stay what they are."""
    assert random_stream([3, 1], 2, 5).random() == np.random.default_rng([3, 1, 2, 5]).random()
    assert random_stream(3, 2, 5).random() == np.random.default_rng([3, 2, 5]).random()
    assert len({stream_seed(seed, 2) for seed in (3, [3, 1], [3, 2])}) == 3
