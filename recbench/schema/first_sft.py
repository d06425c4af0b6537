"""One place for the settings of a first SFT: the node `sft`, whether a user asks for it or rl makes it for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig

from recbench.errors import UserError
from recbench.schema.given import given_keys
from recbench.schema.kinds import RULES
from recbench.schema.training import AlgoConfig


def is_first_sft(config: DictConfig) -> bool:
    """Whether a training is SFT from scratch, on interactions that are not kept from it."""
    return _is_first(config.algo.name, config.input, config.algo.interactions)


def is_first_sft_in(values: Mapping[str, Any]) -> bool:
    """The same for the values of a run's config."""
    return _is_first(values["algo"]["name"], values["input"], values["algo"]["interactions"])


def _is_first(rule: str, source: str | None, interactions: str) -> bool:
    return rule in RULES and RULES[rule].pretrains and source is None and interactions != "reserved"


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
    return {**values, "sft": values["algo"]} if is_first_sft_in(values) else values
