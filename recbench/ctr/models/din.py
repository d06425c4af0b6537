"""Deep interest network: attention of the candidate over the items that the user clicked. Source: arXiv 1706.06978.

The interest in candidate c is sum_j a(e_j, c) e_j over past items j, (3) there; a is a perceptron on [e_j, c, e_j - c,
e_j * c], not normalised, so that its sum tells how strong the interest is. y = MLP(interest, all fields) + b. Items are
the embeddings of all their fields side by side, captions among them. ReLU stands where the paper has Dice.
"""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, perceptron
from recbench.ctr.rows import Rows
from recbench.errors import UserError
from recbench.schema import CtrModelConfig

ATTENTION_WIDTHS = (64, 16)


class DeepInterestNetwork(nn.Module):
    """A perceptron over all fields and the attended history."""

    reads_history = True

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        if settings.history < 1:
            raise UserError(
                "ctr.history=0 leaves din nothing to attend to: give the clicked items it reads, such as 20"
            )
        self.embedding = configured_embedding(encoder, settings, seed, settings.embedding_size)
        self.item_places = self.embedding.places("item")
        item = len(self.item_places) * settings.embedding_size
        self.attention = perceptron(4 * item, ATTENTION_WIDTHS, 0.0)
        inputs = self.embedding.count * settings.embedding_size + item
        self.deep = perceptron(inputs, settings.hidden, settings.dropout)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]; rows without histories have empty ones."""
        vectors = self.embedding(rows)
        candidate = flat(vectors[:, self.item_places])
        interest = torch.zeros_like(candidate) if rows.histories is None else self.interest(rows.histories, candidate)
        return self.bias + self.deep(torch.cat([flat(vectors), interest], dim=1)).squeeze(1)

    def interest(self, histories: Tensor, candidate: Tensor) -> Tensor:
        """Attended history [B, D] of past items [B, H] (-1: none) for candidates [B, D]."""
        batch, length = histories.shape
        past = self.embedding.of_items(histories.flatten()).reshape(batch, length, -1)
        target = candidate[:, None].expand_as(past)
        attention = self.attention(torch.cat([past, target, past - target, past * target], dim=2)).squeeze(2)
        return ((attention * (histories >= 0))[:, :, None] * past).sum(dim=1)


MODEL = DeepInterestNetwork
