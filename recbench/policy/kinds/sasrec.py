"""SASRec: causal self-attention over the items of a history, one embedding an item."""

from dataclasses import dataclass
from typing import Any

from recbench.option import option
from recbench.policy.kinds.interface import PolicyKind, check_heads


@dataclass
class SasrecSettings:
    """Its layers, and its loss."""

    block_dropout: float = option(
        0.0, "dropout on attention and on what each layer adds while training", least=0, most=0.99
    )
    residual: str = option(
        "hidden",
        "what a layer adds to: the hidden state, all of which it reads normalised (hidden), or the normalised state "
        "with keys and values of the state itself, as in the code of the paper's authors (normed)",
        one_of=("hidden", "normed"),
    )
    sampled_negatives: int = option(
        0,
        "items that stand for the catalogue in SFT's cross-entropy, drawn uniformly at each step for all its targets; "
        "0 is the whole catalogue",
        least=0,
    )


class Sasrec(PolicyKind):
    """A transformer of items that sft and every rl rule train."""

    name = "sasrec"
    place = 2
    implementation = "recbench.policy.baselines.sasrec:SasRec"
    Settings = SasrecSettings
    starts_from = ("random", "text", "cooccurrence")

    def check(self, policy: Any) -> None:
        """The width is split over heads."""
        check_heads(policy)
