"""What a training rule says of itself, and its loss: all that the rest of the package asks about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recbench.errors import UserError
from recbench.kinds import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.rl.sources.interface import Source
    from recbench.schema import AlgoConfig

AIMS = ("window", "top_k", "anchor")  # keys of which one says what a windowed rule aims at, if `weights` does not


def aims_given(algo: Any) -> list[str]:
    """The keys of a node of settings that name an aim: those of `AIMS` that have a value, and `weights` of a metric."""
    return [name for name in AIMS if getattr(algo, name) is not None] + ["weights"] * (algo.weights != "window")


class Rule(Kind):
    """A training rule. What is written here holds for one that says nothing else; so it does for one from outside.

    `algo` is the node of settings everywhere, as a dataclass or as its composed config.
    """

    label: str = ""  # in tables of arms
    usual_negatives: ClassVar[str] = ""  # that tables leave out, because they go without saying

    grouped: ClassVar[bool] = True  # trains on groups of a positive and negatives; else the stage has a plan for it
    windowed: ClassVar[bool] = False  # weighs negatives by their ranks in a window, and contexts, too
    listwise: ClassVar[bool] = False  # optimises no FPR window, whatever its negatives are
    trains_negatives: ClassVar[bool] = True  # negatives get gradients; else they only say how a context ranks
    in_laboratory: ClassVar[bool] = True  # can be trained in a market whose truth is known
    pretrains: ClassVar[bool] = False  # makes the policy that the rules with groups start from
    starts_anew: ClassVar[bool] = False  # never goes on from another policy
    takes_steps: ClassVar[bool] = True  # has an optimiser; else it is done at once
    counts_epochs: ClassVar[bool] = False  # always, where others count steps

    @property
    def needs_reference(self) -> bool:
        """Whether its loss reads the scores of the frozen SFT policy."""
        return False

    # ---- what goes with it

    def positives(self, algo: AlgoConfig, source: Source) -> str:
        """What `algo.positives=auto` means with a source of negatives."""
        return source.positives

    def check(self, algo: Any, source: Source) -> None:
        """Raise UserError for settings or negatives that contradict the rule; before anything is read or made."""
        given, name = aims_given(algo), algo.name
        given = ["anchor"] * ("anchor" in given) + given
        if given:
            raise UserError(f"algo.{given[0]} is for tawin, and algo is {name}: add --algo=tawin or leave it out")
        if source.of_window:
            raise UserError(f"negatives=window is for tawin, and algo is {name}: use --neg=random, beam, mixed or dns")
        if algo.positives == "window":
            raise UserError(f"algo.positives=window is for tawin, and algo is {name}: use injected, on_policy or auto")

    def check_places(self, source: Source) -> None:
        """Raise UserError where the rule cannot work with what a source of negatives gives."""

    # ---- what it is called

    def arm(self, algo: Any, negatives: str, first: bool) -> str:
        """Its name among arms, with negatives of this label; `first`: it starts from nothing."""
        return self.label if negatives == self.usual_negatives else f"{self.label} {negatives}"

    def aim_in_words(self, algo: Any) -> str:
        """What the settings aim at, to stand behind the rule's name; empty where its name says it."""
        return ""

    def candidates(self, algo: Any) -> int | str | None:
        """Candidates that get a gradient in each context; None where there are none."""
        return int(algo.group_size)

    # ---- what it does

    def advantages(
        self, scores: Tensor, reference: Tensor | None, valid: Tensor, context_weights: Tensor, settings: AlgoConfig
    ) -> Tensor:
        """Minus the gradient of a context's loss by its scores [B, G], as `recbench.rl.interface.Rule` has it."""
        raise NotImplementedError(f"{self.name} has no loss on groups")

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """The same for a rule that asks for more: ranks, window weights, the catalogue's size. float64 [B, G]."""
        return self.advantages(scores, reference, groups.valid, groups.context_weights, algo)
