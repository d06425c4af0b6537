"""One place for the settings of a first SFT: the node `sft`, whether a user asks for it or rl makes it for itself."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig

from recbench.errors import UserError
from recbench.schema.given import given_keys
from recbench.schema.recommender import AlgoConfig


def is_first_sft(config: DictConfig) -> bool:
    """Whether a training is SFT from scratch, on interactions that are not kept from it."""
    return config.algo.name == "sft" and config.input is None and config.algo.interactions != "reserved"


def settle_first_sft(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Give a first SFT, in place, the settings of the node `sft`; a user's own `algo.KEY` are of it, too.

    What experiments set under `algo` is for rl. Both nodes are the same then, so that the run is the one that rl finds.
    Raises UserError where `algo.KEY` and `sft.KEY` are both given, and differ.
    """
    if not is_first_sft(config):
        return config
    given, known = given_keys(overrides), [item.name for item in fields(AlgoConfig)]
    for name in known:
        if f"algo.{name}" not in given:
            continue
        if f"sft.{name}" in given and config.sft[name] != config.algo[name]:
            raise UserError(
                f"algo.{name}={config.algo[name]} and sft.{name}={config.sft[name]} are one setting, of this SFT: give "
                "one of them"
            )
        config.sft[name] = config.algo[name]
    config.algo = config.sft
    return config


def settled_values(values: dict[str, Any]) -> dict[str, Any]:
    """The same for the values of a run's config: what an SFT was trained by is under `algo`, whatever `sft` says."""
    algo = values["algo"]
    first = algo["name"] == "sft" and values["input"] is None and algo["interactions"] != "reserved"
    return {**values, "sft": algo} if first else values
