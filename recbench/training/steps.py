"""The steps of any training: a learning rate, dropout from a stream of its own, an update, a loss that is a number."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from recbench.errors import UserError
from recbench.training.optimizer import set_learning_rates


def run_steps(
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    steps: Iterable[int],
    *,
    rate: Callable[[int], float],
    update: Callable[[int], dict[str, float]],
    after: Callable[[int, dict[str, float]], bool] = lambda step, values: False,
    dropout_seed: Callable[[int], int] | None = None,
) -> None:
    """Take steps, 0-based, until they end or `after` says that it is enough.

    Args:
        rate: share of the peak learning rates at a step.
        update: the step itself, with dropout on; what to log about it, its "loss" among it.
        after: called with what `update` gave and the "learning_rate".
        dropout_seed: what torch's own state starts from at a step; none: it goes on as it is.

    Raises:
        UserError: the loss of a step is no number.
    """
    for step in steps:
        learning_rate = set_learning_rates(optimizers, rate(step))
        if dropout_seed is not None:
            torch.manual_seed(dropout_seed(step))
        module.train()
        values = update(step)
        if not math.isfinite(values.get("loss", 0.0)):
            found = f"the loss of step {step + 1} is {values['loss']} at learning rate {learning_rate:g}"
            raise UserError(f"{found}: train with a lower one")
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)  # validation, checkpoints and the next forward need the memory
        if after(step, {**values, "learning_rate": learning_rate}):
            return
