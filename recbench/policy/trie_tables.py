"""The item trie's arrays on the device of the policy that reads them."""

import numpy as np
import torch
from torch import Tensor, nn

from recbench.item_tokens.trie import ItemTrie


class TrieTables(nn.Module):
    """The trie's arrays as buffers, so that they follow the model to its device; not part of the checkpoint."""

    child_offsets: Tensor
    child_counts: Tensor
    node_tokens: Tensor
    depths: Tensor
    ancestors: Tensor
    leaf_of_item: Tensor
    item_tokens: Tensor
    needs_forward: Tensor
    item_offsets: Tensor
    items: Tensor
    edge_keys: Tensor

    def __init__(self, trie: ItemTrie) -> None:
        super().__init__()
        of_nodes = (
            "child_offsets",
            "child_counts",
            "node_tokens",
            "depths",
            "ancestors",
            "needs_forward",
            "item_offsets",
        )
        for name in (*of_nodes, "leaf_of_item", "item_tokens", "items"):
            self.register_buffer(name, torch.from_numpy(np.asarray(getattr(trie, name))), persistent=False)
        keys = trie.parents[1:] * trie.vocabulary_size + trie.node_tokens[1:]
        self.register_buffer("edge_keys", torch.from_numpy(keys), persistent=False)
        self.vocabulary_size = trie.vocabulary_size
        self.level_starts: list[int] = trie.level_starts.tolist()

    def children_of(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """All children of nodes [M], one after the other, and which of the M each belongs to; int64 [edges] both."""
        counts = self.child_counts[nodes]
        of = torch.repeat_interleave(torch.arange(len(nodes), device=nodes.device), counts)
        within = torch.arange(len(of), device=nodes.device) - (counts.cumsum(0) - counts)[of]
        return self.child_offsets[nodes][of] + within + 1, of

    def child(self, nodes: Tensor, tokens: Tensor) -> Tensor:
        """The node behind a legal token, any shape: edges are sorted by (parent, token) and edge e leads to e + 1."""
        return torch.searchsorted(self.edge_keys, nodes * self.vocabulary_size + tokens) + 1
