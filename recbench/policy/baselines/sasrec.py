"""The SASRec baseline (arXiv 1808.09781): causal self-attention over the items of a history, one embedding an item.

As in the paper: learned positions, layer normalisation before each sub-layer, dropout on what each adds, a point-wise
feed-forward layer with ReLU, and item embeddings that are input and output. Three things differ. The loss is the
cross-entropy over the whole catalogue, where the paper takes one sampled negative an item, and so scores are
log-probabilities. Token 0 begins each history, as in the other trained policies, so that first items are learned, too.
And positions count from the oldest item that is read, where the paper pads on the left and so counts from the latest.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbench.item_tokens.trie import ItemTrie
from recbench.kinds import own
from recbench.policy.baselines.atomic import AtomicPolicy
from recbench.policy.interface import SEQUENCES
from recbench.policy.kinds.sasrec import SasrecSettings
from recbench.policy.scoring import inner_products
from recbench.precision import exact_product
from recbench.schema import PolicyConfig

INITIAL_DEVIATION = 0.02  # of embeddings and of linear weights


class Block(nn.Module):
    """One layer: x + attention(norm(x)), then x + feed-forward(norm(x)) (arXiv 1808.09781, section 3.3).

    With residual=normed as in the code of the paper's authors (github.com/kang205/SASRec): norm(x) + attention with
    queries of norm(x), keys and values of x, then norm(x) + feed-forward(norm(x)).
    """

    def __init__(self, settings: PolicyConfig) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        layers = own(SasrecSettings, settings)
        self.dropout = layers.block_dropout
        self.adds_to_normed = layers.residual == "normed"
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, settings.feed_forward), nn.ReLU(), nn.Linear(settings.feed_forward, width)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, S, width] to the same; position s sees positions up to s."""
        normed = self.attention_norm(hidden)
        split = self._queries_keys_values(normed, hidden).unflatten(2, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # [B, heads, S, width / heads] each
        rate = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=rate, is_causal=True)
        attended = self.attended(attended.transpose(1, 2).flatten(2))
        hidden = (normed if self.adds_to_normed else hidden) + functional.dropout(attended, self.dropout, self.training)
        normed = self.feed_forward_norm(hidden)
        added = self.feed_forward(normed)
        return (normed if self.adds_to_normed else hidden) + functional.dropout(added, self.dropout, self.training)

    def _queries_keys_values(self, normed: Tensor, hidden: Tensor) -> Tensor:
        """[B, S, 3 width]; queries from the normalised states, keys and values from what the residual does not hold."""
        if not self.adds_to_normed:
            return self.queries_keys_values(normed)
        width = normed.shape[-1]
        weight, bias = self.queries_keys_values.weight, self.queries_keys_values.bias
        queries = functional.linear(normed, weight[:width], bias[:width])
        return torch.cat([queries, functional.linear(hidden, weight[width:], bias[width:])], dim=-1)


