"""The schema of every stage."""

from functools import cache

from hydra.core.config_store import ConfigStore

from recbench.stage_table import ROWS

STAGE_SCHEMAS = {row.name: row.schema() for row in ROWS if row.config}


@cache  # what is there stays there
def register() -> None:
    """Put the schema of every stage where `conf/<stage>.yaml` finds it: as `<stage>_schema`."""
    for stage, schema in STAGE_SCHEMAS.items():
        ConfigStore.instance().store(name=f"{stage}_schema", node=schema)
