"""SASRec: causal self-attention over the items of a history, one embedding an item."""

from typing import Any

from recbench.policy.kinds.interface import PolicyKind, check_heads


class Sasrec(PolicyKind):
    """A transformer of items that sft and every rl rule train."""

    name = "sasrec"
    place = 2
    implementation = "recbench.policy.baselines.sasrec:SasRec"
    starts_from = ("random", "text", "cooccurrence")

    def check(self, policy: Any) -> None:
        """The width is split over heads."""
        check_heads(policy)
