"""The outer training loop of every rule: learning rate, validation, choice of the checkpoint, resume."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbench.runs import atomic_path
from recbench.schema import AlgoConfig
from recbench.training.averaging import exchange, move_average
from recbench.training.checkpoint import load_training_state, save_training_state
from recbench.training.distributed import ONE_PROCESS, Distributed
from recbench.training.module import TrainedModule
from recbench.training.optimizer import learning_rate_factor, make_optimizer
from recbench.training.random_streams import MODEL, stream_seed
from recbench.training.steps import run_steps


def best_by(folder: Path, metric: str) -> Path:
    """Where the weights that a metric other than the selecting one would pick are kept, below `folder`."""
    return folder / f"best_by_{metric}"


@dataclass
class LoopState:
    """Where a training stands; written to state.json with every checkpoint."""

    step: int = 0
    best_value: float = -math.inf
    best_step: int = -1
    stale: int = 0  # validations since the best one
    also: dict[str, dict[str, float]] = field(default_factory=dict)  # other metrics' best: value and step
    history: list[dict[str, float]] = field(default_factory=list)  # one entry a validation


@dataclass
class TrainingLoop:
    """Runs optimiser steps, validates, keeps the best weights, and can continue where it was killed.

    `update(step, optimizer)` does one optimiser step, counted from `first_step`, and returns what to log; `validate()`
    returns metrics of the module as it is, of which `select` picks the checkpoint (the larger the better, ties keep the
    earlier). What other metrics, `also`, would pick is kept beside it, and changes nothing else.
    """

    module: TrainedModule
    config: AlgoConfig
    total_steps: int
    evaluate_every: int  # steps
    select: str
    seed: int
    folder: Path  # checkpoints are written below it
    update: Callable[[int, torch.optim.Optimizer], dict[str, float]]
    validate: Callable[[], dict[str, float]]
    report: Callable[[LoopState, dict[str, float], bool], None]  # state, values, whether they are a validation's
    first_step: int = 0  # steps of an earlier training that this one goes on from: draws and averages count from there
    also: Sequence[str] = ()
    distributed: Distributed = ONE_PROCESS
    tracked: dict[str, Tensor] | None = None  # what `update` keeps from step to step: checkpointed, restored in place

    def __post_init__(self) -> None:
        self.state = LoopState()
        self.average: dict[str, Tensor] | None = None
        self.optimizer = make_optimizer(self.module, self.config)

    def go_on_from(self, folder: Path) -> None:
        """Start where another training of this module stood: its weights, their average and its optimiser."""
        self.average, _ = load_training_state(folder, self.module, self.optimizer)

    def resume(self) -> None:
        """Continue from the last checkpoint, where there is one."""
        last = self.folder / "last"
        if (last / "state.json").is_file():
            self.average, numbers = load_training_state(last, self.module, self.optimizer, self.tracked)
            self.state = LoopState(**numbers)

    def run(self) -> LoopState:
        """Train to the end or until validation stops improving; the module then holds the best weights."""
        if self.state.step == 0 and not self.state.history:
            self._validate()
        if not self._has_stopped():
            run_steps(
                self.module,
                [self.optimizer],
                range(self.state.step, self.total_steps),
                rate=self._rate,
                update=lambda step: self.update(self.first_step + step, self.optimizer),
                after=self._after,
                dropout_seed=lambda step: stream_seed(self.seed, MODEL, self.first_step + step),
            )
        self.module.load(self.folder / "best")
        return self.state

    def _has_stopped(self) -> bool:
        """Whether validation has not improved for too long."""
        return 0 < self.config.patience <= self.state.stale

    def _rate(self, step: int) -> float:
        return learning_rate_factor(step, self.total_steps, self.config.warmup, self.config.schedule)

    def _after(self, step: int, values: dict[str, float]) -> bool:
        if self.config.weight_averaging:
            taken, state = self.first_step + step, self.module.trained_state()
            self.average = move_average(self.average, state, self.config.weight_averaging, taken)
        self.state.step = step + 1
        self.report(self.state, values, False)
        if self.state.step % self.evaluate_every == 0 or self.state.step == self.total_steps:
            self._validate()
        return self._has_stopped()

    def _validate(self) -> None:
        if self.average is not None:  # which holds the module's own weights while it is validated and kept
            exchange(self.module.trained_state(), self.average)
        metrics = self.validate()
        value = metrics[self.select]
        if math.isnan(value):
            value = -math.inf
        if value > self.state.best_value or self.state.best_step < 0:
            self.state.best_value, self.state.best_step, self.state.stale = value, self.state.step, 0
            self._keep(self.folder / "best")
        else:
            self.state.stale += 1
        for name in self.also:
            value = -math.inf if math.isnan(metrics[name]) else metrics[name]
            if name not in self.state.also or value > self.state.also[name]["value"]:
                self.state.also[name] = {"value": value, "step": self.state.step}
                self._keep(best_by(self.folder, name))
        if self.average is not None:
            exchange(self.module.trained_state(), self.average)
        self.state.history.append({"step": self.state.step, **metrics})
        if self.distributed.is_first:
            with atomic_path(self.folder / "last") as partial:
                partial.mkdir(parents=True)
                numbers: dict[str, Any] = {**vars(self.state)}
                save_training_state(partial, self.module, self.optimizer, self.average, numbers, self.tracked)
        self.report(self.state, metrics, True)

    def _keep(self, folder: Path) -> None:
        if not self.distributed.is_first:
            return
        with atomic_path(folder) as partial:
            partial.mkdir(parents=True)
            self.module.save(partial)
