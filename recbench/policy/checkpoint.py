"""Policies and training states as files: safetensors and JSON, never pickles."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from recbench.errors import UserError, damage_told
from recbench.policy.base import Policy
from recbench.policy.item_tokens import ItemTokens
from recbench.policy.kinds import empty_policy
from recbench.schema import PolicyConfig, as_values, settings_of
from recbench.strict_json import read_object


def save_policy(folder: Path, policy: Policy, tokens: ItemTokens) -> None:
    """Write a policy's weights, item_tokens.safetensors and policy.json into an existing folder."""
    policy.save(folder)
    save_arrays({"codes": np.ascontiguousarray(tokens.codes)}, folder / "item_tokens.safetensors")
    description = {"policy": as_values(policy.settings), "item_tokens": tokens.origin, **policy.description}
    (folder / "policy.json").write_text(json.dumps(description, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_policy(folder: Path) -> tuple[Policy, ItemTokens]:
    """Read what `save_policy` wrote, on the CPU and in evaluation mode.

    Raises:
        UserError: the folder holds no policy, or a damaged one.
    """
    if not (folder / "policy.json").is_file():
        raise UserError(f"{folder} holds no policy (no policy.json); give the run of a finished recbench train")
    with damage_told(folder, "train the policy again, or name another run"):
        description = read_object(folder / "policy.json", "a policy's settings")
        tokens = ItemTokens(load_arrays(folder / "item_tokens.safetensors")["codes"], description["item_tokens"])
        settings = settings_of(PolicyConfig, description["policy"])
        policy = empty_policy(tokens.trie(), settings, description)
        policy.load(folder)
    return policy.eval(), tokens


def save_training_state(
    folder: Path,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor] | None,
    numbers: dict[str, Any],
    tracked: dict[str, Tensor] | None = None,
) -> None:
    """Write all that an interrupted training needs to continue into an existing folder.

    tracked is what the training rule keeps from step to step, by name. Nothing random is kept: every step draws from a
    generator made of (seed, step).
    """
    policy.save(folder)
    moments = {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    save_file(moments, folder / "optimizer.safetensors")
    if average is not None:
        save_file({name: value.contiguous() for name, value in average.items()}, folder / "average.safetensors")
    if tracked:
        save_file({name: value.contiguous() for name, value in tracked.items()}, folder / "tracked.safetensors")
    (folder / "state.json").write_text(json.dumps(numbers, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_training_state(
    folder: Path, policy: Policy, optimizer: torch.optim.Optimizer, tracked: dict[str, Tensor] | None = None
) -> tuple[dict[str, Tensor] | None, dict[str, Any]]:
    """Restore what `save_training_state` wrote, in place; returns the average and the numbers.

    Raises:
        UserError: the files are damaged.
    """
    with damage_told(folder, "start a new run"):
        return _load_training_state(folder, policy, optimizer, tracked)


def _load_training_state(
    folder: Path, policy: Policy, optimizer: torch.optim.Optimizer, tracked: dict[str, Tensor] | None
) -> tuple[dict[str, Tensor] | None, dict[str, Any]]:
    policy.load(folder)
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    if tracked:
        for name, value in load_file(folder / "tracked.safetensors").items():
            tracked[name].copy_(value)
    average_file = folder / "average.safetensors"
    average = load_file(average_file, device=str(policy.device)) if average_file.is_file() else None
    return average, json.loads((folder / "state.json").read_text(encoding="utf-8"))  # the best so far may be -Infinity
