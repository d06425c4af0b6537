"""The state of the generator that dropout draws from, so that a forward can be repeated with the same masks."""

import torch
from torch import Tensor


def random_state(device: torch.device) -> Tensor:
    """State of torch's generator of a device, which keeps one for each."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def set_random_state(device: torch.device, state: Tensor) -> None:
    """Put that generator back to a state of `random_state`."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
