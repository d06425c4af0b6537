"""The training loop on a one-weight model with scripted validations: rates, choice, patience, averages, resume."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from recbench.errors import UserError
from recbench.schema import AlgoConfig
from recbench.training.loop import TrainingLoop, best_by
from recbench.training.module import TrainedModule
from recbench.training.optimizer import learning_rate_factor
from recbench.training.random_streams import random_stream, stream_seed

NAN = math.nan


@pytest.mark.parametrize(
    ("step", "total", "warmup", "schedule", "factor"),
    [
        (0, 100, 0.05, "constant", 1 / 5),  # five steps of rising
        (3, 100, 0.05, "constant", 4 / 5),
        (4, 100, 0.05, "constant", 1.0),
        (99, 100, 0.05, "constant", 1.0),
        (0, 100, 0.0, "constant", 1.0),
        (4, 5, 1.0, "constant", 1.0),
        (1, 5, 1.0, "constant", 2 / 5),
        (10, 110, 1 / 11, "cosine", 1.0),  # ten steps of rising, then a hundred of falling
        (35, 110, 1 / 11, "cosine", 0.5 + 0.5 * math.sqrt(0.5)),  # a quarter: cos(pi / 4)
        (60, 110, 1 / 11, "cosine", 0.5),
        (0, 1, 0.05, "cosine", 1.0),
    ],
)
def test_learning_rate_by_hand(step: int, total: int, warmup: float, schedule: str, factor: float) -> None:
    assert learning_rate_factor(step, total, warmup, schedule) == pytest.approx(factor)


def test_random_streams_are_apart_and_repeatable() -> None:
    keys = [(seed, stream, step) for seed in (0, 1) for stream in (0, 1, 2) for step in (0, 1)]
    seeds = [stream_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert seeds == [stream_seed(*key) for key in keys]
    assert random_stream(0, 0).random() == random_stream(0, 0, 0).random()


class OneWeight(TrainedModule):
    """A weight that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))


