"""An exponential moving average of what is trained, and its place in the module while that is validated."""

import torch
from torch import Tensor


def move_average(
    average: dict[str, Tensor] | None, state: dict[str, Tensor], decay: float, steps: int
) -> dict[str, Tensor]:
    """The average after a step: a copy of `state` at first, then decay * average + (1 - decay) * state, in place.

    Early on a long memory would keep the random start: the decay grows to its value as (1 + s) / (10 + s).

    Args:
        state: what is trained, by name (`TrainedModule.trained_state`).
        steps: s, taken before this one, those of an earlier training that this one goes on from included.
    """
    if average is None:
        return {name: value.clone() for name, value in state.items()}
    for name, value in state.items():
        average[name].lerp_(value, 1 - min(decay, (1 + steps) / (10 + steps)))
    return average


@torch.no_grad()
def exchange(state: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Swap the values of two states of the same names, one tensor at a time: no second copy of all of them is made."""
    for name, value in state.items():
        held = value.clone()
        value.copy_(other[name])
        other[name].copy_(held)
