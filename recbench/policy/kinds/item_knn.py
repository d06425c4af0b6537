"""Item neighbours: items that the same users interacted with as with those of the history."""

from recbench.policy.kinds.interface import PolicyKind


class ItemKnn(PolicyKind):
    """Votes of the history's items for their neighbours."""

    name, label = "item_knn", "item-knn"
    place = 5
    implementation = "recbench.policy.baselines.item_knn:ItemKnn"
    rule = "count"
