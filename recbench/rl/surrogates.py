"""Pairwise surrogates l(d) of the indicator 1[s+ < s-], d = s+ - s- in nats, each with slope -1 at d = 0.

The common slope makes their gradients comparable: at equal scores every surrogate is GRPO's linear one.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def surrogate_value(margins: Tensor, kind: str, temperature: float = 1.0) -> Tensor:
    """l(d) for any shape of margins d = s+ - s- (nats); temperature T > 0 (nats) is that of logistic and sigmoid.

    linear: -d (GRPO's); logistic: 2 T softplus(-d / T); sigmoid: 4 T sigmoid(-d / T), which is bounded by 4 T.
    """
    if kind == "linear":
        return -margins
    if kind == "logistic":
        return 2.0 * temperature * softplus(-margins / temperature)
    if kind == "sigmoid":
        return 4.0 * temperature * torch.sigmoid(-margins / temperature)
    raise ValueError(f"surrogate {kind!r} is none of linear, logistic, sigmoid")


def surrogate_pull(margins: Tensor, kind: str, temperature: float = 1.0) -> Tensor:
    """g(d) = -l'(d) >= 0, with g(0) = 1: how hard the surrogate pulls a pair with margin d apart (any shape).

    linear: 1; logistic: 2 sigmoid(-d / T), in (0, 2); sigmoid: 4 sigmoid(d / T) sigmoid(-d / T), in (0, 1].
    """
    if kind == "linear":
        return torch.ones_like(margins)
    if kind == "logistic":
        return 2.0 * torch.sigmoid(-margins / temperature)
    if kind == "sigmoid":
        return 4.0 * torch.sigmoid(margins / temperature) * torch.sigmoid(-margins / temperature)
    raise ValueError(f"surrogate {kind!r} is none of linear, logistic, sigmoid")
