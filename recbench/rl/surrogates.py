"""Pairwise surrogates l(d) of the indicator 1[s+ < s-], d = s+ - s- in nats, each with slope -1 at d = 0.

The common slope makes their gradients comparable: at equal scores every surrogate is GRPO's linear one.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Surrogate(NamedTuple):
    """l(d) and its pull g(d) = -l'(d), of margins d (any shape, nats) and the temperature T > 0 (nats)."""

    value: Callable[[Tensor, float], Tensor]
    pull: Callable[[Tensor, float], Tensor]
    linear: bool = False  # all pairs are pulled alike


SURROGATES = {
    # GRPO's
    "linear": Surrogate(lambda d, t: -d, lambda d, t: torch.ones_like(d), linear=True),
    "logistic": Surrogate(lambda d, t: 2.0 * t * softplus(-d / t), lambda d, t: 2.0 * torch.sigmoid(-d / t)),
    # bounded by 4 T
    "sigmoid": Surrogate(
        lambda d, t: 4.0 * t * torch.sigmoid(-d / t),
        lambda d, t: 4.0 * torch.sigmoid(d / t) * torch.sigmoid(-d / t),
    ),
}


def surrogate_value(margins: Tensor, kind: str, temperature: float = 1.0) -> Tensor:
    """l(d) for any shape of margins d = s+ - s- (nats); temperature T > 0 (nats) is that of logistic and sigmoid.

    linear: -d (GRPO's); logistic: 2 T softplus(-d / T); sigmoid: 4 T sigmoid(-d / T), which is bounded by 4 T.
    """
    return _named(kind).value(margins, temperature)


def surrogate_pull(margins: Tensor, kind: str, temperature: float = 1.0) -> Tensor:
    """g(d) = -l'(d) >= 0, with g(0) = 1: how hard the surrogate pulls a pair with margin d apart (any shape).

    linear: 1; logistic: 2 sigmoid(-d / T), in (0, 2); sigmoid: 4 sigmoid(d / T) sigmoid(-d / T), in (0, 1].
    """
    return _named(kind).pull(margins, temperature)


def _named(kind: str) -> Surrogate:
    if kind not in SURROGATES:
        raise ValueError(f"surrogate {kind!r} is none of {', '.join(SURROGATES)}")
    return SURROGATES[kind]
