"""The items that most interactions are of."""

from recbench.policy.kinds.interface import PolicyKind


class Popularity(PolicyKind):
    """The same list for everyone."""

    name = "popularity"
    place = 4
    implementation = "recbench.policy.baselines.popularity:Popularity"
    rule = "count"
