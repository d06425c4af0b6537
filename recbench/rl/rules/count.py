"""Counting, for policies without weights: one pass over the interactions, and no step."""

from typing import Any

from recbench.rl.rules.interface import Rule


class Count(Rule):
    """What popularity and item neighbours are made by."""

    name = label = "count"
    place = 10
    grouped = False
    listwise = True
    in_laboratory = False
    starts_anew = True
    takes_steps = False

    def candidates(self, algo: Any) -> int | str | None:
        """None gets a gradient."""
        return None
