"""The schema of every stage."""

from functools import cache

from hydra.core.config_store import ConfigStore

from recbench.schema.captions import CaptionStageConfig, CtrStageConfig, SimulateStageConfig, TokenizeStageConfig
from recbench.schema.laboratory import LaboratoryStageConfig
from recbench.schema.options import BaseStageConfig, DataStageConfig
from recbench.schema.recommender import EvalStageConfig, TrainStageConfig

STAGE_SCHEMAS: dict[str, type[BaseStageConfig]] = {
    "data": DataStageConfig,
    "caption": CaptionStageConfig,
    "tokenize": TokenizeStageConfig,
    "ctr": CtrStageConfig,
    "simulate": SimulateStageConfig,
    "train": TrainStageConfig,
    "eval": EvalStageConfig,
    "laboratory": LaboratoryStageConfig,
}


@cache  # what is there stays there
def register() -> None:
    """Put the schema of every stage where `conf/<stage>.yaml` finds it: as `<stage>_schema`."""
    for stage, schema in STAGE_SCHEMAS.items():
        ConfigStore.instance().store(name=f"{stage}_schema", node=schema)
