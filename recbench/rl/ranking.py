"""Negatives of a context in the order of their scores: exactly, from the whole catalogue, or nearly, from a beam.

Where neither is affordable, `estimation` makes the same from a part of the catalogue, with ranks that are estimates.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.rl.interface import RankedItems
from recbench.rl.windows import hard_context_weights, thresholds, thresholds_between


@dataclass(frozen=True)
class RankedNegatives:
    """The best negatives of B contexts, best first; equal scores keep the order of their source.

    The column is the rank less one, unless `ranks` says otherwise: then the list has gaps of negatives not scored.
    """

    items: Tensor  # int64 [B, M], -1 beyond `known`
    scores: Tensor  # [B, M] log-probabilities in nats, -inf beyond `known`
    known: Tensor  # int64 [B]: how many are listed
    negatives: Tensor  # int64 [B]: how many there are, n; known == negatives when the list is complete
    positive_found: Tensor  # bool [B]: the list's source held the positive
    positive_above: (
        Tensor  # int64 [B]: negatives strictly above the positive; `known`, a lower bound, if it was not found
    )
    # With ranks, float64.
    positive_scores: Tensor  # [B]: log-probability of the positive, -inf if it was not found
    ranks: Tensor | None = None  # float64 [B, M]: estimated 1-based ranks, not falling, inf beyond `known`
    inclusion: Tensor | None = None  # float64 [B, M], with ranks: probability that the item was scored, (0, 1]

    def look_up(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """1-based ranks (0: not listed) and scores (-inf: not listed) of candidates [B, K].

        Ranks are int64, estimated ones float64.
        """
        by_item, order = self.items.sort(dim=1)
        place = torch.searchsorted(by_item, candidates.contiguous()).clamp(max=self.items.shape[1] - 1)
        listed = (by_item.gather(1, place) == candidates) & (candidates >= 0)
        column = order.gather(1, place)
        found = column + 1 if self.ranks is None else self.ranks.gather(1, column)
        ranks = torch.where(listed, found, torch.zeros_like(found))
        return ranks, self.scores.gather(1, column).masked_fill(~listed, -torch.inf)

    def threshold(self, position: Tensor) -> Tensor:
        """t_u at u n = position (whole ranks, [B]), float64 [B]; see `windows.thresholds`."""
        if self.ranks is None:
            return thresholds(self.scores, self.known, self.negatives, position)
        return thresholds_between(self.scores, self.ranks, self.known, self.negatives, position)

    def columns(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """First column and number of columns, int64 [B], of the listed ranks from first to last ([B], 1-based).

        A rank that is an estimate counts if its interval, one wide, overlaps those ranks.
        """
        if self.ranks is None:
            return first - 1, (torch.minimum(last, self.known) - first + 1).clamp(min=0)
        begin = (self.ranks <= (first - 1)[:, None]).sum(dim=1)
        end = (self.ranks < (last + 1)[:, None]).sum(dim=1)
        return begin, (end - begin).clamp(min=0)

    def reaches(self, rank: Tensor) -> Tensor:
        """Whether the list goes down to a rank [B], bool [B]; one of estimated ranks goes all the way."""
        return (self.known >= torch.minimum(rank, self.negatives)) | (self.ranks is not None)


def distinct_exclusions(exclude: Tensor | None, positives: Tensor) -> Tensor:
    """The items [B, E + 1] that are no negatives, the positive and exclude [B, E], ascending.

    Repeats and pads become -1. A positive that is also in exclude (bought again) is counted once.
    """
    left_out = positives[:, None] if exclude is None else torch.cat([positives[:, None], exclude], dim=1)
    left_out = left_out.sort(dim=1).values
    repeats = torch.zeros_like(left_out, dtype=torch.bool)
    repeats[:, 1:] = left_out[:, 1:] == left_out[:, :-1]
    return left_out.masked_fill(repeats, -1).sort(dim=1).values


def rank_catalogue(scores: Tensor, positives: Tensor, exclude: Tensor | None = None) -> RankedNegatives:
    """Exact ranks from scores [B, N] of the whole catalogue; exclude [B, E] (padded with -1) are no negatives.

    Equal scores are ranked by item row, an arbitrary but fixed order.
    """
    left_out = distinct_exclusions(exclude, positives)
    catalogue_size = scores.shape[1]
    hidden = torch.zeros(scores.shape[0], catalogue_size + 1, dtype=torch.bool, device=scores.device)
    hidden.scatter_(1, left_out.masked_fill(left_out < 0, catalogue_size), True)
    ordered, items = scores.masked_fill(hidden[:, :-1], -torch.inf).sort(dim=1, descending=True, stable=True)
    negatives = catalogue_size - (left_out >= 0).sum(dim=1)
    beyond = torch.arange(catalogue_size, device=scores.device)[None, :] >= negatives[:, None]
    positive_scores = scores.gather(1, positives[:, None])
    return RankedNegatives(
        items=items.masked_fill(beyond, -1),
        scores=ordered.masked_fill(beyond, -torch.inf),
        known=negatives,
        negatives=negatives,
        positive_found=torch.ones_like(positives, dtype=torch.bool),
        positive_above=((ordered > positive_scores) & ~beyond).sum(dim=1),
        positive_scores=positive_scores.squeeze(1),
    )


def rank_beam(
    beams: RankedItems, positives: Tensor, catalogue_size: int, exclude: Tensor | None = None
) -> RankedNegatives:
    """Near-exact ranks from a beam: its items less the positive and exclude [B, E] (padded with -1), best first.

    Ranks are exact as far as the beam missed no better item.
    """
    left_out = distinct_exclusions(exclude, positives)
    kept = beams.items >= 0
    for column in range(left_out.shape[1]):  # not one [B, W, E] comparison: beams may be wide and histories long
        kept &= beams.items != left_out[:, column : column + 1]
    order = (~kept).long().sort(dim=1, stable=True).indices
    known = kept.sum(dim=1)
    beyond = torch.arange(order.shape[1], device=order.device)[None, :] >= known[:, None]
    is_positive = beams.items == positives[:, None]
    found = is_positive.any(dim=1)
    positive_scores = beams.log_probs.masked_fill(~is_positive, -torch.inf).amax(dim=1)
    above = ((beams.log_probs > positive_scores[:, None]) & kept).sum(dim=1)
    return RankedNegatives(
        items=beams.items.gather(1, order).masked_fill(beyond, -1),
        scores=beams.log_probs.gather(1, order).masked_fill(beyond, -torch.inf),
        known=known,
        negatives=catalogue_size - (left_out >= 0).sum(dim=1),
        positive_found=found,
        positive_above=torch.where(found, above, known),
        positive_scores=positive_scores,
    )


class RankError(NamedTuple):
    """How far near-exact ranks are from exact ones, means over contexts."""

    recall: float  # share of the true best negatives, down to the window's end, that the near-exact list holds there
    rank: float  # absolute error of the rank of those that it holds anywhere, in ranks
    high_threshold: float  # absolute error of t_a, nats (contexts where both are finite; NaN if none)
    low_threshold: float  # absolute error of t_b, nats
    context: float  # absolute error of hard weights (9)


def rank_error(
    exact: RankedNegatives, near: RankedNegatives, lower: Tensor, upper: Tensor, reach: float = 1.0
) -> RankError:
    """The error of near against exact for windows (lower, upper] in ranks, [B], at least one wide; reach of (9)."""
    end = torch.minimum(upper.ceil().long(), exact.negatives)
    columns = torch.arange(exact.items.shape[1], device=end.device)[None, :]
    head = columns < end[:, None]
    ranks, _ = near.look_up(exact.items)
    listed = head & (ranks > 0)
    recalled = head & (ranks > 0) & (ranks < end[:, None] + 0.5)  # estimates are fractions
    errors = (ranks - 1 - columns).abs()[listed].double()
    weights = [
        hard_context_weights(ranked.positive_above, lower, upper, reach) * ranked.positive_found
        for ranked in (exact, near)
    ]
    gaps = []
    # Estimates may come with scores up to a constant of each context, which an item that both hold tells.
    constant = (near.scores[:, 0] - exact.look_up(near.items[:, :1])[1][:, 0]).nan_to_num(0.0, 0.0, 0.0)
    for position in (lower.floor().long(), end):
        gap = (exact.threshold(position) - near.threshold(position) + constant).abs()
        gaps.append(float(gap[gap.isfinite()].mean()))
    recall = (recalled.sum(dim=1).double() / end.clamp(min=1)).mean()
    context = (weights[0] - weights[1]).abs().mean()
    return RankError(float(recall), float(errors.mean()), gaps[0], gaps[1], float(context))
