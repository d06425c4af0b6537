"""The state of a training as files: safetensors and JSON, never pickles."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recbench.errors import damage_told
from recbench.training.module import TrainedModule
from recbench.training.optimizer import optimizer_state, restore_optimizer


def save_training_state(
    folder: Path,
    module: TrainedModule,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor] | None,
    numbers: dict[str, Any],
    tracked: dict[str, Tensor] | None = None,
) -> None:
    """Write all that an interrupted training needs to continue into an existing folder.

    tracked is what the training rule keeps from step to step, by name. Nothing random is kept: every step draws from a
    generator made of (seed, step).
    """
    module.save(folder)
    save_file(optimizer_state(optimizer), folder / "optimizer.safetensors")
    if average is not None:
        save_file({name: value.contiguous() for name, value in average.items()}, folder / "average.safetensors")
    if tracked:
        save_file({name: value.contiguous() for name, value in tracked.items()}, folder / "tracked.safetensors")
    (folder / "state.json").write_text(json.dumps(numbers, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_training_state(
    folder: Path, module: TrainedModule, optimizer: torch.optim.Optimizer, tracked: dict[str, Tensor] | None = None
) -> tuple[dict[str, Tensor] | None, dict[str, Any]]:
    """Restore what `save_training_state` wrote, in place; returns the average and the numbers.

    Raises:
        UserError: the files are damaged.
    """
    with damage_told(folder, "start a new run"):
        return _load_training_state(folder, module, optimizer, tracked)


def _load_training_state(
    folder: Path, module: TrainedModule, optimizer: torch.optim.Optimizer, tracked: dict[str, Tensor] | None
) -> tuple[dict[str, Tensor] | None, dict[str, Any]]:
    module.load(folder)
    restore_optimizer(optimizer, load_file(folder / "optimizer.safetensors"))
    if tracked:
        for name, value in load_file(folder / "tracked.safetensors").items():
            tracked[name].copy_(value)
    average_file = folder / "average.safetensors"
    average = load_file(average_file, device=str(module.device)) if average_file.is_file() else None
    return average, json.loads((folder / "state.json").read_text(encoding="utf-8"))  # the best so far may be -Infinity
