"""AdamW on what is trained of a module, and its learning rate over the steps."""

import math

import torch

from recbench.schema import AlgoConfig
from recbench.training.module import TrainedModule


def learning_rate_factor(step: int, total: int, warmup: float, schedule: str) -> float:
    """Share of the peak learning rate at a step (0-based): a linear rise, then constant or a half cosine to 0."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def make_optimizer(module: TrainedModule, config: AlgoConfig) -> torch.optim.Optimizer:
    """AdamW for what is trained of a module, also for one that is counted and has no parameters."""
    return torch.optim.AdamW(
        [{"params": module.trained_parameters()}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, config: AlgoConfig, step: int, total: int) -> float:
    """Set and return the learning rate of a step (0-based) of `total`."""
    rate = config.learning_rate * learning_rate_factor(step, total, config.warmup, config.schedule)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
