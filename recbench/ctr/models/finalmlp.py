"""FinalMLP: two perceptrons on differently gated embeddings, fused bilinearly. Source: arXiv 2304.00902.

Gating (4, 5 there): stream s reads 2 sigmoid(MLP_s(g_s)) * x; the first stream's gate sees user, query and context,
the second's the candidate. Fusion (8 there), by heads h = 1..k over slices a_h, b_h of the streams' outputs:

    y = c + w_1 . a + w_2 . b + sum_h a_h^T W_h b_h
"""

import torch
from torch import Tensor, nn

from recbench.ctr.embedding import configured_embedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.layers import flat, linear, perceptron
from recbench.ctr.rows import Rows
from recbench.errors import UserError
from recbench.schema import CtrModelConfig

GATE_WIDTH = 64  # of the hidden layer of a gate


class FinalMLP(nn.Module):
    """Two gated streams and their bilinear fusion."""

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None:
        super().__init__()
        if not settings.hidden or settings.hidden[-1] % settings.heads:
            raise UserError(
                f"ctr.hidden={list(settings.hidden)} does not fit ctr.heads={settings.heads}: finalmlp cuts its last "
                "width into heads, so make it a multiple of them"
            )
        self.embedding = configured_embedding(encoder, settings, seed, settings.embedding_size)
        self.views = (self.embedding.places("user", "query", "context"), self.embedding.places("item"))
        width = self.embedding.count * settings.embedding_size
        self.gates = nn.ModuleList(
            perceptron(len(view) * settings.embedding_size, [GATE_WIDTH], 0.0, width) for view in self.views
        )
        self.streams = nn.ModuleList(perceptron(width, settings.hidden, settings.dropout, None) for _ in self.views)
        self.fusion = BilinearFusion(settings.hidden[-1], settings.heads)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        vectors = self.embedding(rows)
        outputs = []
        for view, gate, stream in zip(self.views, self.gates, self.streams, strict=True):
            outputs.append(stream(2 * torch.sigmoid(gate(flat(vectors[:, view]))) * flat(vectors)))
        return self.bias + self.fusion(*outputs)


class BilinearFusion(nn.Module):
    """Linear terms of two outputs [B, width] and a bilinear form of each pair of their slices; returns [B]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = linear(width, 1, bias=False), linear(width, 1, bias=False)
        self.matrices = nn.Parameter(torch.empty(heads, width // heads, width // heads))
        for matrix in self.matrices:
            nn.init.xavier_normal_(matrix)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The fused logits, without bias."""
        heads = len(self.matrices)
        slices = a.view(len(a), heads, -1), b.view(len(b), heads, -1)
        with torch.autocast(a.device.type, enabled=False):  # scores, as those of the linear layers
            forms = torch.einsum("bhi,hij,bhj->b", slices[0].float(), self.matrices, slices[1].float())
        return (self.first(a) + self.second(b)).squeeze(1) + forms


MODEL = FinalMLP
