"""Factorization machine: y = b + sum_f w_f + sum_{f<g} <v_f, v_g>. Source: Rendle, ICDM 2010 (no arXiv version)."""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import pair_products
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class FactorizationMachine(nn.Module):
    """Logistic regression plus the inner products of all pairs of embeddings."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        # Column 0 is w, the others v.
        self.embedding = configured_embedding(encoder, settings, seed, 1 + settings.embedding_size)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        vectors = self.embedding(rows)
        return self.bias + vectors[:, :, 0].sum(dim=1) + pair_products(vectors[:, :, 1:])


MODEL = FactorizationMachine
