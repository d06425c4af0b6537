"""Policies of every kind, made new or empty: the one place that goes from a name to a class."""

from typing import TYPE_CHECKING, Any, cast

from recbench.dotted import named
from recbench.extensions import implementation
from recbench.item_tokens.trie import ItemTrie
from recbench.policy.base import Policy
from recbench.policy.kinds import POLICIES
from recbench.schema import PolicyConfig

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData


def policy_class(settings: PolicyConfig) -> type[Policy]:
    """The class that `settings.kind` names: a built-in one, or one from outside."""
    if settings.kind not in POLICIES:
        return cast(type[Policy], implementation("policy", settings))
    return cast(type[Policy], named(POLICIES[settings.kind].implementation))


def new_policy(trie: ItemTrie, settings: PolicyConfig, data: "RecommendationData") -> Policy:
    """An untrained policy of `settings.kind` over the catalogue of `trie`; weights by torch's own random state."""
    return policy_class(settings).new(trie, settings, data)


def empty_policy(trie: ItemTrie, settings: PolicyConfig, description: dict[str, Any]) -> Policy:
    """A policy of `settings.kind` that a checkpoint of this description can be read into."""
    return policy_class(settings).empty(trie, settings, description)
