"""Every kind of policy, by the name that `policy.kind` gives it."""

from collections.abc import Callable

from recbench.extensions import implementation
from recbench.policy.bpr_mf import BprMf
from recbench.policy.item_knn import ItemKnn
from recbench.policy.model import LlamaPolicy
from recbench.policy.popularity import Popularity
from recbench.policy.sasrec import SasRec
from recbench.policy.trie import ItemTrie
from recbench.schema import PolicyConfig

CountedPolicy = Popularity | ItemKnn
SequencePolicy = LlamaPolicy | SasRec  # trained by sft and by any rl
Policy = SequencePolicy | CountedPolicy | BprMf

OF_HISTORIES: dict[str, Callable[[ItemTrie, PolicyConfig], Policy]] = {
    "llama_small": LlamaPolicy,
    "sasrec": SasRec,
    "popularity": Popularity,
    "item_knn": ItemKnn,
}


def new_policy(trie: ItemTrie, settings: PolicyConfig, users: int) -> Policy:
    """An untrained policy of `settings.kind` over the catalogue of `trie`; weights by torch's own random state.

    users: how many there are, for a policy that has a row for each (bpr_mf).
    """
    if settings.kind == "bpr_mf":
        return BprMf(trie, settings, users)
    made: Policy = (OF_HISTORIES.get(settings.kind) or implementation("policy", settings))(trie, settings)
    return made
