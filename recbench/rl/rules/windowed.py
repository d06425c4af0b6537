"""What the rules that aim at a window have in common: which settings say the window, and how it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbench.errors import UserError
from recbench.metrics.fpr_window import window_text
from recbench.rl.rules.interface import Rule, aims_given

if TYPE_CHECKING:
    from recbench.rl.sources.interface import Source
    from recbench.schema import AlgoConfig


class WindowedRule(Rule):
    """A rule that weighs the negatives of a group, and contexts, by a window of ranks: (8) and (9)."""

    windowed = True
    reads = frozenset({"advantage", "scale", "window"})
    takes_anchor = False

    def positives(self, algo: AlgoConfig, source: Source) -> str:
        """Contexts count by the rank of their positive; with the authors' weights only if negatives are ranks, too."""
        return "window" if algo.anchor is None or source.of_window else source.positives

    def check(self, algo: Any, source: Source) -> None:
        """Exactly one aim."""
        given = aims_given(algo)
        if len(given) != 1:
            problem = " and ".join(given) + " are given" if given else "none is given"
            anchor = ", --anchor K" if self.takes_anchor else ""
            raise UserError(
                f"algo={self.name} needs one of --window a,b, --top-k K{anchor} and --weights ndcg@K: {problem}"
            )
        if algo.anchor is not None and not self.takes_anchor:
            raise UserError(f"algo.anchor is for tawin, and algo is {self.name}: add --algo=tawin or leave it out")

    def aim_in_words(self, algo: Any) -> str:
        """The aim, as in ` at Top-10`; older configs lack some of the keys."""
        if getattr(algo, "anchor", None) is not None:
            return f" at anchor {algo.anchor}"
        if getattr(algo, "top_k", None) is not None:
            return f" at Top-{algo.top_k}"
        window = getattr(algo, "window", None)
        return f" by {algo.weights}" if window is None else f" at {window_text(window)}"

    def arm(self, algo: Any, negatives: str, first: bool) -> str:
        """The rule and its aim: ranks, as in 5-15, the ends of an FPR window, or a metric."""
        if algo.top_k is not None:
            aim = f"{algo.top_k // 2}-{-(-3 * algo.top_k // 2)}"
        else:
            aim = algo.weights if algo.window is None else window_text(algo.window)
        return f"{self.label} {aim}" if negatives == self.usual_negatives else f"{self.label} {aim} {negatives}"
