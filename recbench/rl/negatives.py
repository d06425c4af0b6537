"""Sources of negatives: the catalogue uniformly, the policy's beam, both, the best of a pool, or a range of ranks.

Each returns candidates with the probability q with which its source includes them, which (8) divides by. No source ever
returns the positive or an excluded item, nor one item twice for a context; too few to choose from leaves -1.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from recbench.rl.ranking import RankedNegatives, distinct_exclusions


class Negatives(NamedTuple):
    """Candidates of B contexts."""

    items: Tensor  # int64 [B, K], -1 where there was nothing left to choose
    inclusion: Tensor  # float64 [B, K] in (0, 1]; 1 at -1


def sample_positions(sizes: Tensor, budget: int, generator: torch.Generator) -> Tensor:
    """budget distinct numbers of 0 ... sizes - 1 for each row, uniformly without replacement.

    sizes [B] gives int64 [B, budget] on sizes' device; a row of fewer than budget has all its numbers, then -1. Floyd's
    algorithm (Bentley and Floyd 1987): its work does not depend on sizes, so catalogues of millions cost nothing.
    """
    drawn = torch.rand(sizes.shape[0], budget, generator=generator, device=generator.device, dtype=torch.float64)
    drawn = drawn.to(sizes.device)
    chosen = torch.full((sizes.shape[0], budget), -1, dtype=torch.int64, device=sizes.device)
    count = sizes.clamp(min=0, max=budget)
    for step in range(budget):
        newest = sizes - count + step  # the number that joins the pool; taken itself when the drawn one is gone
        candidate = torch.minimum((drawn[:, step] * (newest + 1)).long(), newest)
        repeated = (chosen == candidate[:, None]).any(dim=1)
        chosen[:, step] = torch.where(repeated, newest, candidate).masked_fill(step >= count, -1)
    return chosen


def _share(budget: int, sizes: Tensor) -> Tensor:
    """Inclusion probability [B, 1] of budget draws without replacement from sizes [B]."""
    return (budget / sizes.clamp(min=1).double()).clamp(max=1.0)[:, None]


def uniform_negatives(
    catalogue_size: int, positives: Tensor, budget: int, generator: torch.Generator, exclude: Tensor | None = None
) -> Negatives:
    """budget items drawn uniformly without replacement from the catalogue, less the positive and exclude [B, E].

    positives [B]; exclude is padded with -1. q = budget / n.
    """
    left_out = distinct_exclusions(exclude, positives)
    sizes = catalogue_size - (left_out >= 0).sum(dim=1)
    items = sample_positions(sizes, budget, generator)
    for column in range(left_out.shape[1]):  # ascending, so that each step over a left-out item is final
        skipped = left_out[:, column : column + 1]
        items = items + ((items >= skipped) & (skipped >= 0) & (items >= 0))
    return Negatives(items, _share(budget, sizes).expand(items.shape).masked_fill(items < 0, 1.0))


def hardest_negatives(pool: Negatives, scores: Tensor, budget: int) -> Negatives:
    """Dynamic negative sampling: the budget items of the highest scores of a pool [B, M] scored [B, M], best first.

    Their probability q depends on all other scores and is not computed: inclusion is 1. Source: Zhang et al. 2013;
    arXiv 2302.03472.
    """
    best = scores.masked_fill(pool.items < 0, -torch.inf).topk(min(budget, scores.shape[1]), dim=1).indices
    items = torch.nn.functional.pad(pool.items.gather(1, best), (0, budget - best.shape[1]), value=-1)
    return Negatives(items, torch.ones_like(items, dtype=torch.float64))


def window_negatives(
    ranked: RankedNegatives, first: Tensor, last: Tensor, budget: int, generator: torch.Generator
) -> Negatives:
    """budget negatives drawn uniformly without replacement from the 1-based ranks first ... last, [B] each.

    q = budget / (listed ranks in the range), at most 1; where ranks are estimates, times the probability that the item
    was scored at all. The range ends where the list of ranked negatives does.
    """
    begin, sizes = ranked.columns(first, last)
    positions = sample_positions(sizes, budget, generator)
    columns = (positions + begin[:, None]).clamp(0, ranked.items.shape[1] - 1)
    items = ranked.items.gather(1, columns).masked_fill(positions < 0, -1)
    inclusion = _share(budget, sizes).expand(items.shape)
    if ranked.inclusion is not None:
        inclusion = inclusion * ranked.inclusion.gather(1, columns)
    return Negatives(items, inclusion.masked_fill(items < 0, 1.0))


def found_in_beam(ranked: RankedNegatives, width: int) -> Tensor:
    """Whether the positive is among the best width items, bool [B]: fewer than width negatives are above it."""
    return ranked.positive_found & (ranked.positive_above < width)


def beam_negatives(ranked: RankedNegatives, width: int, budget: int, generator: torch.Generator) -> Negatives:
    """budget negatives of the best width items, the positive left out.

    A beam of more negatives than the budget is drawn from uniformly. The positive takes one place of the beam where it
    is found. q = 1, or budget / (negatives in the beam).
    """
    last = width - found_in_beam(ranked, width).long()
    return window_negatives(ranked, torch.ones_like(last), last, budget, generator)


def mixed_negatives(
    catalogue_size: int,
    ranked: RankedNegatives,
    width: int,
    positives: Tensor,
    budget: int,
    generator: torch.Generator,
    exclude: Tensor | None = None,
) -> Negatives:
    """Half of the budget (the larger half) from the beam, the rest uniformly from what the beam did not give.

    q is exact: an item of the beam may come in either way.
    """
    from_beam = beam_negatives(ranked, width, budget - budget // 2, generator)
    taken = from_beam.items if exclude is None else torch.cat([from_beam.items, exclude], dim=1)
    others = uniform_negatives(catalogue_size, positives, budget // 2, generator, taken)
    items = torch.cat([from_beam.items, others.items], dim=1)
    ranks, _ = ranked.look_up(items)
    members = _beam_size(ranked, width)
    beam_share = _share(budget - budget // 2, members) * ((ranks > 0) & (ranks <= members[:, None]))
    rest = ranked.negatives - (from_beam.items >= 0).sum(dim=1)
    inclusion = beam_share + (1.0 - beam_share) * _share(budget // 2, rest)
    return Negatives(items, inclusion.masked_fill(items < 0, 1.0))


def _beam_size(ranked: RankedNegatives, width: int) -> Tensor:
    """Negatives [B] among the best width items."""
    return torch.minimum(width - found_in_beam(ranked, width).long(), ranked.known)
