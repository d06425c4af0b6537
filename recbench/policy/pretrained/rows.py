"""Where the embeddings of new tokens start: among a pretrained model's own, and with logits that say little yet.

A pretrained final norm makes hidden states of some fifty in length. Rows at the spread of the model's own then have
logits of five nats of standard deviation before any training, and an item costs three times what it costs at uniform.
Smaller rows cost less, but one step of the optimiser is then as large as what tells them apart, and gradients have
norms over thirty. So rows stand where the model's own do, and a policy multiplies all their logits by one number.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recbench.item_tokens.trie import ItemTrie


def mean_rows(own: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """Mean of the rows of each text's tokens: [N, width] in float32; zeros where a text has no tokens.

    own [vocabulary, width]; texts are token ids, one list an item.
    """
    lengths = torch.tensor([len(text) for text in texts])
    flat = torch.tensor([token for text in texts for token in text], dtype=torch.int64)
    of = torch.repeat_interleave(torch.arange(len(texts)), lengths)
    total = torch.zeros(len(texts), own.shape[1])
    for part, owner in zip(flat.split(65536), of.split(65536)):
        total.index_add_(0, owner, own[part].float())
    return total / lengths.clamp(min=1)[:, None]


def rows_by_items(trie: ItemTrie, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean vector of the items under each token, [V, width], and which tokens have one: bool [V].

    vectors [N, width] of items; zeros are of items without one.
    """
    known = torch.nonzero(vectors.abs().sum(1) > 0)[:, 0]
    tokens = trie.item_tokens[known.numpy()]
    item, level = np.nonzero(tokens >= 0)
    token = torch.from_numpy(tokens[item, level])
    total = torch.zeros(trie.vocabulary_size, vectors.shape[1])
    total.index_add_(0, token, vectors[known[torch.from_numpy(item)]])
    count = torch.bincount(token, minlength=len(total))
    return total / count.clamp(min=1)[:, None], count > 0


def around_own(own: Tensor, wanted: Tensor | None, known: Tensor | None, count: int) -> Tensor:
    """Rows [count, width] around the mean of a model's own rows [vocabulary, width], as far from it as those.

    Directions are those of `wanted` [count, width] about its mean where `known`, random elsewhere. Float32; draws from
    torch's random state.
    """
    own = own.float()
    centre = own.mean(0)
    spread = (own - centre).std()
    deviations = torch.randn(count, own.shape[1])
    if wanted is not None and known is not None and known.any():
        different = wanted[known] - wanted[known].mean(0)
        if (size := different.std()) > 1e-6 * spread:  # else all are alike, and nothing tells tokens apart
            deviations[known] = different / size
    return centre + spread * deviations


@torch.no_grad()
def logit_deviation(rows: Tensor, hidden: Tensor) -> float:
    """Standard deviation over rows [V, width] of their logits by hidden states [M, width], nats; mean over states."""
    return float((hidden.float() @ (rows - rows.mean(0)).T).std(dim=1).mean())
