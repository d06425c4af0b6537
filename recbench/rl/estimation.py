"""Ranks of negatives from a head of likely ones and a uniform sample of the rest, with what is tracked over steps.

Everything here is this project's own (docs/methods.md, section 4, "Where ranks come from"). A context's negatives are
the head, whose scores are all known, and the rest, of which a uniform sample is scored. Between one item of the head
and the next lie some of the rest: how many is estimated from the sample, and from what was counted there before.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.rl.interface import RankedItems
from recbench.rl.ranking import RankedNegatives, distinct_exclusions


@dataclass(frozen=True)
class Pool:
    """The scored negatives of B contexts, unordered; an item is listed once a context."""

    items: Tensor  # int64 [B, M], -1 where the item is no negative of the context
    scores: Tensor  # [B, M], nats up to a constant of each context
    in_head: Tensor  # bool [B, M]: of the head
    sampled: Tensor  # bool [B, M]: of the sample of the rest; false for both: scored for another reason


class Head(NamedTuple):
    """`RankedItems` in any order: the items of a shortlist, scored."""

    items: Tensor  # int64 [B, H]
    log_probs: Tensor  # [B, H], nats up to a constant of each context


@dataclass(frozen=True)
class RankTracker:
    """What is known of earlier steps' ranks; changed in place by every step, and written with a checkpoint.

    All sums decay by `memory` a step. Start a new one with every run.
    """

    memory: float
    head: int  # items of the head, at most
    sample: int  # items of the rest that are scored, at most
    steps: Tensor  # int64 scalar: steps seen
    head_counts: Tensor  # float64 [N]: contexts among whose best an item was, over its inclusion probability
    missed: Tensor  # float64 [4, head]: of the rest above the head's j-th item: contexts, sums of W, W^2, variance of W

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors that a checkpoint keeps; reading one means writing into them."""
        return {"steps": self.steps, "head_counts": self.head_counts, "missed": self.missed}

    def copy(self) -> "RankTracker":
        """A tracker that can be moved without moving this one."""
        state = {name: value.clone() for name, value in self.state.items()}
        return RankTracker(self.memory, self.head, self.sample, **state)

    def shortlist(self) -> Tensor:
        """The `head` items that were most often among the best, ascending; the whole catalogue at the first step."""
        if int(self.steps) == 0:
            return torch.arange(len(self.head_counts), device=self.head_counts.device)
        order = self.head_counts.sort(descending=True, stable=True).indices
        return order[: self.head].sort().values

    def count_missed(self, estimates: Tensor, noise: Tensor, present: Tensor) -> None:
        """Add a batch of W [B, J] with sampling variances [B, J] where present (bool [B, J]); J at most `head`."""
        values = torch.stack([torch.ones_like(estimates), estimates, estimates.square(), noise])
        self.missed[:, : estimates.shape[1]] += (values * present).sum(dim=1)

    def credibility(self) -> tuple[Tensor, Tensor]:
        """Mean M of W at each place of the head, and the weight Z in [0, 1] of a context's own W beside it: [head].

        Z is the variance of the true number between contexts over that plus the sampling variance (Buehlmann 1967).
        """
        contexts, total, squares, noise = self.missed
        contexts = contexts.clamp(min=torch.finfo(torch.float64).tiny)
        mean, noise = total / contexts, noise / contexts
        between = (squares / contexts - mean.square() - noise).clamp(min=0.0)
        spread = between + noise
        return mean, torch.where(spread > 0, between / spread.masked_fill(spread == 0, 1.0), 1.0)


def start_tracker(
    catalogue_size: int, head: int, sample: int, memory: float, device: torch.device | str = "cpu"
) -> RankTracker:
    """A tracker that has seen nothing; head and sample in items, memory in [0, 1)."""
    return RankTracker(
        memory=memory,
        head=min(head, catalogue_size),
        sample=sample,
        steps=torch.zeros((), dtype=torch.int64, device=device),
        head_counts=torch.zeros(catalogue_size, dtype=torch.float64, device=device),
        missed=torch.zeros(4, min(head, catalogue_size), dtype=torch.float64, device=device),
    )


