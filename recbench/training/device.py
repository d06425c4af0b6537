"""Which device and precision a stage computes with."""

from contextlib import AbstractContextManager, nullcontext

import torch

from recbench.errors import UserError


def choose_device(name: str) -> torch.device:
    """The torch device of a config value: auto takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: the name is no device, or there is none of that kind here.
    """
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"device={name} cannot be used ({reason}); use device=auto or device=cpu") from error
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision around forward passes; nothing for float32 (float16 would need loss scaling)."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def use_threads(threads: int) -> None:
    """Set torch's CPU threads; 0 leaves its own choice."""
    if threads:
        torch.set_num_threads(threads)
