"""FwFM (arXiv 1806.03514), simplified: a factorization machine in which every pair of fields has a learned weight.

recbench ctr ctr=click_model.Model ctr.start=0.5
"""

from dataclasses import dataclass

import torch
from torch import nn

from recbench.ctr.embedding import configured_embedding
from recbench.schema import option


class Model(nn.Module):
    label = "FwFM"

    @dataclass
    class Settings:
        start: float = option(1.0, "weight of every pair of fields at the start", least=0, most=10)

    def __init__(self, encoder, settings, seed):
        super().__init__()
        self.embedding = configured_embedding(encoder, settings, seed, settings.embedding_size)
        self.pairs = nn.Parameter(torch.full((self.embedding.count, self.embedding.count), settings.start))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, rows):
        vectors = self.embedding(rows)  # [B, F, size]
        return self.bias + ((vectors @ vectors.mT) * self.pairs).triu(1).sum(dim=(1, 2))
