"""Kinds of what a config chooses (rules, negatives, policies, ...) as its classes need them: names, settings, checks.

Their modules are in packages above this one: they are named as text here, as stages are in `recbench.stage_table`. They
import no torch, and nothing that imports this package, before they are asked for more.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from recbench.dotted import named
from recbench.kinds import Kind


class RuleTraits(Protocol):
    """What this package asks of a training rule; `recbench.rl.rules.interface.Rule` has it."""

    reads: frozenset[str]
    grouped: bool
    pretrains: bool
    in_laboratory: bool
    takes_steps: bool

    def check(self, algo: Any, source: Any) -> None:
        """Raise UserError for settings, or a source of negatives, that contradict the rule."""


class PolicyTraits(Protocol):
    """What it asks of a policy; `recbench.policy.kinds.interface.PolicyKind` has it."""

    rule: str | None
    reads_tokens: bool
    starts_from: tuple[str, ...]

    def check(self, policy: Any) -> None:
        """Raise UserError for settings that do not go together."""


class ItemTokenTraits(Protocol):
    """What it asks of item tokens; `recbench.item_tokens.kinds.interface.ItemTokenKind` has it."""

    whole_items: bool
    has_source: bool

    def check(self, config: Any) -> None:
        """Raise UserError for settings that lack something."""


RULES: Mapping[str, RuleTraits] = named("recbench.rl.rules:RULES")
RULE_KINDS: Mapping[str, Kind] = named("recbench.rl.rules:RULES")
SOURCE_KINDS: Mapping[str, Kind] = named("recbench.rl.sources:SOURCES")
CAPTIONER_KINDS: Mapping[str, Kind] = named("recbench.captioning.kinds:CAPTIONERS")
FEATURE_KINDS: Mapping[str, Kind] = named("recbench.features.kinds:FEATURES")
ITEM_TOKENS: Mapping[str, ItemTokenTraits] = named("recbench.item_tokens.kinds:ITEM_TOKENS")
ITEM_TOKEN_KINDS: Mapping[str, Kind] = named("recbench.item_tokens.kinds:ITEM_TOKENS")
POLICIES: Mapping[str, PolicyTraits] = named("recbench.policy.kinds:POLICIES")
POLICY_KINDS: Mapping[str, Kind] = named("recbench.policy.kinds:POLICIES")
rule_of: Callable[[Any], RuleTraits] = named("recbench.rl.rules:rule_of")
source_of: Callable[[Any], Kind] = named("recbench.rl.sources:source_of")
captioner_of: Callable[[Any], Kind] = named("recbench.captioning.kinds:captioner_of")
policy_kind: Callable[[Any], PolicyTraits] = named("recbench.policy.kinds:policy_kind")
