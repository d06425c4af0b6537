"""Optimisers of a training: AdamW on what is trained, learning rates over the steps, one step, and their state."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from recbench.schema import AlgoConfig
from recbench.training.distributed import ONE_PROCESS, Distributed
from recbench.training.module import TrainedModule


def learning_rate_factor(step: int, total: int, warmup: float, schedule: str) -> float:
    """Share of the peak learning rate at a step (0-based): a linear rise, then constant or a half cosine to 0."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def set_learning_rates(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> float:
    """Give every optimiser this share of the rate that it was made with; returns the first one's.

    A group that has a `factor` gets that multiple of it.
    """
    rates = []
    for optimizer in optimizers:
        rates.append(optimizer.defaults["lr"] * factor)
        for group in optimizer.param_groups:
            group["lr"] = rates[-1] * group.get("factor", 1.0)
    return float(rates[0])


def make_optimizer(module: TrainedModule, config: AlgoConfig) -> torch.optim.Optimizer:
    """AdamW for what is trained of a module, also for one that is counted and has no parameters.

    Parameters of one `learning_rate_factor` are a group, which keeps it under `factor`.
    """
    factors = {id(value): module.learning_rate_factor(name) for name, value in module.named_parameters()}
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in module.trained_parameters():
        groups.setdefault(factors[id(parameter)], []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some, "factor": factor} for factor, some in (groups or {1.0: []}).items()],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )


def descend(
    losses: Iterable[Tensor],
    parameters: Iterable[nn.Parameter],
    optimizers: Sequence[torch.optim.Optimizer],
    max_gradient_norm: float = 0.0,
    distributed: Distributed = ONE_PROCESS,
) -> dict[str, float]:
    """One step down the gradient of the sum of losses; returns "loss" and "gradient_norm", which is before clipping.

    Args:
        losses: scalars, each made when it is asked for and differentiated before the next one.
        max_gradient_norm: gradients of all parameters together are cut to this; 0 leaves them.
    """
    parameters = list(parameters)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    distributed.sum_gradients(parameters)
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_gradient_norm or torch.inf)
    for optimizer in optimizers:
        optimizer.step()
    return {"loss": total, "gradient_norm": float(norm)}


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and counts of an optimiser by "PARAMETER.NAME", for safetensors."""
    return {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put an optimiser of the same parameters into the state that `optimizer_state` gave."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
