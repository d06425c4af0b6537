"""A policy too small to have every optimum: log pi(i | x) = log softmax of (x users) items, of rank R below D."""

import torch
from torch import Tensor, nn

from recbench.policy.base import best_items
from recbench.policy.interface import Beams
from recbench.training.module import TrainedModule


class LowRankPolicy(TrainedModule):
    """A `recbench.rl.interface.ScoringPolicy` whose histories are users' features [B, D]: it reads nothing else.

    Ranks of the catalogue are exact, and beam search finds the true best items, because the whole catalogue is one
    product. Section 7 of docs/methods.md, (25).
    """

    reads_everything = True  # it has no dropout: nothing in a pass depends on the others in it

    def __init__(self, dimensions: int, items: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        scale = 0.3  # small beside the scores that training makes
        self.users = nn.Parameter(scale * torch.randn(dimensions, rank, generator=generator))
        self.items = nn.Parameter(scale * torch.randn(rank, items, generator=generator))

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return self.items.shape[1]

    def logits(self, users: Tensor) -> Tensor:
        """Scores less their normalisation, which no ranking needs: users [B, D] to [B, N]."""
        return (users @ self.users) @ self.items

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """log pi(i | x), nats: features [B, D] to [B, N]."""
        return self.logits(histories).log_softmax(dim=1)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """Candidates [B, G] to log-probabilities [B, G]; candidate -1 scores -inf."""
        scores = self.score_catalogue(histories).gather(1, candidates.clamp(min=0))
        return scores.masked_fill(candidates < 0, -torch.inf)

    @property
    def searches(self) -> bool:
        """Whether a beam search scores fewer items than there are: here it scores them all."""
        return False

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Logits [B, M + K] of items [M] for every user and of own candidates [B, K] (-1 scores -inf)."""
        states = histories @ self.users
        each = (states[:, None] @ self.items.T[own.clamp(min=0)].transpose(1, 2))[:, 0]
        return torch.cat([states @ self.items[:, shared], each.masked_fill(own < 0, -torch.inf)], dim=1)

    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` most probable items, at most N, exactly."""
        return best_items(self.score_catalogue(histories), width)
