"""What a policy says of itself before it is made: what makes it, which settings go with it, what it is called."""

from typing import Any, ClassVar

from recbench.errors import UserError
from recbench.kinds import Kind


class PolicyKind(Kind):
    """A policy. What is written here holds for one that says nothing else.

    `policy` is the node of settings everywhere, as a dataclass or as its composed config.
    """

    implementation: ClassVar[str] = ""  # MODULE:NAME of its class, below `recbench.policy.base.Policy`
    label: str = ""  # in tables of arms, where that is not what it is called elsewhere
    unnamed: ClassVar[bool] = False  # the usual one: its arms are called by their rules alone
    rule: str | None = None  # the one that makes it; none: sft, and every rl rule
    reads_tokens: ClassVar[bool] = False  # of items; others know items as a whole
    starts_from: ClassVar[tuple[str, ...]] = ("random",)  # its choices of `policy.initial_embeddings`

    def check(self, policy: Any) -> None:
        """Raise UserError for settings that do not go together; before anything is read or made."""

    def called(self, policy: Any) -> str:
        """What it is called in sentences."""
        return self.name

    def arm(self, policy: Any, rule: str, first: bool) -> str:
        """Its name among arms that `rule` trains, a label; `first`: from nothing, by sft."""
        label = self.label or self.called(policy)
        if self.rule is not None or (first and not self.unnamed):
            return label
        return rule if self.unnamed else f"{label} {rule}"


def check_heads(policy: Any, each: int = 1) -> None:
    """Raise UserError unless the width is a multiple of `each` times the heads."""
    unit = each * policy.heads
    if policy.width % unit:
        words = "the heads" if each == 1 else "twice the heads"
        raise UserError(f"policy.width={policy.width}: expected a multiple of {words} ({unit})")
