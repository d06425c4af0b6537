"""Bayesian personalised ranking, for matrix factorisation (arXiv 1205.2618). Its training is the stage's."""

from typing import Any

from recbench.rl.rules.interface import Rule


class Bpr(Rule):
    """An item of a user against one that is not: `policy/bpr_mf.py` has the loss."""

    name = label = "bpr"
    place = 9
    grouped = False
    listwise = True
    in_laboratory = False
    starts_anew = True
    counts_epochs = True

    def candidates(self, algo: Any) -> int | str | None:
        """The item and the other."""
        return 2
