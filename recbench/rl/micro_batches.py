"""Contexts in parts that fit in memory: what is scored is as of one batch, and so is the gradient."""

import torch
from torch import Tensor

from recbench.rl.interface import RankedItems, Scorer, ScoringPolicy


class Beams:
    """Beams of several batches, one below the other."""

    def __init__(self, parts: list[RankedItems]) -> None:
        self.items = torch.cat([part.items for part in parts])
        self.log_probs = torch.cat([part.log_probs for part in parts])


class InParts:
    """A `Scorer` that reads at most `size` contexts in a pass."""

    def __init__(self, policy: Scorer, size: int) -> None:
        self.policy, self.size = policy, size
        self.catalogue_size, self.searches = policy.catalogue_size, policy.searches

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """As `Scorer.score_catalogue`."""
        return torch.cat([self.policy.score_catalogue(part) for part in histories.split(self.size)])

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """As `Scorer.score_groups`."""
        parts = zip(histories.split(self.size), candidates.split(self.size), strict=True)
        return torch.cat([self.policy.score_groups(*part) for part in parts])

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """As `Scorer.score_some`."""
        parts = zip(histories.split(self.size), own.split(self.size), strict=True)
        return torch.cat([self.policy.score_some(part, shared, theirs) for part, theirs in parts])

    def beam_search(self, histories: Tensor, width: int) -> RankedItems:
        """As `Scorer.beam_search`."""
        return Beams([self.policy.beam_search(part, width) for part in histories.split(self.size)])


def in_parts(policy: Scorer, size: int | None) -> Scorer:
    """The policy, reading at most `size` contexts in a pass; none: as many as there are."""
    return policy if size is None else InParts(policy, size)


def backward_in_parts(
    policy: ScoringPolicy, histories: Tensor, candidates: Tensor, gradient: Tensor, size: int
) -> None:
    """Add the gradient of a loss to the policy's parameters, from that by the scores of candidates [B, G].

    Each part is scored again, and torch has to draw the dropout that the scores were made with. The sum is the gradient
    of the whole batch, of any loss on scores, also of one that compares contexts: the gradient cache of arXiv
    2101.06983.
    """
    for part in zip(histories.split(size), candidates.split(size), gradient.split(size), strict=True):
        policy.score_groups(*part[:2]).backward(part[2])  # type: ignore[no-untyped-call]
