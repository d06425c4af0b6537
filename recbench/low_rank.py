"""LoRA (arXiv 2106.09685): a low-rank update beside each linear layer of a frozen network."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LowRankLinear(nn.Module):
    """A frozen linear layer with LoRA: W x + b + scale * up (down dropout(x)); `up` begins with zeros.

    The update is computed in its own precision, float32, whatever the layer's is.
    """

    def __init__(self, linear: nn.Module, rank: int, scale: float, dropout: float = 0.0) -> None:
        super().__init__()
        assert isinstance(linear, nn.Linear)
        self.linear = linear.requires_grad_(False)
        self.scale = scale
        self.dropout = dropout
        bound = 1 / math.sqrt(linear.in_features)
        device = linear.weight.device
        self.down = nn.Parameter(torch.randn(rank, linear.in_features, device=device) * bound)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))

    def forward(self, values: Tensor) -> Tensor:
        """Values [..., in] to [..., out]."""
        kept = functional.dropout(values, self.dropout, self.training) if self.dropout else values
        update = functional.linear(functional.linear(kept.to(self.down.dtype), self.down), self.up)
        found = self.linear(values)
        return found + (self.scale * update).to(found.dtype)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The linear layer with the product of both matrices added to its weights."""
        self.linear.weight.add_((self.up @ self.down).to(self.linear.weight.dtype), alpha=self.scale)
        return self.linear


def add_low_rank(network: nn.Module, rank: int, scale: float, dropout: float = 0.0) -> int:
    """Put LoRA beside every linear layer of a network, in place; returns how many there are."""
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    for name in layers:
        network.set_submodule(name, LowRankLinear(network.get_submodule(name), rank, scale, dropout))
    return len(layers)


def merge_low_rank(network: nn.Module) -> None:
    """Add every LoRA to the layer that it stands beside, in place: the network is an ordinary one again."""
    beside = {name: layer for name, layer in network.named_modules() if isinstance(layer, LowRankLinear)}
    for name, layer in beside.items():
        network.set_submodule(name, layer.merged())
