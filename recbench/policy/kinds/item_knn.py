"""Item neighbours: items that the same users interacted with as with those of the history."""

from dataclasses import dataclass

from recbench.option import option
from recbench.policy.kinds.interface import PolicyKind


@dataclass
class NeighbourSettings:
    """Which neighbours vote, and how much."""

    neighbours: int = option(100, "neighbours of each history item that get its vote (k)", least=1)
    shrinkage: float = option(10.0, "added to the cosine's denominator", least=0)
    recency: float = option(0.8, "weight of a vote relative to that of the next item", least=0, most=1)


class ItemKnn(PolicyKind):
    """Votes of the history's items for their neighbours."""

    name, label = "item_knn", "item-knn"
    place = 5
    implementation = "recbench.policy.baselines.item_knn:ItemKnn"
    Settings = NeighbourSettings
    rule = "count"
