"""The hinge loss: mean over negatives j of max(0, margin - s+ + s_j), s being log-probabilities in nats.

recbench train algo=rule.Hinge --neg=random algo.margin=2
"""

from dataclasses import dataclass

import torch

from recbench.schema import option


class Hinge:
    label = "hinge"

    @dataclass
    class Settings:
        margin: float = option(1.0, "nats by which the positive has to lead", least=0)

    def advantages(self, scores, reference, valid, context_weights, settings):
        violated = (scores[:, :1] - scores < settings.margin) & valid & valid[:, :1]
        violated[:, 0] = False
        count = valid[:, 1:].sum(dim=1).clamp(min=1)
        pull = violated.double() * (context_weights / count)[:, None]  # minus the gradient, but for the sign
        return torch.cat([pull.sum(dim=1, keepdim=True), -pull[:, 1:]], dim=1)
