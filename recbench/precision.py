"""Products that decide an order, in full precision whatever a caller's autocast does to those that do not."""

import torch
from torch import Tensor, nn
from torch.nn import functional

HALF = (torch.bfloat16, torch.float16)


def exact_product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right in the wider of the two's precisions, at least float32, also under autocast.

    Scores in bfloat16 have eight binary digits: a fifth of a catalogue's best fifteen would tie, and their order be
    chance. The states of a policy may be bfloat16; what they are worth must not be rounded again.
    """
    with torch.autocast(left.device.type, enabled=False):
        return _wide(left) @ _wide(right)


class ExactLinear(nn.Linear):
    """A linear layer whose outputs are scores: computed as in `exact_product`, with the same parameters."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., inputs] to [..., outputs]."""
        with torch.autocast(input.device.type, enabled=False):
            return functional.linear(_wide(input), self.weight, self.bias)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in HALF else values
