"""DLRM: y = b + MLP(d, <v_f, v_g> for all pairs f < g of [d, v_1, ..., v_F]), d = MLP(numbers). arXiv 1906.00091.

The ranking model that arXiv 2605.09338 puts captions into. d, the output of the bottom perceptron, has an embedding's
size; where there are no numbers there is none, and the top perceptron reads the products alone.
"""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, perceptron
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class DeepLearningRecommendationModel(nn.Module):
    """A perceptron on numbers, the products of all pairs of vectors, and a perceptron on top of both."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        size = settings.embedding_size
        self.embedding = configured_embedding(encoder, settings, seed, size)
        fields = self.embedding.fields
        self.numeric = [place for place, field in enumerate(fields) if field.is_number]
        self.others = [place for place, field in enumerate(fields) if not field.is_number]
        self.bottom = None
        if self.numeric:
            # A number times its learned vector, then linear: a perceptron of the numbers themselves.
            inputs = len(self.numeric) * size
            self.bottom = nn.Sequential(perceptron(inputs, settings.hidden, settings.dropout, size), nn.ReLU())
        vectors = len(self.others) + (self.bottom is not None)
        dense = size if self.bottom is not None else 0
        self.top = perceptron(dense + vectors * (vectors - 1) // 2, settings.hidden, settings.dropout)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        embedded = self.embedding(rows)
        vectors, inputs = embedded[:, self.others], []
        if self.bottom is not None:
            number = self.bottom(flat(embedded[:, self.numeric]))
            vectors, inputs = torch.cat([number[:, None], vectors], dim=1), [number]
        first, second = torch.triu_indices(vectors.shape[1], vectors.shape[1], offset=1, device=vectors.device)
        inputs.append((vectors @ vectors.mT)[:, first, second])
        return self.bias + self.top(torch.cat(inputs, dim=1)).squeeze(1)


MODEL = DeepLearningRecommendationModel
