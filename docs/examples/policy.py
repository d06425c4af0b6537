"""GRU4Rec (arXiv 1511.06939) with cross-entropy over the whole catalogue: sft trains it, and every rl rule.

recbench train policy=policy.Gru policy.width=64
recbench train policy=policy.Gru --algo=tawin --top-k 10
"""

from dataclasses import dataclass

from torch import nn

from recbench.policy.baselines.sasrec import SasRec
from recbench.schema import option


class Gru(SasRec):
    label = "gru4rec"

    @dataclass
    class Settings:
        width: int = option(64, "dimensions of items and of the state", least=4)
        history: int = option(50, "most recent items that it reads", least=1)

    def __init__(self, trie, settings):
        super().__init__(trie, settings)
        self.blocks = self.positions = self.last_norm = None  # SASRec's own
        self.recurrent = nn.GRU(settings.width, settings.width, batch_first=True)

    def hidden(self, items):
        embedded = self.item_embeddings(nn.functional.pad(items.clamp(min=-1) + 1, (1, 0)))
        return self.recurrent(embedded)[0]  # [B, T + 1, width]: at t it knows the first t items
