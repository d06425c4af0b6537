"""Ranks of negatives from a head of likely ones and a sample of the rest, with what is tracked over steps.

Everything here is this project's own (docs/methods.md, section 4, "Where ranks come from"). A context's negatives are
the head, whose scores are all known, and the rest, of which a sample is scored. Between one item of the head
and the next lie some of the rest: how many is estimated from the sample, and from what was counted there before.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.rl.interface import RankedItems
from recbench.rl.ranking import RankedNegatives, distinct_exclusions
from recbench.rl.windows import ROUNDING


@dataclass(frozen=True)
class Pool:
    """The scored negatives of B contexts, unordered; an item is listed once a context."""

    items: Tensor  # int64 [B, M], -1 where the item is no negative of the context
    scores: Tensor  # [B, M], nats up to a constant of each context
    in_head: Tensor  # bool [B, M]: of the head
    sampled: Tensor  # bool [B, M]: of the sample of the rest; false for both: scored for another reason
    probabilities: Tensor  # float64 [B, M], (0, 1]: with which the sample takes the item, were it not in the head


UNSEEN = 0.05  # how often an item is taken to be among the best before it was, in means over the catalogue


class Head(NamedTuple):
    """`RankedItems` in any order: the items that were sure to be scored."""

    items: Tensor  # int64 [B, H]
    log_probs: Tensor  # [B, H], nats up to a constant of each context


@dataclass(frozen=True)
class RankTracker:
    """What is known of earlier steps' ranks; changed in place by every step, and written with a checkpoint.

    All sums decay by `memory` a step. Start a new one with every run.
    """

    memory: float
    head: int  # items of the head
    sample: int  # items of the rest that are drawn, at most
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

    def probabilities(self) -> Tensor:
        """With what probability the next step should score each item where there is no beam, float64 [N].

        1 for the `head` items that were most often among the best. `sample` of the others are drawn in proportion to
        the root of how often they were, which gives a sum over the best the least variance (Neyman 1934), with a share
        for those that never were. 1 for all at the first step.
        """
        probabilities = torch.ones_like(self.head_counts)
        if int(self.steps) == 0:
            return probabilities
        rest = self.head_counts.sort(descending=True, stable=True).indices[self.head :]
        sizes = (self.head_counts[rest] + UNSEEN * self.head_counts.mean()).sqrt()
        enough = sizes if float(sizes.sum()) > 0 else torch.ones_like(sizes)
        probabilities[rest] = inclusion_probabilities(enough, self.sample)
        return probabilities

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


def sample_items(contexts: int, probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Items [B, m] for each context, none twice, item i with probability probabilities[i]; float64 [N], in [0, 1).

    m is their sum, which has to be whole. Systematic sampling: one random order of the items, their probabilities end
    to end, and a comb of distance 1 that starts elsewhere for each context, at B evenly spaced places. So a batch
    covers every item as its probability says. Samples drawn apart would leave the gradient more noise, and one sample
    for all would let a few items bear the weight of the rest.
    """
    device = probabilities.device
    items = (probabilities > 0).nonzero().squeeze(1)
    order = items[torch.randperm(len(items), generator=generator, device=generator.device).to(device)]
    ends = probabilities[order].cumsum(0)
    size = round(float(ends[-1])) if len(order) else 0
    first = torch.rand(1, generator=generator, device=generator.device, dtype=torch.float64).to(device)
    start = (first + torch.arange(contexts, device=device) / max(contexts, 1)) % 1.0
    comb = start[:, None] + torch.arange(size, device=device)
    if size:
        ends = ends * (size / ends[-1])  # whole up to rounding
    return order[torch.searchsorted(ends, comb.contiguous(), right=True).clamp(max=len(order) - 1)]


def inclusion_probabilities(sizes: Tensor, budget: int) -> Tensor:
    """min(1, c size_i), c such that they sum to the budget: float64 [N] for sizes > 0 [N]; all 1 for a budget of N."""
    ordered, order = sizes.sort(descending=True, stable=True)
    budget = min(budget, len(sizes))
    left = budget - torch.arange(len(sizes), device=sizes.device, dtype=sizes.dtype)  # behind so many that are certain
    tails = ordered.flip(0).cumsum(0).flip(0)
    certain = int((left.clamp(min=0.0) * ordered >= tails * (1.0 - ROUNDING)).sum())
    probabilities = torch.ones_like(sizes)
    rest = order[certain:]
    if len(rest):
        probabilities[rest] = sizes[rest] * ((budget - certain) / tails[certain])
    return probabilities


