"""What a click model is: built-in ones in `models/`, others by `ctr=MODULE.CLASS`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from recbench.ctr.embedding import FieldEmbedding
from recbench.ctr.encoding import Encoder
from recbench.ctr.rows import Rows
from recbench.schema import CtrModelConfig


class ClickModel(Protocol):
    """A torch module from impressions to logits, whose weights are torch's own random numbers as they are then.

    With `reads_history = True` in its class, rows carry the user's last `settings.history` clicks.
    """

    embedding: FieldEmbedding  # as `configured_embedding` makes it: decayed, and alike in all arms at the start
    bias: nn.Parameter  # [1]; training starts it at the log odds of a click

    def __init__(self, encoder: Encoder, settings: CtrModelConfig, seed: int) -> None: ...

    def forward(self, rows: Rows) -> Tensor:
        """Logits [B]."""
        ...
