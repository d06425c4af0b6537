"""The item trie: every legal token sequence of a catalogue, in CSR arrays.

Nodes are numbered breadth first, and the children of a node are sorted by token, so that the edge with index e
leads to node e + 1: one array of offsets holds the whole tree.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recbench.errors import UserError

NODES_PER_FORWARD = 128  # trie nodes scored together: attention among them grows with the square
NO_CODE = -1  # pads the codes of items whose sequence is shorter than the longest


@dataclass(frozen=True)
class ItemTrie:
    """Legal token sequences of a catalogue of N items.

    Tokens are compact and belong to one depth: those after a node of depth d are
    `level_starts[d] .. level_starts[d + 1] - 1`. Token 0 begins a history and is never legal inside an item.

    Attributes:
        child_offsets: int64 [nodes + 1]; node v's edges are child_offsets[v] .. child_offsets[v + 1] - 1.
        node_tokens: int64 [nodes]; the token on the edge into a node, 0 for the root.
        parents: int64 [nodes]; -1 for the root.
        depths: int64 [nodes]; 0 for the root.
        leaf_of_item: int64 [N]; the leaf where an item's sequence ends.
        item_offsets: int64 [nodes + 1]; the items that end at node v are items[item_offsets[v]:item_offsets[v + 1]].
        items: int64 [N], ascending inside a leaf.
        level_starts: int64 [depth + 1]; first token of each level, and the size of the vocabulary at the end.
    """

    child_offsets: np.ndarray
    node_tokens: np.ndarray
    parents: np.ndarray
    depths: np.ndarray
    leaf_of_item: np.ndarray
    item_offsets: np.ndarray
    items: np.ndarray
    level_starts: np.ndarray

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return len(self.leaf_of_item)

    @property
    def node_count(self) -> int:
        """Number of nodes, root and leaves included."""
        return len(self.node_tokens)

    @property
    def depth(self) -> int:
        """Length of the longest legal sequence."""
        return len(self.level_starts) - 1

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, the beginning token 0 included."""
        return int(self.level_starts[-1])

    @cached_property
    def child_counts(self) -> np.ndarray:
        """Children of each node, int64 [nodes]; 0 at leaves."""
        return np.diff(self.child_offsets)

    @cached_property
    def needs_forward(self) -> np.ndarray:
        """Whether a node's hidden state can matter, bool [nodes]: some node at or below it has several children.

        A node with one child has log-probability 0 for it, so a subtree without a choice costs no computation.
        """
        needed = self.child_counts > 1
        # Breadth-first numbers put every child behind its parent: one backward pass per level suffices.
        for level in range(self.depth, 0, -1):
            below = np.flatnonzero((self.depths == level) & needed)
            needed[self.parents[below]] = True
        return needed

    @cached_property
    def ancestors(self) -> np.ndarray:
        """The node itself and those above it by depth, int64 [nodes, depth + 1]; -1 below it, column 0 the root."""
        table = np.full((self.node_count, self.depth + 1), -1, dtype=np.int64)
        table[:, 0] = 0
        for level in range(1, self.depth + 1):
            here = np.flatnonzero(self.depths == level)
            table[here] = table[self.parents[here]]
            table[here, level] = here
        return table

    @cached_property
    def item_tokens(self) -> np.ndarray:
        """Token sequence of each item, int64 [N, depth], padded with -1."""
        path = self.ancestors[self.leaf_of_item][:, 1:]
        return np.where(path >= 0, self.node_tokens[path], -1)

    @cached_property
    def subtree_chunks(self) -> list[np.ndarray]:
        """The nodes whose hidden states full scoring needs, the root left out, in chunks of whole first-level subtrees.

        Each chunk holds about NODES_PER_FORWARD nodes (more only where one subtree is larger), in breadth-first order.
        """
        needed = np.flatnonzero(self.needs_forward & (self.depths > 0))
        tops = self.ancestors[needed, 1]
        order = np.argsort(tops, kind="stable")
        needed, sizes = needed[order], np.unique(tops, return_counts=True)[1]
        chunks: list[np.ndarray] = []
        start = end = 0
        for size in sizes:
            if end > start and end + size - start > NODES_PER_FORWARD:
                chunks.append(np.sort(needed[start:end]))
                start = end
            end += size
        return [*chunks, np.sort(needed[start:])] if len(needed) else []

    @property
    def sequence_count(self) -> int:
        """Number of distinct token sequences: of items, less those that share another's."""
        return int(np.count_nonzero(np.diff(self.item_offsets)))

    @property
    def shared_items(self) -> int:
        """Items that share their whole sequence with another item, and so are tied by construction."""
        per_leaf = np.diff(self.item_offsets)
        return int(per_leaf[per_leaf > 1].sum())