def make_pool(
    head: RankedItems,
    sample: Tensor,
    own: Tensor,
    scores: Tensor,
    positives: Tensor,
    exclude: Tensor | None,
    probabilities: Tensor,
) -> Pool:
    """The pool of each context's head [B, H], sample [B, m] and own candidates [B, K], scores [B, K + m] of the latter.

    The sample is of `sample_items` with probabilities [N].

    -1 is no item. What the head and the sample share is the head's; an own candidate that one of them holds is theirs.
    positives [B] and exclude [B, E] are no negatives.
    """
    sample = sample.masked_fill(_member(sample, head.items), -1)
    own = own.masked_fill(_member(own, torch.cat([head.items, sample], dim=1)), -1)
    items = torch.cat([head.items, own, sample], dim=1)
    items = items.masked_fill(_member(items, distinct_exclusions(exclude, positives)), -1)
    column = torch.arange(items.shape[1], device=items.device)[None, :]
    real = items >= 0
    sampled = real & (column >= head.items.shape[1] + own.shape[1])
    return Pool(
        items=items,
        scores=torch.cat([head.log_probs.to(scores.dtype), scores], dim=1).masked_fill(~real, -torch.inf),
        in_head=real & (column < head.items.shape[1]),
        sampled=sampled,
        probabilities=probabilities[items.clamp(min=0)],
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
    positive_probabilities: Tensor,
    tracker: RankTracker | None = None,
    depth: Tensor | None = None,
) -> RankedNegatives:
    """Estimated ranks of the pool's items and of the positives [B] with scores [B].

    positive_probabilities [B] are those with which the sample takes the positives' items elsewhere.

    With a tracker, this step's counts join its sums, the share of an item in the best depth [B] as well, and estimates
    lean on them by their credibility; without one each context stands alone. Exact where the sample is all of the rest,
    and for ranks that the head holds, if nothing was ever missed there.
    """
    by_item = pool.items.masked_fill(pool.items < 0, catalogue_size).sort(dim=1, stable=True).indices
    order = by_item.gather(1, pool.scores.gather(1, by_item).sort(dim=1, descending=True, stable=True).indices)
    items, scores = pool.items.gather(1, order), pool.scores.gather(1, order)
    in_head, sampled = pool.in_head.gather(1, order), pool.sampled.gather(1, order)
    probabilities = pool.probabilities.gather(1, order)
    inclusion = torch.where(sampled, probabilities, 1.0)
    negatives = catalogue_size - (distinct_exclusions(exclude, positives) >= 0).sum(dim=1)
    gaps = _Gaps(in_head, sampled, 1.0 / probabilities - 1.0, negatives)
    unseen = gaps.estimate(tracker)
    real = items >= 0
    ranks = gaps.ranks(unseen).masked_fill(~real, torch.inf)
    above = ((scores > positive_scores[:, None]) & real).sum(dim=1)
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
        positive_above=gaps.above(unseen, above, 1.0 / positive_probabilities - 1.0),
        positive_scores=positive_scores,
        ranks=ranks,
        inclusion=inclusion,
    )


