"""Supervised fine-tuning: cross-entropy of the next item. Its training is the stage's (`stages/rules.py`)."""

from typing import Any

from recbench.rl.rules.interface import Rule


class Sft(Rule):
    """SFT from scratch, and more SFT of a policy that is there."""

    name = label = "sft"
    place = 0
    grouped = False
    listwise = True
    pretrains = True
    trains_negatives = False

    def arm(self, algo: Any, negatives: str, first: bool) -> str:
        """sft is the first one; more sft the control of the rules with groups."""
        return "sft" if first else "more sft"

    def candidates(self, algo: Any) -> int | str | None:
        """The whole catalogue."""
        return "all"
