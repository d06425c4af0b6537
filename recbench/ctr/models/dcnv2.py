"""DCN-V2: cross layers x_{l+1} = x_0 * (W_l x_l + b_l) + x_l beside a perceptron. Source: arXiv 2008.13535, (1) there.

The parallel structure of its figure 1b, with full matrices: y = w . [x_L, MLP(x_0)] + b, x_0 the embeddings of all
fields side by side, * the elementwise product. L layers reach products of L + 1 fields.
"""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, linear, perceptron
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class DeepCrossNetwork(nn.Module):
    """Explicit cross layers and a perceptron side by side."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        self.embedding = configured_embedding(encoder, settings, seed, settings.embedding_size)
        width = self.embedding.count * settings.embedding_size
        self.cross = nn.ModuleList(linear(width, width) for _ in range(settings.layers))
        self.deep = perceptron(width, settings.hidden, settings.dropout, outputs=None)
        self.output = linear(width + (settings.hidden[-1] if settings.hidden else width), 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        start = flat(self.embedding(rows))
        crossed = start
        for layer in self.cross:
            crossed = start * layer(crossed) + crossed
        return self.bias + self.output(torch.cat([crossed, self.deep(start)], dim=1)).squeeze(1)


MODEL = DeepCrossNetwork
