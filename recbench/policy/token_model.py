"""A causal language model over item tokens: histories and trie nodes to hidden states and token probabilities.

A history is the beginning token followed by each item's token sequence. log pi(i | x) is the sum of the item's token
log-probabilities, each normalised over the legal continuations in the trie, so that the probabilities of all distinct
sequences sum to one (docs/methods.md, section 2).
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache

from recbench.item_tokens.trie import ItemTrie
from recbench.policy.base import Policy
from recbench.policy.trie_tables import TrieTables
from recbench.precision import exact_product
from recbench.schema import PolicyConfig


@dataclass(frozen=True)
class Encoded:
    """A batch of histories after one forward pass: what every continuation shares."""

    layers: list[tuple[Tensor, Tensor]]  # keys and values of each layer, [B, heads, S, d]
    last_hidden: Tensor  # [B, width] at the end of the history, which predicts the next item's first token
    lengths: Tensor  # [B] tokens of each history, the beginning token included
    visible: Tensor  # bool [B, S]; false on padding


class TokenModel(Policy):
    """A transformer of any kind that reads item tokens; `TriePolicy` scores and searches by it.

    `backbone` is a causal decoder as transformers has them: it takes embeddings, a mask that says which position sees
    which, positions and a key-value cache.
    """

    backbone: nn.Module

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        self.embedding_dropout = settings.embedding_dropout
        self.output_dropout = settings.output_dropout
        self.tables = TrieTables(trie)

    @property
    @abstractmethod
    def embeddings(self) -> Tensor:
        """Input embeddings of the trie's tokens [vocabulary, width]."""

    @property
    def output_embeddings(self) -> Tensor:
        """Output rows of the trie's tokens [vocabulary, width]: the input embeddings, unless the head is not tied."""
        return self.embeddings

    @property
    def searches(self) -> bool:
        """Whether a beam search scores fewer items than there are; with one token an item it scores them all."""
        return self.trie.depth > 1

    @property
    def shares_sequences(self) -> bool:
        """Whether one pass over a sequence has the state before each of its items; so with one token an item."""
        return not self.searches

    @property
    def token_vectors(self) -> Tensor:
        """Output rows [V, width] of the tokens that can begin an item."""
        first, end = self.tables.level_starts[:2]
        return self.output_embeddings[first:end]

    @property
    def token_columns(self) -> Tensor:
        """Which row of `token_vectors` each item begins with: int64 [N]."""
        return self.tables.item_tokens[:, 0] - self.tables.level_starts[0]

    def states(self, items: Tensor) -> Tensor:
        """States [S, T, width] before each of items int64 [S, T], right-padded with -1; items of one token each."""
        return self.hidden(self.tokens_of(items)[0][:, :-1])

    def tokens_of(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Token sequences of item sequences: tokens int64 [B, S] and lengths int64 [B].

        The beginning token comes first; padding (0) is on the right. `histories` is int64 [B, T], catalogue rows,
        padded with -1 anywhere; callers keep to the last `history` items.
        """
        table = self.tables.item_tokens
        tokens = torch.where(histories[..., None] >= 0, table[histories.clamp(min=0)], -1).flatten(1)
        present = tokens >= 0
        order = torch.argsort((~present).to(torch.int8), dim=1, stable=True)
        lengths = present.sum(1)
        longest = int(lengths.max()) if len(lengths) else 0
        tokens = tokens.gather(1, order)[:, :longest].clamp(min=0)
        return functional.pad(tokens, (1, 0)), lengths + 1

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, S, width] of tokens [B, S], as the backbone takes them."""
        return functional.embedding(tokens, self.embeddings)

    def hidden(
        self,
        tokens: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: DynamicCache | None = None,
    ) -> Tensor:
        """Last hidden states [B, S, width] of tokens [B, S]; causal unless `mask` (bool [B, S, keys]) says otherwise.

        Right padding needs no mask: nothing before it sees it.
        """
        embedded = functional.dropout(self.embed(tokens), self.embedding_dropout, self.training)
        output = self.backbone(
            inputs_embeds=embedded,
            attention_mask=None if mask is None else mask[:, None],
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return functional.dropout(output.last_hidden_state, self.output_dropout, self.training)

    def token_log_probs(self, hidden: Tensor, nodes: Tensor) -> tuple[Tensor, int]:
        """Log-probabilities of the legal continuations of nodes of one depth.

        Returns [M, tokens of that level] with -inf where illegal, and the level's first token. hidden [M, width], nodes
        int64 [M], all of one depth and none a leaf.
        """
        depth = int(self.tables.depths[nodes[0]]) if len(nodes) else 0
        first, end = self.tables.level_starts[depth : depth + 2]
        logits = exact_product(hidden, self.output_embeddings[first:end].T).float()
        if depth > 0:  # the root allows its whole level
            children, rows = self.tables.children_of(nodes)
            legal = torch.zeros_like(logits, dtype=torch.bool)
            legal[rows, self.tables.node_tokens[children] - first] = True
            logits = logits.masked_fill(~legal, float("-inf"))
        return functional.log_softmax(logits, dim=-1), first

    def node_log_probs(self, hidden: Tensor, nodes: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """log pi of the last token into each node given its parent's hidden state: [M].

        hidden float [M, width] are the parents' states, nodes int64 [M] their children. 0 where the parent has one
        child. With label smoothing, that share of each value is the mean over the legal tokens instead.
        Differentiable.
        """
        tables = self.tables
        parents = tables.ancestors[nodes].gather(1, (tables.depths[nodes] - 1)[:, None])[:, 0]
        result = torch.zeros(len(nodes), device=hidden.device, dtype=torch.float32)
        for depth in range(self.trie.depth):
            rows = torch.nonzero((tables.depths[parents] == depth) & (tables.child_counts[parents] > 1))[:, 0]
            if len(rows):
                log_probs, first = self.token_log_probs(hidden[rows], parents[rows])
                chosen = log_probs.gather(1, (tables.node_tokens[nodes[rows]] - first)[:, None])[:, 0]
                if label_smoothing:
                    legal = torch.isfinite(log_probs)
                    mean = torch.where(legal, log_probs, 0.0).sum(1) / legal.sum(1)
                    chosen = torch.lerp(chosen, mean, label_smoothing)
                result = result.index_put((rows,), chosen)
        return result

    def last_hidden(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The hidden state [B, width] behind each token sequence [B, S] of lengths [B], with gradients.

        On a CPU only sequences of like length share a forward: where most are short, that saves most of the work. On an
        accelerator padding is cheaper than launching the same kernels again.
        """
        if tokens.device.type == "cpu":
            classes = torch.log2(lengths.clamp(min=8).double()).ceil()  # at most half of a longer part is padding
            parts = [torch.nonzero(classes == one)[:, 0] for one in classes.unique()]
        else:
            parts = [torch.arange(len(tokens), device=tokens.device)]
        states = [
            self.hidden(tokens[rows, : int(lengths[rows].max())])[
                torch.arange(len(rows), device=tokens.device), lengths[rows] - 1
            ]
            for rows in parts
        ]
        return torch.cat(states)[torch.argsort(torch.cat(parts))]

    def encode(self, histories: Tensor) -> Encoded:
        """Run the histories [B, T] once and keep what every continuation shares."""
        tokens, lengths = self.tokens_of(histories)
        if not self.searches:  # one token an item: nothing continues a history
            return Encoded([], self.last_hidden(tokens, lengths), lengths, torch.ones_like(tokens, dtype=torch.bool))
        cache = DynamicCache()
        hidden = self.hidden(tokens, cache=cache)
        return Encoded(
            layers=[(layer.keys, layer.values) for layer in cache.layers],
            last_hidden=hidden[torch.arange(len(tokens), device=tokens.device), lengths - 1],
            lengths=lengths,
            visible=torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None],
        )

    def cache_of(self, encoded: Encoded) -> DynamicCache:
        """A key-value cache that starts at the end of the histories; filling it leaves `encoded` as it is."""
        cache = DynamicCache()
        for index, (keys, values) in enumerate(encoded.layers):
            cache.update(keys, values, index)
        return cache

    def sees(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Tree attention mask among trie nodes: bool [B, Q, K], whether key node is the query node or one above it.

        queries int64 [B, Q], keys int64 [B, K]; key -1 is padding and is seen by nobody.
        """
        ancestors = self.tables.ancestors[queries.clamp(min=0)]
        mask = torch.zeros(*queries.shape, keys.shape[1], dtype=torch.bool, device=queries.device)
        for depth in range(1, self.trie.depth):
            mask |= ancestors[:, :, depth, None] == torch.where(keys >= 0, keys, -2)[:, None, :]
        return mask

    def node_positions(self, lengths: Tensor, nodes: Tensor) -> Tensor:
        """Positions int64 [B, Q] of trie nodes [B, Q] (-1 is padding) behind histories of lengths [B] tokens."""
        return lengths[:, None] + (self.tables.depths[nodes.clamp(min=0)] - 1).clamp(min=0)

    def forward_nodes(self, encoded: Encoded, cache: DynamicCache, nodes: Tensor, earlier: Tensor) -> Tensor:
        """Hidden states [B, Q, width] of trie nodes as extra query positions behind the shared histories.

        nodes int64 [B, Q] (-1 is padding); earlier int64 [B, A] are the nodes already in `cache`, in order.
        """
        everything = torch.cat([earlier, nodes], dim=1)
        tree = self.sees(nodes, everything)
        # Padding queries would see nothing and turn into NaN: let them see the history, their output is unused.
        mask = torch.cat([encoded.visible[:, None].expand(-1, nodes.shape[1], -1), tree], dim=2)
        positions = self.node_positions(encoded.lengths, nodes)
        return self.hidden(self.tables.node_tokens[nodes.clamp(min=0)], mask=mask, positions=positions, cache=cache)
