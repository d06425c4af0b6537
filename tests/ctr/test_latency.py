"""Scoring times."""

import time

import numpy as np
import torch

from recbench.ctr.latency import time_scoring
from recbench.ctr.rows import Rows


class Sleeper(torch.nn.Module):
    """A model that takes a known time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.seen = seconds, []

    def forward(self, rows: Rows) -> torch.Tensor:
        self.seen.append(rows.items.tolist())
        time.sleep(self.seconds)
        return rows.items.float()


def test_slower_arms_are_slower_on_the_same_batches():
    empty = torch.zeros((50, 0))
    rows = Rows(torch.arange(50), torch.arange(50), None, None, empty.long(), empty)
    arms = {"without": (Sleeper(0.0), rows), "with": (Sleeper(0.004), rows)}
    found = time_scoring(arms, batch=8, repeats=20, seed=0)
    assert found["arms"]["with"]["p50_ms"] > 3.9 > found["arms"]["without"]["p50_ms"]
    assert found["added"]["with"]["p50_ms"] > 3
    assert found["arms"]["with"]["p99_ms"] >= found["arms"]["with"]["p50_ms"]
    batches = [model.seen for model, _ in arms.values()]
    assert batches[0] == batches[1] and np.shape(batches[0]) == (30, 8)  # ten to warm up