class _Gaps:
    """How many of the head and of the sample lie above each place of ordered pools [B, M].

    Gap j is what lies between the head's items j and j + 1, of H items; the last one is open below.
    """

    def __init__(self, in_head: Tensor, sampled: Tensor, own: Tensor, negatives: Tensor) -> None:
        heads = in_head.sum(dim=1)
        self.in_head, self.sampled = in_head, sampled
        self.own = own.masked_fill(in_head, 0.0)  # how many unscored negatives an item stands for where it is sampled
        self.seen = sampled.sum(dim=1)  # [B], m
        self.rest = negatives - heads  # [B], R
        width = int(heads.max()) if len(heads) else 0
        # Sampled negatives above the head's j-th item, j = 1 ... H, and all of them behind the last one: [B, width].
        counts = sampled.cumsum(dim=1)
        places = (~in_head).long().sort(dim=1, stable=True).indices[:, :width]
        self.present = torch.arange(width, device=heads.device)[None, :] < heads[:, None]
        self.sampled_above = torch.where(self.present, counts.gather(1, places), self.seen[:, None])
        # What these stand for, and the sampling variance of that, as if items were drawn independently.
        self.more = torch.where(sampled, own, 0.0)
        self.stood_for = self.more.cumsum(dim=1).gather(1, places)
        self.variance = (self.more * (1.0 + self.more)).cumsum(dim=1).gather(1, places)

    def estimate(self, tracker: RankTracker | None) -> Tensor:
        """How many of the rest that were not scored lie above the head's j-th item, float64 [B, H]; not falling."""
        count = self.sampled_above.double()
        own = count + self.stood_for
        if tracker is not None and 0 < own.shape[1] <= tracker.head:
            tracker.missed.mul_(tracker.memory)
            tracker.count_missed(own, self.variance, self.present)
            mean, weight = (values[: own.shape[1]] for values in tracker.credibility())
            own = weight * own + (1.0 - weight) * mean
        most = (self.rest - self.seen).double()[:, None]
        return torch.minimum((own - count).clamp(min=0.0).cummax(dim=1).values, most) if own.shape[1] else own

    def _unscored(self, unseen: Tensor, heads: Tensor, above: Tensor, own: Tensor, listed: Tensor) -> Tensor:
        """Unscored negatives above places that have heads items of the head above them, all [B, K]; float64.

        above says what the sampled negatives above a place stand for, own what the item there does, or would if it was
        sampled (listed, bool: it was). The unscored of a gap lie above its sampled ones as these stand for them, and
        below the last one as many as above it: with equal probabilities the means of order statistics.
        """
        edge = (self.rest - self.seen).double()[:, None]
        first = torch.zeros_like(edge)
        bounds = torch.cat([first, torch.where(self.present, unseen, edge), edge], dim=1)
        everything = self.more.sum(dim=1, keepdim=True)
        stood_for = torch.cat([first, torch.where(self.present, self.stood_for, everything), everything], dim=1)
        after = (heads + 1).clamp(max=bounds.shape[1] - 1)
        before = bounds.gather(1, heads)
        earlier = stood_for.gather(1, heads)
        inside = stood_for.gather(1, after) - earlier
        whole = inside + own + torch.where(listed, 0.0, own)
        share = torch.where(whole > 0, (above - earlier + own) / whole.masked_fill(whole == 0, 1.0), 0.5).clamp(
            0.0, 1.0
        )
        return before + share * (bounds.gather(1, after) - before)

    def ranks(self, unseen: Tensor) -> Tensor:
        """1-based ranks of the items in order, float64 [B, M]."""
        heads = self.in_head.cumsum(dim=1) - self.in_head.long()
        counts = self.sampled.cumsum(dim=1) - self.sampled.long()
        above = self.more.cumsum(dim=1) - torch.where(self.sampled, self.more, 0.0)
        unscored = self._unscored(unseen, heads, above, self.own, self.sampled)
        width = self.present.shape[1]
        if width:  # an item of the head ends its gap
            unscored = torch.where(self.in_head, unseen.gather(1, heads.clamp(max=width - 1)), unscored)
        return 1.0 + heads + counts + unscored

    def above(self, unseen: Tensor, place: Tensor, own: Tensor) -> Tensor:
        """Negatives above an item behind place [B] items of the pool, which would stand for own [B]; float64 [B].

        An item has one rank, whether it is a positive here or one of the sample elsewhere.
        """
        index = (place - 1).clamp(min=0)[:, None]
        flags = (self.in_head.long(), self.sampled.long(), self.more)
        heads, counts, above = (values.cumsum(dim=1).gather(1, index) * (place > 0)[:, None] for values in flags)
        elsewhere = torch.zeros_like(heads, dtype=torch.bool)
        return (heads + counts + self._unscored(unseen, heads, above, own[:, None], elsewhere)).squeeze(1)