def build_trie(codes: np.ndarray) -> ItemTrie:
    """Build the trie of a catalogue from one row of codes an item.

    Sequences of different lengths each get a terminator, a token of its own at its depth, so that none is the
    beginning of another and the probabilities of all distinct sequences sum to one.

    Args:
        codes: int [N, L]; code of each level, at least 0, padded at the end with -1. Codes of different levels are
            unrelated, and need not be dense.

    Raises:
        UserError: the catalogue is empty, a sequence is empty, or a code follows padding.
    """
    codes = np.asarray(codes, dtype=np.int64)
    if codes.ndim != 2 or len(codes) == 0:
        raise UserError("item tokens: the catalogue has no items; expected at least one item with a token sequence")
    present = codes != NO_CODE
    lengths = present.sum(axis=1)
    broken = np.flatnonzero((lengths == 0) | (present != (np.arange(codes.shape[1]) < lengths[:, None])).any(axis=1))
    if len(broken):
        raise UserError(
            f"item tokens: item row {broken[0]} has the codes {codes[broken[0]].tolist()}; expected at least one code "
            "and padding (-1) only at the end"
        )
    codes = codes[:, : lengths.max()]
    if lengths.min() < lengths.max():
        codes = np.pad(codes, ((0, 0), (0, 1)), constant_values=NO_CODE)
        codes[np.arange(len(codes)), lengths] = codes.max() + 1
        lengths = lengths + 1
    return _trie_of_prefix_free(codes, lengths)


def _trie_of_prefix_free(codes: np.ndarray, lengths: np.ndarray) -> ItemTrie:
    """The trie of sequences none of which begins another; codes [N, L], lengths [N]."""
    count, longest = codes.shape
    node_of_item = np.zeros(count, dtype=np.int64)  # the node reached so far
    tokens, parents, depths = [np.zeros(1, np.int64)], [np.full(1, -1)], [np.zeros(1, np.int64)]
    level_starts, nodes = [1], 1
    for level in range(longest):
        alive = np.flatnonzero(lengths > level)
        used, dense = np.unique(codes[alive, level], return_inverse=True)
        token = level_starts[-1] + dense
        edges, edge_of_item = np.unique(np.stack([node_of_item[alive], token]), axis=1, return_inverse=True)
        parents.append(edges[0])
        tokens.append(edges[1])
        depths.append(np.full(edges.shape[1], level + 1))
        node_of_item[alive] = nodes + edge_of_item.reshape(-1)
        nodes += edges.shape[1]
        level_starts.append(level_starts[-1] + len(used))
    all_parents = np.concatenate(parents)
    children = np.bincount(all_parents[1:], minlength=nodes)
    return ItemTrie(
        child_offsets=np.concatenate([[0], np.cumsum(children)]),
        node_tokens=np.concatenate(tokens),
        parents=all_parents,
        depths=np.concatenate(depths),
        leaf_of_item=node_of_item,
        item_offsets=np.concatenate([[0], np.cumsum(np.bincount(node_of_item, minlength=nodes))]),
        items=np.argsort(node_of_item, kind="stable"),
        level_starts=np.array(level_starts, dtype=np.int64),
    )