def sample_rest(contexts: int, catalogue_size: int, head: Tensor, budget: int, generator: torch.Generator) -> Tensor:
    """budget items [B, budget] for each context, uniform without replacement, of those not in head (int64 [H]).

    Contexts take stretches of one random order of the rest, evenly spread over it: each one's sample is uniform, and a
    batch of them covers all items as equally as it can. Samples drawn apart would leave the gradient more noise, and
    one sample for all would let a few items bear the weight of the rest.
    """
    rest = torch.ones(catalogue_size, dtype=torch.bool, device=head.device)
    rest[head] = False
    others = rest.nonzero().squeeze(1)
    order = others[torch.randperm(len(others), generator=generator, device=generator.device).to(head.device)]
    start = torch.arange(contexts, device=head.device) * len(order) // max(contexts, 1)
    step = torch.arange(min(budget, len(order)), device=head.device)
    return order[(start[:, None] + step) % max(len(order), 1)]


def make_pool(
    head: RankedItems,
    sample: Tensor,
    own: Tensor,
    scores: Tensor,
    positives: Tensor,
    exclude: Tensor | None,
) -> Pool:
    """The pool of each context's head [B, H], sample [B, m] and own candidates [B, K], scores [B, K + m] of the latter.

    -1 is no item. What the head and the sample share is the head's; an own candidate that one of them holds is theirs.
    positives [B] and exclude [B, E] are no negatives.
    """
    sample = sample.masked_fill(_member(sample, head.items), -1)
    own = own.masked_fill(_member(own, torch.cat([head.items, sample], dim=1)), -1)
    items = torch.cat([head.items, own, sample], dim=1)
    items = items.masked_fill(_member(items, distinct_exclusions(exclude, positives)), -1)
    column = torch.arange(items.shape[1], device=items.device)[None, :]
    real = items >= 0
    return Pool(
        items=items,
        scores=torch.cat([head.log_probs.to(scores.dtype), scores], dim=1).masked_fill(~real, -torch.inf),
        in_head=real & (column < head.items.shape[1]),
        sampled=real & (column >= head.items.shape[1] + own.shape[1]),
    )


def _member(items: Tensor, of: Tensor) -> Tensor:
    """Whether items [B, K] are among of [B, W], bool [B, K]."""
    if not of.shape[1]:
        return torch.zeros_like(items, dtype=torch.bool)
    ordered = of.sort(dim=1).values.contiguous()
    place = torch.searchsorted(ordered, items.contiguous()).clamp(max=ordered.shape[1] - 1)
    return ordered.gather(1, place) == items


def rank_pool(
    pool: Pool,
    catalogue_size: int,
    positives: Tensor,
    positive_scores: Tensor,
    exclude: Tensor | None,
    tracker: RankTracker | None = None,
    depth: Tensor | None = None,
) -> RankedNegatives:
    """Estimated ranks of the pool's items and of the positives [B] with scores [B].

    With a tracker, this step's counts join its sums, the share of an item in the best depth [B] as well, and estimates
    lean on them by their credibility; without one each context stands alone. Exact where the sample is all of the rest,
    and for ranks that the head holds, if nothing was ever missed there.
    """
    by_item = pool.items.masked_fill(pool.items < 0, catalogue_size).sort(dim=1, stable=True).indices
    order = by_item.gather(1, pool.scores.gather(1, by_item).sort(dim=1, descending=True, stable=True).indices)
    items, scores = pool.items.gather(1, order), pool.scores.gather(1, order)
    in_head, sampled = pool.in_head.gather(1, order), pool.sampled.gather(1, order)
    negatives = catalogue_size - (distinct_exclusions(exclude, positives) >= 0).sum(dim=1)
    gaps = _Gaps(in_head, sampled, negatives)
    unseen = gaps.estimate(tracker)
    real = items >= 0
    ranks = gaps.ranks(unseen, in_head, sampled).masked_fill(~real, torch.inf)
    above = ((scores > positive_scores[:, None]) & real).sum(dim=1)
    inclusion = torch.where(sampled, gaps.share[:, None], 1.0).double()
    if tracker is not None:
        if depth is not None:
            best = ((in_head | sampled) & (ranks <= depth[:, None])).double() / inclusion
            counted = torch.zeros_like(tracker.head_counts)
            counted.index_put_((items.clamp(min=0).flatten(),), best.flatten(), accumulate=True)
            tracker.head_counts.mul_(tracker.memory).add_(counted)
        tracker.steps.add_(1)
    return RankedNegatives(
        items=items,
        scores=scores,
        known=real.sum(dim=1),
        negatives=negatives,
        positive_found=torch.ones_like(positives, dtype=torch.bool),
        positive_above=gaps.above(unseen, in_head, sampled, above),
        positive_scores=positive_scores,
        ranks=ranks,
        inclusion=inclusion,
    )


