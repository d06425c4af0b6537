"""AutoInt: multi-head self-attention over the fields of an impression. Source: arXiv 1810.11921, (5) to (9) there.

Each layer: e'_f = ReLU(concat_h sum_g softmax_g(<Q_h e_f, K_h e_g>) V_h e_g + R e_f); y = w . [e_1, ..., e_F] + b.
With `hidden` widths a perceptron over the first embeddings is added: AutoInt+, section 5.4 there.
"""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, linear, perceptron
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class AutoInt(nn.Module):
    """Self-attention over fields; each head is as wide as an embedding."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        self.embedding = configured_embedding(encoder, settings, seed, settings.embedding_size)
        size, heads = settings.embedding_size, settings.heads
        widths = [size, *[size * heads] * settings.layers]
        self.attention = nn.ModuleList(FieldAttention(width, size, heads) for width in widths[:-1])
        self.output = linear(self.embedding.count * widths[-1], 1, bias=False)
        inputs = self.embedding.count * size
        self.deep = perceptron(inputs, settings.hidden, settings.dropout) if settings.hidden else None
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        vectors = attended = self.embedding(rows)
        for layer in self.attention:
            attended = layer(attended)
        logits = self.bias + self.output(flat(attended)).squeeze(1)
        return logits if self.deep is None else logits + self.deep(flat(vectors)).squeeze(1)


class FieldAttention(nn.Module):
    """One interacting layer, [B, F, inputs] to [B, F, size x heads]; scores are not scaled, as in the paper."""

    def __init__(self, inputs: int, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = linear(inputs, 3 * size * heads, bias=False)  # queries, keys and values
        self.residual = linear(inputs, size * heads, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """New vectors of all fields."""
        batch, fields, _ = vectors.shape
        projected = self.projection(vectors).view(batch, fields, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each [B, heads, F, size]
        shares = (query @ key.transpose(2, 3)).softmax(dim=3)
        mixed = (shares @ value).transpose(1, 2).reshape(batch, fields, -1)
        return torch.relu(mixed + self.residual(vectors))


MODEL = AutoInt