def sampled_cross_entropy(own: Tensor, others: Tensor, itself: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of targets among sampled negatives, a scalar (docs/methods.md, (33)).

    Args:
        own: logits [T] of the targets.
        others: logits [T, m] of the negatives.
        itself: bool [T, m]; negatives that are the target, which do not count.
        label_smoothing: probability spread evenly over a target and its negatives, in [0, 1).
    """
    log_probs = torch.cat([own[:, None], others.masked_fill(itself, float("-inf"))], dim=1).log_softmax(dim=1)
    losses = -log_probs[:, 0]
    if label_smoothing:
        finite = log_probs.masked_fill(functional.pad(itself, (1, 0)), 0.0)
        losses = torch.lerp(losses, -finite.sum(1) / (finite.shape[1] - itself.sum(1)), label_smoothing)
    return losses.mean()


class SasRec(AtomicPolicy):
    """log pi(i | x) by the inner products of the last hidden state with all item embeddings."""

    learns_from = SEQUENCES
    searches = False  # one token an item: a beam search scores them all
    reads_everything = False  # a pass reads the histories of the contexts that are asked for
    shares_sequences = True

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        self.item_embeddings = nn.Embedding(1 + trie.catalogue_size, settings.width)
        self.sampled_negatives = own(SasrecSettings, settings).sampled_negatives
        self.positions = nn.Embedding(1 + settings.history, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.last_norm = nn.LayerNorm(settings.width)
        for module in self.modules():
            if isinstance(module, nn.Embedding | nn.Linear):
                nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    @property
    def embeddings(self) -> Tensor:
        """Token embeddings [1 + N, width]: that of the beginning, then those of the items; also the output layer."""
        return self.item_embeddings.weight

    @property
    def token_vectors(self) -> Tensor:
        """Embeddings [N, width] of the items; also the output layer."""
        return self.embeddings[1:]

    @property
    def token_columns(self) -> Tensor:
        """Which row of `token_vectors` each item has: int64 [N]."""
        return torch.arange(self.catalogue_size, device=self.device)

    def states(self, items: Tensor) -> Tensor:
        """States [S, T, width] before each of items int64 [S, T], right-padded with -1."""
        return self.hidden(items[:, :-1])

    def hidden(self, items: Tensor) -> Tensor:
        """States [B, T + 1, width] of items int64 [B, T], right-padded with -1: at t they know the first t items.

        Padding needs no mask: nothing before it sees it.
        """
        tokens = functional.pad(items.clamp(min=-1) + 1, (1, 0))
        embedded = self.item_embeddings(tokens) * self.settings.width**0.5
        embedded = embedded + self.positions.weight[: tokens.shape[1]]
        hidden = functional.dropout(embedded, self.settings.embedding_dropout, self.training)
        for block in self.blocks:
            hidden = block(hidden)
        return functional.dropout(self.last_norm(hidden), self.settings.output_dropout, self.training)

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log-probabilities of every item, float32 [..., N], from hidden states [..., width]."""
        return exact_product(hidden, self.token_vectors.T).float()

    def sft_loss(self, items: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """As `recbench.policy.sft.sft_loss`: mean of -log pi(item | items before it) over the target positions.

        With `sampled_negatives` the targets compete with items that torch's random state draws for this call alone
        (docs/methods.md, (33)).
        """
        states, wanted = self.states(items)[targets], items[targets]
        sampled = self.sampled_negatives
        if not 0 < sampled < self.catalogue_size:
            return functional.cross_entropy(self.logits(states), wanted, label_smoothing=label_smoothing)
        negatives = torch.randperm(self.catalogue_size, device=states.device)[:sampled]
        own = exact_product(states[:, None], self.token_vectors[wanted][:, :, None])[:, 0]
        others = exact_product(states, self.token_vectors[negatives].T)
        itself = negatives == wanted[:, None]  # a target is no negative of its own
        return sampled_cross_entropy(own[:, 0].float(), others.float(), itself, label_smoothing)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """log pi of candidates int64 [B, G], with gradients: float32 [B, G]; -inf where a candidate is -1."""
        log_probs = self._log_probs(histories).gather(1, candidates.clamp(min=0))
        return torch.where(candidates >= 0, log_probs, float("-inf"))

    def positive_log_probs(self, histories: Tensor, items: Tensor) -> Tensor:
        """log pi of one item a history, with gradients: float32 [B]."""
        return self.score_groups(histories, items[:, None])[:, 0]

    @torch.no_grad()
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Exact log pi(i | x) of every item: float32 [B, N] for histories int64 [B, T]. No gradient."""
        return self._log_probs(histories)

    @torch.no_grad()
    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Logits [B, M + K] of items [M] for every history and of own candidates [B, K]; -inf where one is -1."""
        return inner_products(self._last_state(histories), self.token_vectors, self.token_columns, shared, own)

    def _log_probs(self, histories: Tensor) -> Tensor:
        """log pi of every item [B, N] after histories [B, T], padded with -1 anywhere."""
        return functional.log_softmax(self.logits(self._last_state(histories)), dim=-1)

    def _last_state(self, histories: Tensor) -> Tensor:
        """States [B, width] after histories [B, T], padded with -1 anywhere."""
        present = histories >= 0
        lengths = present.sum(1)
        longest = int(lengths.max()) if len(lengths) else 0
        order = torch.argsort((~present).to(torch.int8), dim=1, stable=True)[:, :longest]
        hidden = self.hidden(histories.gather(1, order))
        return hidden[torch.arange(len(histories), device=hidden.device), lengths]
