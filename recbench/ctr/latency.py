"""How long scoring a batch takes with and without caption columns, batches of the arms taking turns."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from recbench.ctr.rows import Rows

WARM_UP = 10  # batches before any is timed: the first ones allocate


@torch.no_grad()
def time_scoring(arms: Mapping[str, tuple[nn.Module, Rows]], batch: int, repeats: int, seed: int) -> dict[str, Any]:
    """Milliseconds from row numbers to probabilities, p50 and p99 over `repeats` batches of `batch` random impressions.

    Every arm scores the same batches, one after the other and in an order that turns, so that whatever else the machine
    does falls on all of them alike. `added` compares each arm with the first: the median of the differences batch by
    batch, and the difference of the p99s.

    Args:
        arms: name -> model and rows to draw batches from, on the model's device; the same number of rows each.
    """
    random = np.random.default_rng([seed, batch])
    names = list(arms)
    count = len(next(iter(arms.values()))[1].items)
    times = np.zeros((len(names), repeats))
    for model, _ in arms.values():
        model.eval()
    for turn in range(-WARM_UP, repeats):
        drawn = torch.from_numpy(random.integers(count, size=batch))
        for place in np.roll(np.arange(len(names)), turn):
            model, rows = arms[names[place]]
            inputs = rows.take(drawn.to(rows.items.device))
            started = time.perf_counter()
            torch.sigmoid(model(inputs)).cpu()  # the copy waits for the device
            if turn >= 0:
                times[place, turn] = 1000 * (time.perf_counter() - started)
    p50, p99 = np.quantile(times, [0.5, 0.99], axis=1)
    return {
        "batch": batch,
        "repeats": repeats,
        "arms": {name: {"p50_ms": p50[place], "p99_ms": p99[place]} for place, name in enumerate(names)},
        "added": {
            name: {"p50_ms": float(np.median(times[place] - times[0])), "p99_ms": float(p99[place] - p99[0])}
            for place, name in enumerate(names)
            if place
        },
    }
