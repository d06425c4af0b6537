"""DeepFM: y = b + sum_f w_f + sum_{f<g} <v_f, v_g> + MLP(v_1, ..., v_F), one set of v. Source: arXiv 1703.04247."""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, pair_products, perceptron
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class DeepFM(nn.Module):
    """A factorization machine and a perceptron on the same embeddings."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        # Column 0 is w, the others v.
        self.embedding = configured_embedding(encoder, settings, seed, 1 + settings.embedding_size)
        self.deep = perceptron(self.embedding.count * settings.embedding_size, settings.hidden, settings.dropout)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        vectors = self.embedding(rows)
        weights, factors = vectors[:, :, 0], vectors[:, :, 1:]
        return self.bias + weights.sum(dim=1) + pair_products(factors) + self.deep(flat(factors)).squeeze(1)


MODEL = DeepFM
