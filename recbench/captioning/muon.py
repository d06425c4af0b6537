"""The optimiser Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), in float32 on every processor.

A matrix moves by its momentum made nearly orthogonal: all singular values near 1. `torch.optim.Muon` does that in
bfloat16, which processors without units for it emulate, several times as slowly, and with other rounding.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic a s + b s^3 + c s^5, applied five times, takes singular values from 0.002 to 1 into [0.68, 1.21].
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
LEAST_NORM = 1e-7  # below which a matrix counts as zero


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov's momentum whose steps are made orthogonal; for the matrices of layers only.

    A step of a matrix [A, B] has the length of `lr` times sqrt(max(1, A / B)); weights decay by `lr * weight_decay`.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        """Raises ValueError for a parameter that is no matrix."""
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        shapes = [tuple(matrix.shape) for group in self.param_groups for matrix in group["params"]]
        if wrong := [shape for shape in shapes if len(shape) != 2]:
            raise ValueError(f"Muon moves matrices, not a parameter of shape {wrong[0]}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Move every matrix that has a gradient; returns what `closure`, if there is one, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, matrix.grad, group["lr"], group["weight_decay"], group["momentum"])
        return loss

    def _move(self, matrix: Tensor, gradient: Tensor, rate: float, weight_decay: float, momentum: float) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = orthogonalised(gradient.lerp(mean, momentum))
        rows, columns = matrix.shape
        matrix.mul_(1 - rate * weight_decay).add_(update, alpha=-rate * math.sqrt(max(1, rows / columns)))


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [A, B] with its singular values brought near 1 by Newton and Schulz' iteration, float32 [A, B]."""
    a, b, c = COEFFICIENTS
    wide = matrix.float()
    tall = wide.shape[0] > wide.shape[1]
    wide = wide.T if tall else wide  # the smaller of both products with its own transpose
    wide = wide / wide.norm().clamp(min=LEAST_NORM)  # no singular value is above 1
    for _ in range(ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if tall else wide
