"""Configuration of the data, and of what stages share."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from recbench.option import option


@dataclass
class DataConfig:
    """Where interactions come from and how they are split."""

    name: str = option(MISSING, "name of the data set; names its folder under runs/")
    source: str = option(
        MISSING,
        "format of the data",
        one_of=("bazaar", "sequences", "minionerec", "table", "movielens", "amazon_reviews", "hm", "open_bandit"),
    )
    path: str | None = option(None, "folder or file of the data (none for bazaar)", of="source!=bazaar")
    images: str | None = option(
        None, "folder that the pictures' paths start from; none: data.path, or the folder of the file it names"
    )
    images_outside: bool = option(
        False,
        "read pictures outside that folder, too (absolute paths, .., symbolic links); without, data of others decide "
        "which files of this machine are read and sent to an endpoint",
    )
    split: str = option(
        "leave_one_out",
        "how interactions are split; given: as the files say, of source minionerec",
        one_of=("leave_one_out", "global_time", "given"),
    )
    min_user_interactions: int = option(3, "users with fewer interactions are dropped", least=1)
    min_item_interactions: int = option(1, "items with fewer interactions are dropped", least=1)
    fields: list[str] = option([], "catalogue columns that click models read as categories")
    user_fields: list[str] = option([], "fields of users that click models read as categories")
    attributes: list[str] = option([], "catalogue columns that a caption should name")
    family: str | None = option(None, "catalogue column whose equal values are variants of one product, kept together")
    options: dict[str, Any] = option({}, "settings of the source: bazaar's size and seed, table's columns ...")


@dataclass
class BaseStageConfig:
    """What every stage has."""

    seed: int = option(0, "seed of everything random; 0 is a seed like any other", least=0)
    runs: str = option("runs", "folder that runs are written to")
    threads: int = option(0, "CPU threads; 0 is torch's own choice", least=0)


@dataclass
class StageConfig(BaseStageConfig):
    """What every stage on a data set has."""

    input: str | None = option(
        None, "run to start from: a path, a unique prefix of its id, or latest; none: found or made"
    )
    upstream: bool = option(True, "make missing inputs; false fails instead (--no-upstream)")
    force: bool = option(False, "make inputs anew (--force)")
    data: DataConfig = field(default_factory=DataConfig)


@dataclass
class DataStageConfig(StageConfig):
    """recbench data"""
