"""Configuration of the laboratory: `recbench laboratory`."""

from dataclasses import dataclass, field

from recbench.option import option
from recbench.schema.options import BaseStageConfig
from recbench.schema.training import AlgoConfig, NegativesConfig


@dataclass
class MarketConfig:
    """The market whose truth is known; it takes the place of a data set."""

    name: str = option("preferences", "names the runs' folder")
    catalogue_size: int = option(500, "items (N)", least=3)
    dimensions: int = option(12, "features of a user (D)", least=1)
    taste: float = option(2.0, "standard deviation over users of an item's log-weight, nats", least=0)
    appeal: float = option(1.0, "standard deviation over items of the log-weight that all users share, nats", least=0)
    seed: int | None = option(None, "seed of the market; none: every seed has a market of its own", least=0)


@dataclass
class LaboratoryStageConfig(BaseStageConfig):
    """recbench laboratory"""

    seeds: list[int] = option([0], "each has its own draws and SFT policy, from which all arms start (--seeds 0,1,2)")
    data: MarketConfig = field(default_factory=MarketConfig)
    rank: int = option(
        3, "rank of the policy's scores (R); fewer than data.dimensions cannot have every optimum", least=1
    )
    sft: AlgoConfig = field(default_factory=AlgoConfig)
    algo: AlgoConfig = field(default_factory=AlgoConfig)
    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    arms: dict[str, dict[str, list[str]]] = option(
        {}, "group -> arm -> overrides of algo and negatives, such as [algo.name=tawin, negatives.kind=window]"
    )
    groups: list[str] = option(["main"], "the groups of arms that run; sft itself is always there")
    only: list[str] = option([], "some arms of these groups, by name; none: all of them (--arms NAME,NAME)")
    test_users: int = option(200_000, "fresh users on which every arm and seed is measured", least=2)
    windows: list[list[float]] = option([[0.0, 0.01]], "FPR windows [a, b] measured beside the arms' aims (--window)")
    ks: list[int] = option([1, 5, 10, 50, 100], "Top-K cut-offs measured (--k 1,5,10)")
