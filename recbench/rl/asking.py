"""What is asked of the policy to build the groups of one batch: the catalogue's scores, a part of them, a beam."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recbench.rl.aims import context_windows, positives_rule, uses_window
from recbench.rl.estimation import (
    Head,
    RankTracker,
    inclusion_probabilities,
    make_pool,
    rank_pool,
    sample_items,
)
from recbench.rl.interface import RankedItems, Scorer
from recbench.rl.negatives import Negatives
from recbench.rl.outside import CountedScorer
from recbench.rl.positives import POSITIVES, Injected
from recbench.rl.ranking import RankedNegatives, rank_beam, rank_catalogue
from recbench.rl.ranks import RANKS, ExactRanks
from recbench.rl.rules import rule_of
from recbench.rl.rules.interface import Rule
from recbench.rl.sources import source_of
from recbench.rl.sources.interface import Source, beam_width
from recbench.rl.weighting import SHAPES
from recbench.schema import AlgoConfig, NegativesConfig


@dataclass(frozen=True)
class Batch:
    """The contexts of one step, who scores them, and by which settings their groups are built."""

    policy: Scorer
    histories: Tensor  # [B, T], as the policy reads them
    positives: Tensor  # int64 [B]
    algo: AlgoConfig
    negatives: NegativesConfig
    generator: torch.Generator  # of all randomness
    tracker: RankTracker | None = None  # of ranks=estimated, which moves it

    @property
    def rule(self) -> Rule:
        """The training rule."""
        return rule_of(self.algo)

    @property
    def source(self) -> Source:
        """The source of negatives."""
        return source_of(self.negatives)

    @property
    def entry(self) -> Injected:
        """How positives enter the groups."""
        return POSITIVES[positives_rule(self.algo, self.negatives)]

    @property
    def ranks(self) -> ExactRanks:
        """Where ranks come from."""
        return RANKS[self.algo.ranks]

    @property
    def windowed(self) -> bool:
        """Whether the groups need ranks."""
        return uses_window(self.algo, self.negatives)

    @property
    def width(self) -> int:
        """The beam width B of negatives and of on-policy positives."""
        return beam_width(self.algo, self.negatives)

    @property
    def budget(self) -> int:
        """Negatives a group, G - 1."""
        return self.algo.group_size - 1

    @property
    def exclude(self) -> Tensor | None:
        """Items [B, T] that are no negatives."""
        return self.histories if self.negatives.exclude_seen else None

    def drawn_ranks(self, ranked: RankedNegatives) -> tuple[Tensor, Tensor]:
        """First and last rank, int64 [B], from which negatives of the window are drawn."""
        ends = context_windows(self.algo, ranked.negatives)
        return SHAPES[self.algo.window_shape].drawn(*ends, ranked.negatives)


@dataclass(frozen=True)
class Found:
    """What the policy was asked for one batch, and what of it is known."""

    exact: RankedNegatives | None = None
    beam: RankedNegatives | None = None
    estimated: RankedNegatives | None = None
    entropy: Tensor | None = None
    drawn: Negatives | None = None  # of a source that chooses before anything is ranked
    scored: int = 0  # items a context

    @property
    def best(self) -> RankedNegatives | None:
        """The best ranks there are."""
        return next((ranks for ranks in (self.exact, self.estimated, self.beam) if ranks is not None), None)

    @property
    def ranked(self) -> RankedNegatives:
        """The same where some were asked for."""
        assert self.best is not None
        return self.best

    @property
    def searched(self) -> RankedNegatives:
        """The beam, where one was asked for."""
        assert self.beam is not None
        return self.beam


def ask(batch: Batch) -> Found:
    """Score the catalogue, a part of it, or search a beam, as the rule, its negatives and its positives need."""
    policy, source, ranks, count = batch.policy, batch.source, batch.ranks, batch.policy.catalogue_size
    found = Found()
    if source.chooses_first:
        counted = CountedScorer(policy)
        drawn = source.choose(
            counted,
            batch.histories,
            batch.positives,
            batch.budget,
            batch.negatives,
            batch.exclude,
            batch.generator,
        )
        found = replace(found, drawn=drawn, scored=counted.scored)
    windowed = batch.windowed
    # On-policy positives need a beam, but exact ranks tell what it would have found.
    searches = source.searches or (batch.entry.needs_beam and not (windowed and ranks.whole(policy, beam=False)))
    whole = windowed and ranks.whole(policy, beam=searches)
    if whole:
        scores = policy.score_catalogue(batch.histories)
        entropy = torch.special.entr(scores.double().exp()).sum(dim=1)
        exact = rank_catalogue(scores, batch.positives, batch.exclude)
        found = replace(found, exact=exact, entropy=entropy, scored=found.scored + count)
    # One beam serves ranks and negatives: the wider of the two.
    width = ranks.width(policy, batch.algo, batch.tracker) if windowed and not whole else 0
    width = max(width, batch.width) if searches else width
    beams = None
    if width > 0:
        if batch.exclude is not None:
            width += batch.exclude.shape[1]  # seen items take places of the beam
        width = min(width, count)
        beams = policy.beam_search(batch.histories, width)
        # A beam with one token an item is a full scoring, and one that exact ranks have already paid.
        cost = width if policy.searches else count * (found.exact is None)
        ranked = rank_beam(beams, batch.positives, count, batch.exclude)
        found = replace(found, beam=ranked, scored=found.scored + cost)
    return _estimate(batch, found, beams) if windowed and not whole and ranks.tracks else found


def _estimate(batch: Batch, found: Found, beams: RankedItems | None) -> Found:
    """Add estimated ranks: of the beam's items or what the tracker says is likely, and of negatives drawn so far."""
    assert batch.tracker is not None
    positives, tracker, count = batch.positives, batch.tracker, batch.policy.catalogue_size
    own = positives[:, None]
    if found.drawn is not None:
        own = torch.cat([own, found.drawn.items], dim=1)
    if beams is None:
        probabilities = tracker.probabilities()
    else:
        share = torch.ones(count, dtype=torch.float64, device=own.device)
        probabilities = inclusion_probabilities(share, tracker.sample)
    certain = (probabilities >= 1).nonzero().squeeze(1)
    sample = sample_items(len(own), probabilities.masked_fill(probabilities >= 1, 0.0), batch.generator)
    scores = batch.policy.score_some(batch.histories, certain, torch.cat([own, sample], dim=1))
    of_head, scores_of_own = scores.split([len(certain), own.shape[1] + sample.shape[1]], dim=1)
    head = Head(certain.expand(len(own), -1), of_head) if beams is None or len(certain) else beams
    pool = make_pool(head, sample, own, scores_of_own, positives, batch.exclude, probabilities)
    _, upper = context_windows(batch.algo, torch.full_like(positives, count - 1))
    depth = upper.ceil() if beams is None else None
    estimated = rank_pool(
        pool, count, positives, scores_of_own[:, 0], batch.exclude, probabilities[positives], tracker, depth
    )
    return replace(found, estimated=estimated, scored=found.scored + scores.shape[1])
