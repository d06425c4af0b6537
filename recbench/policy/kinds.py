"""Every kind of policy, by the name that `policy.kind` gives it."""

from collections.abc import Callable

from recbench.policy.item_knn import ItemKnn
from recbench.policy.model import LlamaPolicy
from recbench.policy.popularity import Popularity
from recbench.policy.sasrec import SasRec
from recbench.policy.trie import ItemTrie
from recbench.schema import PolicyConfig

CountedPolicy = Popularity | ItemKnn
SequencePolicy = LlamaPolicy | SasRec  # trained by sft and by any rl
Policy = SequencePolicy | CountedPolicy

KINDS: dict[str, Callable[[ItemTrie, PolicyConfig], Policy]] = {
    "llama_small": LlamaPolicy,
    "sasrec": SasRec,
    "popularity": Popularity,
    "item_knn": ItemKnn,
}


def new_policy(trie: ItemTrie, settings: PolicyConfig) -> Policy:
    """An untrained policy of `settings.kind` over the catalogue of `trie`; weights by torch's own random state."""
    return KINDS[settings.kind](trie, settings)
