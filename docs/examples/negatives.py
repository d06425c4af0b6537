"""The items that the policy scores highest, but for the very first: those may be liked, and not known yet.

recbench train --algo=grpo --neg=negatives.Hardest negatives.skipped=5
"""

from dataclasses import dataclass

import torch

from recbench.rl.negatives import Negatives
from recbench.schema import option


class Hardest:
    label = "hardest"

    @dataclass
    class Settings:
        skipped: int = option(0, "best negatives of a context that are left out", least=0)

    def choose(self, policy, histories, positives, budget, settings, exclude, generator):
        scores = torch.nn.functional.pad(policy.score_catalogue(histories).double(), (1, 0))  # a place for -1
        left_out = positives[:, None] if exclude is None else torch.cat([positives[:, None], exclude], dim=1)
        scores = scores.scatter(1, left_out + 1, -torch.inf)[:, 1:]
        found = scores.topk(min(budget + settings.skipped, scores.shape[1]), dim=1)
        items = found.indices.masked_fill(found.values.isinf(), -1)[:, settings.skipped :]
        items = torch.nn.functional.pad(items, (0, budget - items.shape[1]), value=-1)
        return Negatives(items, torch.ones_like(items, dtype=torch.float64))
