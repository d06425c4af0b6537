"""What a training asks of the processes that share it. There is one implementation: a process that has all of it."""

from collections.abc import Iterable
from typing import Protocol

from torch import nn


class Distributed(Protocol):
    """The processes of one training, each with its part of every batch and a copy of the weights."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes checkpoints."""
        ...

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every process's gradients the sum over all processes, in place; called once an optimiser step."""
        ...


class OneProcess:
    """All of a training."""

    is_first = True

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """The sum is what is there."""


ONE_PROCESS = OneProcess()