class Loops:
    """Makes loops whose step k adds one to the weight, and whose validations give the scripted values in turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[tuple[int, bool]] = []
        self.rates: list[float] = []
        self.validated: list[float] = []

    def make(
        self,
        values: list[float] | None = None,
        *,
        steps: int = 6,
        every: int = 1,
        stop_at: int = -1,
        policy: OneWeight | None = None,
        **config,
    ):
        policy = OneWeight() if policy is None else policy

        def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
            if step == stop_at:
                raise RuntimeError("pulled the plug")
            assert policy.training
            self.rates.append(optimizer.param_groups[0]["lr"])
            with torch.no_grad():
                policy.weight += 1
            return {"loss": 0.0}

        def validate() -> dict[str, float]:
            weight = float(policy.weight.detach())
            self.validated.append(weight)
            return {"score": weight if values is None else values[len(self.validated) - 1], "other": 1.0}

        return TrainingLoop(
            module=policy,
            config=AlgoConfig(learning_rate=1.0, warmup=0.0, **config),
            total_steps=steps,
            evaluate_every=every,
            select="score",
            seed=0,
            folder=self.folder,
            update=update,
            validate=validate,
            report=lambda state, values, is_validation: self.reports.append((state.step, is_validation)),
        )


@pytest.fixture
def loops(tmp_path: Path) -> Loops:
    return Loops(tmp_path)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.1, 0.2, 0.5, 0.4, 0.3], 2),
        ([0.9, 0.2, 0.5, 0.4, 0.3], 0),  # nothing beats the start
        ([0.1, 0.5, 0.5, 0.5, 0.2], 1),  # of equals the earliest
        ([NAN, 0.2, NAN, 0.1, NAN], 1),  # an undefined value is never chosen
        ([-0.5, NAN, -0.1, NAN, -0.2], 2),
    ],
)
def test_the_best_validation_picks_the_weights(values: list[float], best: int, loops: Loops) -> None:
    loop = loops.make(values, steps=4)
    state = loop.run()
    assert (state.best_step, state.best_value) == (best, values[best])
    assert float(loop.module.weight.detach()) == best
    assert [entry["step"] for entry in state.history] == [0, 1, 2, 3, 4]


def test_what_other_metrics_would_pick_is_kept_beside_it(loops: Loops) -> None:
    """The score is best at the start, `other` at step 2 (of equals the earliest), `falling` nowhere later."""
    loop = loops.make([0.9, 0.2, 0.5, 0.4, 0.3], steps=4)
    others = iter([(1.0, NAN), (2.0, 0.3), (4.0, 0.2), (4.0, 0.1), (0.0, 0.0)])
    plain = loop.validate
    loop.validate = lambda: {**plain(), **dict(zip(("other", "falling"), next(others), strict=True))}
    loop.also = ["other", "falling"]
    state = loop.run()
    assert state.best_step == 0 and float(loop.module.weight.detach()) == 0
    assert state.also == {"other": {"value": 4.0, "step": 2}, "falling": {"value": 0.3, "step": 1}}
    for name, step in (("other", 2), ("falling", 1)):  # the weight is the number of steps taken
        loop.module.load(best_by(loops.folder, name))
        assert float(loop.module.weight.detach()) == step


def test_validations_come_at_the_start_regularly_and_at_the_end(loops: Loops) -> None:
    loops.make(steps=5, every=2).run()
    assert [step for step, is_validation in loops.reports if is_validation] == [0, 2, 4, 5]
    assert [step for step, is_validation in loops.reports if not is_validation] == [1, 2, 3, 4, 5]


def test_no_steps_leave_the_start(loops: Loops) -> None:
    state = loops.make(steps=0).run()
    assert (state.step, state.best_step, len(state.history)) == (0, 0, 1)


def test_patience_counts_validations_without_improvement(loops: Loops) -> None:
    state = loops.make([0.1, 0.3, 0.2, 0.4, 0.4, 0.1, 0.9], steps=6, patience=2).run()
    assert state.step == 5  # best at 3, then none at 4 and 5; the 0.9 is never seen
    assert state.best_step == 3


def test_the_learning_rate_reaches_the_optimiser(loops: Loops) -> None:
    loops.make(steps=4, schedule="cosine").run()
    assert loops.rates == pytest.approx([1.0, 1.0, 0.75, 0.25])  # one step of rising; then cos(0, pi / 3, 2 pi / 3)


def test_the_average_is_what_is_validated_and_kept(loops: Loops) -> None:
    loop = loops.make(steps=3, weight_averaging=0.2)
    state = loop.run()
    # The weights are 1, 2, 3. The average starts at the first; then its decay is min(0.2, (1 + s) / (10 + s)), where s
    # is the number of steps before: 2/11 for the second, 0.2 for the third.
    second = 2 - 2 / 11
    third = 0.2 * second + 0.8 * 3
    assert loops.validated == pytest.approx([0, 1, second, third])
    assert float(loop.module.weight.detach()) == pytest.approx(third)
    assert state.best_value == pytest.approx(third)


def test_a_training_goes_on_from_weights_average_and_optimiser_of_another(tmp_path: Path) -> None:
    whole = Loops(tmp_path / "whole")
    first = whole.make(steps=3, weight_averaging=0.2)
    first.module.weight.grad = torch.ones(1, 1)
    first.optimizer.step()  # the scripted updates leave the optimiser alone
    nn.init.zeros_(first.module.weight)
    first.run()
    after = Loops(tmp_path / "after")
    loop = after.make(steps=2, weight_averaging=0.5)
    loop.first_step = 3
    loop.go_on_from(tmp_path / "whole" / "last")
    assert float(loop.module.weight.detach()) == 3  # where the weights were, not their average
    (moments,) = (float(state["exp_avg"]) for state in loop.optimizer.state.values())
    assert moments == pytest.approx(0.1)  # 1 - beta of a gradient of one
    loop.run()
    start = whole.validated[-1]  # the average of the first training
    # The decay is min(0.5, (1 + s) / (10 + s)) after s = 3 and 4 steps: it goes on growing where it had come to.
    fourth = 4 / 13 * start + 9 / 13 * 4
    assert after.validated == pytest.approx([start, fourth, 5 / 14 * fourth + 9 / 14 * 5])


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("stop_at", [0, 1, 3, 4])
def test_a_stopped_loop_goes_on_to_the_same_end(averaging: float, stop_at: int, tmp_path: Path) -> None:
    def finish(make: Callable[..., TrainingLoop], resume: bool, **keys):
        loop = make(steps=5, every=2, weight_averaging=averaging, **keys)
        if resume:
            loop.resume()
        return vars(loop.run()), float(loop.module.weight.detach())

    whole = finish(Loops(tmp_path / "whole").make, resume=False)
    with pytest.raises(RuntimeError):
        finish(Loops(tmp_path / "stopped").make, resume=False, stop_at=stop_at)
    again = Loops(tmp_path / "stopped")
    assert finish(again.make, resume=True) == whole
    assert len(again.rates) == 5 - stop_at // 2 * 2  # steps since the last validation are done again, no others


def test_resuming_without_a_checkpoint_starts_over(loops: Loops) -> None:
    loop = loops.make(steps=2)
    loop.resume()
    assert loop.run().step == 2


@pytest.mark.parametrize("loss", [NAN, math.inf])
def test_a_loss_that_is_no_number_ends_the_training(loss: float, tmp_path: Path) -> None:
    loop = Loops(tmp_path).make()
    update = loop.update
    loop.update = lambda step, optimizer: {**update(step, optimizer), "loss": loss if step == 2 else 0.0}
    with pytest.raises(UserError, match=f"the loss of step 3 is {loss} at learning rate 1: train with a lower one"):
        loop.run()
    assert loop.state.step == 2  # of the last checkpoint


class PartlyFrozen(OneWeight):
    """A trained weight, the same under another name, and a frozen one that is not written."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = self.weight
        self.frozen = nn.Parameter(torch.full((1, 1), 7.0), requires_grad=False)

    def save(self, folder: Path) -> None:
        save_file(self.trained_state(), folder / "adapter.safetensors")

    def load(self, folder: Path) -> None:
        self.load_state_dict(load_file(folder / "adapter.safetensors"), strict=False)


def test_frozen_weights_are_neither_optimised_nor_averaged(loops: Loops) -> None:
    loop = loops.make(steps=3, weight_averaging=0.2, policy=PartlyFrozen())
    assert [group["params"] for group in loop.optimizer.param_groups] == [[loop.module.weight]]
    loop.run()
    assert loop.average is not None and list(loop.average) == ["weight"]
    # Validations see the average (as by hand above), steps the weights themselves: 1, 2, 3.
    second = 2 - 2 / 11
    assert loops.validated == pytest.approx([0, 1, second, 0.2 * second + 0.8 * 3])
    assert float(loop.module.frozen.detach()) == 7
    assert list(load_file(loops.folder / "last" / "average.safetensors")) == ["weight"]
    assert float(load_file(loops.folder / "last" / "adapter.safetensors")["weight"]) == 3
