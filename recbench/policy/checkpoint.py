"""Policies as files: safetensors and JSON, never pickles."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays

from recbench.errors import UserError, damage_told
from recbench.item_tokens.make import ItemTokens
from recbench.policy.base import Policy
from recbench.policy.make import empty_policy
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
