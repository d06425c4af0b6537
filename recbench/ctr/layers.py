"""Parts that several click models share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbench.precision import ExactLinear


def perceptron(inputs: int, hidden: Sequence[int], dropout: float, outputs: int | None = 1) -> nn.Sequential:
    """Linear layers of the given widths with ReLU and dropout, then, unless None, a linear layer to `outputs`.

    Weights start as Glorot's normal distribution (2010), biases at zero.
    """
    layers: list[nn.Module] = []
    width = inputs
    for following in hidden:
        layers += [linear(width, following), nn.ReLU(), nn.Dropout(dropout)]
        width = following
    if outputs is not None:
        layers.append(linear(width, outputs))
    return nn.Sequential(*layers)


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear layer that starts as Glorot's normal distribution; to one output, a score, in full precision."""
    layer = (ExactLinear if outputs == 1 else nn.Linear)(inputs, outputs, bias=bias)
    nn.init.xavier_normal_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def pair_products(vectors: Tensor) -> Tensor:
    """Sum of the inner products of all pairs of fields, [B], of vectors [B, F, K], in O(F K).

    sum_{i<j} <v_i, v_j> = 1/2 sum_k [(sum_i v_ik)^2 - sum_i v_ik^2]. Source: Rendle (2010), lemma 3.1.
    """
    return 0.5 * (vectors.sum(dim=1).square() - vectors.square().sum(dim=1)).sum(dim=1)


def flat(vectors: Tensor) -> Tensor:
    """Vectors [B, F, K] side by side: [B, F K]."""
    return torch.flatten(vectors, start_dim=1)
