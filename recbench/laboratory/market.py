"""A market in which every user's probability of every next item is known: softmax preferences over the catalogue."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PreferenceMarket:
    """The truth p(i | x) = softmax of x tastes + appeal over N items, for users with features x of D dimensions.

    Section 7 of docs/methods.md, (24). float32: users by the hundred thousand are scored with it.
    """

    tastes: Tensor  # [D, N]
    appeal: Tensor  # [N], what all users like

    @property
    def dimensions(self) -> int:
        """Features of a user, D."""
        return self.tastes.shape[0]

    @property
    def items(self) -> int:
        """Items of the catalogue, N."""
        return self.tastes.shape[1]

    def draw_users(self, count: int, generator: torch.Generator) -> Tensor:
        """Features [count, D] of fresh users, independent standard normal."""
        return torch.randn(count, self.dimensions, generator=generator)

    def log_probabilities(self, users: Tensor) -> Tensor:
        """log p(i | x), nats: users [B, D] to [B, N]."""
        return torch.addmm(self.appeal, users, self.tastes).log_softmax(dim=1)

    def draw_positives(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """The next item of each user [B, D], drawn from the truth: int64 [B]."""
        return torch.multinomial(self.log_probabilities(users).exp(), 1, generator=generator).squeeze(1)


def make_market(
    items: int, dimensions: int, taste: float, appeal: float, generator: torch.Generator
) -> PreferenceMarket:
    """Draw a market: log-weights of items have standard deviation `taste` over users and `appeal` over items.

    Both in nats. A larger taste makes users differ more and their next item easier to tell.
    """
    tastes = torch.randn(dimensions, items, generator=generator) * (taste / dimensions**0.5)
    return PreferenceMarket(tastes, appeal * torch.randn(items, generator=generator))