class _Gaps:
    """How many of the head and of the sample lie above each place of ordered pools [B, M].

    Gap j is what lies between the head's items j and j + 1, of H items; the last one is open below.
    """

    def __init__(self, in_head: Tensor, sampled: Tensor, negatives: Tensor) -> None:
        heads = in_head.sum(dim=1)
        self.heads = heads  # [B], H
        self.seen = sampled.sum(dim=1)  # [B], m
        self.rest = negatives - heads  # [B], R
        self.share = (self.seen / self.rest.clamp(min=1)).clamp(max=1.0).double()  # [B]: of the rest, scored
        width = int(heads.max()) if len(heads) else 0
        # Sampled negatives above the head's j-th item, j = 1 ... H, and all of them behind the last one: [B, width].
        counts = sampled.cumsum(dim=1)
        places = (~in_head).long().sort(dim=1, stable=True).indices[:, :width]
        self.present = torch.arange(width, device=heads.device)[None, :] < heads[:, None]
        self.sampled_above = torch.where(self.present, counts.gather(1, places), self.seen[:, None])

    def estimate(self, tracker: RankTracker | None) -> Tensor:
        """How many of the rest that were not scored lie above the head's j-th item, float64 [B, H]; not falling."""
        count = self.sampled_above.double()
        factor = (self.rest / self.seen.clamp(min=1)).double()[:, None]  # negatives of the rest to a sampled one
        own = count * factor
        if tracker is not None and 0 < own.shape[1] <= tracker.head:
            noise = (factor - 1.0) * own * (1.0 - count / self.seen.clamp(min=1)[:, None])
            tracker.missed.mul_(tracker.memory)
            tracker.count_missed(own, noise, self.present)
            mean, weight = (values[: own.shape[1]] for values in tracker.credibility())
            own = weight * own + (1.0 - weight) * mean
        most = (self.rest - self.seen).double()[:, None]
        return torch.minimum((own - count).clamp(min=0.0).cummax(dim=1).values, most) if own.shape[1] else own

    def _sides(self, unseen: Tensor, above: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """For gaps above [B, K]: the unscored above them and inside, the sampled above them and inside."""
        edge = (self.rest - self.seen).double()[:, None]
        first = torch.zeros_like(edge)
        bounds = torch.cat([first, torch.where(self.present, unseen, edge), edge], dim=1)
        counts = torch.cat([first.long(), self.sampled_above, self.seen[:, None]], dim=1)
        before, sampled = bounds.gather(1, above), counts.gather(1, above)
        after = (above + 1).clamp(max=bounds.shape[1] - 1)
        return before, bounds.gather(1, after) - before, sampled, counts.gather(1, after) - sampled

    def ranks(self, unseen: Tensor, in_head: Tensor, sampled: Tensor) -> Tensor:
        """1-based ranks of the items in order, float64 [B, M].

        The unscored negatives of a gap spread evenly over the spaces between its scored ones.
        """
        heads = in_head.cumsum(dim=1) - in_head.long()
        counts = sampled.cumsum(dim=1) - sampled.long()
        before, inside, earlier, members = self._sides(unseen, heads)
        # An item of the head closes its gap. Another one that is not of the sample divides a space as if it were.
        spaces = torch.where(in_head, members + 1, counts - earlier + 1)
        divided = members + torch.where(in_head | sampled, 1, 2)
        return 1.0 + heads + counts + before + inside * spaces / divided

    def above(self, unseen: Tensor, in_head: Tensor, sampled: Tensor, place: Tensor) -> Tensor:
        """Negatives above a score that lies behind place [B] items of the pool, float64 [B]."""
        index = (place - 1).clamp(min=0)[:, None]
        heads, counts = (flags.cumsum(dim=1).gather(1, index) * (place > 0)[:, None] for flags in (in_head, sampled))
        before, inside, earlier, members = self._sides(unseen, heads)
        # The score divides a space as one more of the sample would, so that an item has one rank, whichever it is.
        return (heads + counts + before + inside * (counts - earlier + 1) / (members + 2)).squeeze(1)
