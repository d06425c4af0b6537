"""Configs of runs that are older than some of the keys."""

from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from recbench.schema.stages import STAGE_SCHEMAS


def with_defaults(stage: str, config: DictConfig) -> dict[str, Any]:
    """The values of a config of `stage`; keys that it lacks, at any depth, have the schema's defaults of today.

    So a run made before a key existed still compares equal to what would be made today, as long as nobody asks for
    another value of that key. Keys that the schema no longer has are kept.
    """
    given = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    return _filled(_defaults(stage), given)


@cache
def _defaults(stage: str) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(STAGE_SCHEMAS[stage])))


def _filled(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **given}
    for key, default in defaults.items():
        if isinstance(default, dict) and isinstance(given.get(key), dict):
            filled[key] = _filled(default, given[key])
    return filled
