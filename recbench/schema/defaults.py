"""Configs of runs that are older than some of the keys."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError
from recbench.schema.first_sft import settled_values
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.stage_table import STAGES


def with_defaults(stage: str, config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config of `stage`; keys that it lacks, at any depth, have the schema's defaults of today.

    So a run made before a key existed still compares equal to what would be made today, as long as nobody asks for
    another value of that key. Keys that the schema no longer has are kept. `config` may be plain values, resolved.

    Raises:
        UserError: there is no such stage.
        ValueError: the config has a value where a node belongs.
    """
    if stage not in STAGE_SCHEMAS:
        raise UserError(f"there is no stage {stage!r}: expected one of {', '.join(STAGE_SCHEMAS)}")
    plain = OmegaConf.to_container(config, resolve=True) if isinstance(config, DictConfig) else config
    filled = _filled(_defaults(stage), cast(dict[str, Any], plain))
    return settled_values(filled) if STAGES[stage].has_rules else filled


@cache
def _defaults(stage: str) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(STAGE_SCHEMAS[stage])))


def _filled(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **given}
    for key, default in defaults.items():
        if isinstance(default, dict) and key in given:
            if not isinstance(given[key], dict):
                raise ValueError(f"has {key}={given[key]!r:.60}: expected keys and values")
            filled[key] = _filled(default, given[key])
    return filled
