"""A policy from outside the package, `policy=MODULE.CLASS`, as the others see it."""

from typing import Any

from recbench.policy.kinds.interface import PolicyKind, check_heads


class PolicyFromOutside(PolicyKind):
    """The class that a node of settings names: one that is counted, or one below `SasRec`, which any rule trains."""

    def __init__(self, policy: Any) -> None:
        self.rule = "count" if policy.get("trained_by") == "count" else None
        self.starts_from = ("random",) if self.rule else ("random", "text", "cooccurrence")  # type: ignore[misc]

    def called(self, policy: Any) -> str:
        """As its class says."""
        return str(policy.get("label") or policy.kind)

    def check(self, policy: Any) -> None:
        """Below `SasRec` the width is split over heads."""
        if self.rule is None:
            check_heads(policy)
