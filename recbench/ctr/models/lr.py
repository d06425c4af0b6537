"""Logistic regression: a weight an id, y = b + sum_f w_f. The baseline that every other model has to beat."""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class LogisticRegression(nn.Module):
    """A weight an id; lists contribute their pooled weights, numbers their weight times the number."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        self.embedding = configured_embedding(encoder, settings, seed, 1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        return self.bias + self.embedding(rows).sum(dim=(1, 2))


MODEL = LogisticRegression
