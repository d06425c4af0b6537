"""Every kind of policy, by the name that `policy.kind` gives it."""

from typing import TYPE_CHECKING, Any, cast

from recbench.dotted import named
from recbench.extensions import implementation
from recbench.item_tokens.trie import ItemTrie
from recbench.policy.base import Policy
from recbench.schema import PolicyConfig

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData

# Where the class of each kind is; one is imported when it is asked for.
BUILT_IN = {
    "llama_small": "recbench.policy.llama_small:LlamaPolicy",
    "pretrained": "recbench.policy.pretrained.policy:PretrainedPolicy",
    "sasrec": "recbench.policy.baselines.sasrec:SasRec",
    "bpr_mf": "recbench.policy.baselines.bpr_mf:BprMf",
    "popularity": "recbench.policy.baselines.popularity:Popularity",
    "item_knn": "recbench.policy.baselines.item_knn:ItemKnn",
}


def policy_class(settings: PolicyConfig) -> type[Policy]:
    """The class that `settings.kind` names: a built-in one, or one from outside."""
    if settings.kind not in BUILT_IN:
        return cast(type[Policy], implementation("policy", settings))
    return cast(type[Policy], named(BUILT_IN[settings.kind]))


def new_policy(trie: ItemTrie, settings: PolicyConfig, data: "RecommendationData") -> Policy:
    """An untrained policy of `settings.kind` over the catalogue of `trie`; weights by torch's own random state."""
    return policy_class(settings).new(trie, settings, data)


def empty_policy(trie: ItemTrie, settings: PolicyConfig, description: dict[str, Any]) -> Policy:
    """A policy of `settings.kind` that a checkpoint of this description can be read into."""
    return policy_class(settings).empty(trie, settings, description)
