"""Wide & Deep: y = b + sum_f w_f + MLP(v_1, ..., v_F). Source: arXiv 1606.07792, (3) there, without crossed columns."""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, perceptron
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class WideAndDeep(nn.Module):
    """Logistic regression beside a perceptron over the embeddings of all fields."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        # Column 0 is w, the others v.
        self.embedding = configured_embedding(encoder, settings, seed, 1 + settings.embedding_size)
        self.deep = perceptron(self.embedding.count * settings.embedding_size, settings.hidden, settings.dropout)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        vectors = self.embedding(rows)
        return self.bias + vectors[:, :, 0].sum(dim=1) + self.deep(flat(vectors[:, :, 1:])).squeeze(1)


MODEL = WideAndDeep
