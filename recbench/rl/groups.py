"""Groups of candidates for a batch of contexts: one positive, its negatives, and how much each of them counts."""

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recbench.rl.estimation import (
    Head,
    RankTracker,
    inclusion_probabilities,
    make_pool,
    rank_pool,
    sample_items,
    start_tracker,
)
from recbench.rl.interface import RankedItems, Scorer, ScoringPolicy
from recbench.rl.micro_batches import in_parts
from recbench.rl.negatives import (
    Negatives,
    beam_negatives,
    found_in_beam,
    hardest_negatives,
    mixed_negatives,
    uniform_negatives,
    window_negatives,
)
from recbench.rl.objective import (
    beam_width,
    context_windows,
    estimation_sizes,
    positives_rule,
    ranking_beam,
    uses_window,
)
from recbench.rl.outside import negatives_from_outside
from recbench.rl.randomness import SameMasks, random_state, set_random_state
from recbench.rl.ranking import RankedNegatives, RankError, rank_beam, rank_catalogue, rank_error
from recbench.rl.weighting import positive_weights, window_weights
from recbench.rl.windows import ranks_near, ranks_touched
from recbench.schema import WINDOWED, AlgoConfig, NegativesConfig, is_outside


@dataclass(frozen=True)
class Groups:
    """Candidates of B contexts, G each, with everything about them that is not differentiated."""

    candidates: Tensor  # int64 [B, G]; column 0 is the positive, or -1 where it is not in the group; -1 is padding
    valid: Tensor  # bool [B, G]: candidates >= 0
    positives: Tensor  # int64 [B]: the positive, in the group or not
    ranks: Tensor  # int64 [B, G]: 1-based among the negatives, estimates rounded; 0 for column 0 and where unknown
    inclusion: Tensor  # float64 [B, G]: probability that the source includes the candidate, (0, 1]
    weights: (
        Tensor  # float64 [B, G]: w of (7), rows of sum 1 (in expectation if ranks are estimated) or 0; column 0 is 0
    )
    context_weights: Tensor  # float64 [B]: v of (7), 0 where the positive is not in the group
    positive_present: Tensor  # bool [B]
    positive_above: (
        Tensor  # int64 [B]: negatives strictly above the positive; a lower bound if no beam found it; -1 unknown
    )
    covered: Tensor  # bool [B]: the ranked negatives reach the window's end (true where no ranks are needed)
    entropy: Tensor | None  # float64 [B]: of the policy over the catalogue, nats; none unless it was scored whole
    scored: int  # items scored a context: N for the catalogue, the width of a beam that searches, the size of a sample
    seconds: float  # wall time that building took: the cost of beams, ranks and thresholds

    @property
    def effective(self) -> Tensor:
        """bool [B]: the context has a gradient: its positive is there and some pair has weight."""
        return self.positive_present & (self.context_weights > 0) & (self.weights.sum(dim=1) > 0)

    @property
    def sizes(self) -> Tensor:
        """int64 [B]: valid candidates, the G of the scale c in (7)."""
        return self.valid.sum(dim=1)


@dataclass(frozen=True)
class _Sources:
    """What was asked of the policy for one batch."""

    exact: RankedNegatives | None = None
    beam: RankedNegatives | None = None
    estimated: RankedNegatives | None = None
    entropy: Tensor | None = None
    drawn: Negatives | None = None  # negatives that had to be chosen before they were scored: of dns, and by chance
    scored: int = 0

    @property
    def ranked(self) -> RankedNegatives | None:
        """The best ranks there are."""
        return next((ranks for ranks in (self.exact, self.estimated, self.beam) if ranks is not None), None)


def build_groups(
    policy: ScoringPolicy,
    histories: Tensor,
    positives: Tensor,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    generator: torch.Generator,
    tracker: RankTracker | None = None,
) -> Groups:
    """Groups for histories [B, T] (padded with -1) with positives [B], by the policy as it stands.

    Dropout is off unless config.rank_dropout keeps it. What torch draws for it is drawn again in every pass, and
    afterwards, so that all passes here and the gradient pass have the same masks where they are the same forward, which
    they are with one token an item.

    Asks of the policy only what the configuration needs: nothing for random negatives, a pool's scores for dns, a beam
    search for beam negatives, and for windows the catalogue's scores (ranks=exact), a wider beam (ranks=beam), or a
    part of the catalogue (ranks=estimated, which needs the run's `tracker` and moves it). Call
    `objective.check_objective` once before. All randomness comes from generator. Source: arXiv 2604.22504; (7) to (9)
    of docs/methods.md.
    """
    started = time.perf_counter()
    was_training = policy.training
    policy.train(config.rank_dropout)
    state = random_state(histories.device)
    asked: Scorer = SameMasks(policy, state) if config.rank_dropout else in_parts(policy, config.micro_batch)
    try:
        with torch.no_grad():
            exclude = histories if negatives_config.exclude_seen else None
            sources = _ask(asked, histories, positives, config, negatives_config, exclude, generator, tracker)
            return _assemble(policy, positives, sources, config, negatives_config, exclude, generator, started)
    finally:
        policy.train(was_training)
        set_random_state(histories.device, state)


def new_tracker(
    policy: ScoringPolicy,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    device: torch.device | str = "cpu",
) -> RankTracker | None:
    """What a new run tracks over its steps; none unless it needs ranks, and ranks=estimated."""
    if config.ranks != "estimated" or not uses_window(config, negatives_config):
        return None
    head, sample = estimation_sizes(config, policy.catalogue_size, policy.searches)
    return start_tracker(policy.catalogue_size, head, sample, config.rank_memory, device)


def near_exact_error(
    policy: ScoringPolicy,
    histories: Tensor,
    positives: Tensor,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    generator: torch.Generator | None = None,
    tracker: RankTracker | None = None,
) -> RankError:
    """How far ranks=beam or estimated is from exact ranks on histories [B, T] with positives [B]; scores them in full.

    The configuration is one with a window; dropout is as the caller has it. Estimated ranks need the run's tracker,
    which stays as it is, and a generator.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    with torch.no_grad():
        exclude = histories if negatives_config.exclude_seen else None
        exact = rank_catalogue(policy.score_catalogue(histories), positives, exclude)
        moved = None if tracker is None else tracker.copy()
        near = _ask(policy, histories, positives, config, negatives_config, exclude, generator, moved).ranked
    assert near is not None
    return rank_error(exact, near, *context_windows(config, exact.negatives), config.context_reach)


def _ask(
    policy: Scorer,
    histories: Tensor,
    positives: Tensor,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    exclude: Tensor | None,
    generator: torch.Generator,
    tracker: RankTracker | None,
) -> _Sources:
    """Score the catalogue, a part of it, or search a beam, as the configuration needs."""
    count = policy.catalogue_size
    sources = _Sources()
    if negatives_config.kind in ("dns", "random"):
        budget = negatives_config.pool if negatives_config.kind == "dns" else config.group_size - 1
        sources = replace(sources, drawn=uniform_negatives(count, positives, budget, generator, exclude))
    if negatives_config.kind == "dns":
        assert sources.drawn is not None
        scores = policy.score_groups(histories, sources.drawn.items)
        hardest = hardest_negatives(sources.drawn, scores, config.group_size - 1)
        sources = replace(sources, drawn=hardest, scored=scores.shape[1])
    if is_outside(negatives_config):
        drawn, scored = negatives_from_outside(
            policy, histories, positives, config.group_size - 1, negatives_config, exclude, generator
        )
        sources = replace(sources, drawn=drawn, scored=scored)
    windowed = uses_window(config, negatives_config)
    searched = negatives_config.kind in ("beam", "mixed")
    found_by_beam = positives_rule(config, negatives_config) == "on_policy" and not (
        windowed and config.ranks == "exact"
    )
    # With one token an item a beam costs the whole catalogue: then exact ranks come with it.
    whole = config.ranks == "exact" or (
        config.ranks == "estimated" and not policy.searches and (searched or found_by_beam)
    )
    width = 0
    if windowed and whole:
        scores = policy.score_catalogue(histories)
        entropy = torch.special.entr(scores.double().exp()).sum(dim=1)
        exact = rank_catalogue(scores, positives, exclude)
        sources = replace(sources, exact=exact, entropy=entropy, scored=sources.scored + count)
    elif windowed and config.ranks == "beam":
        width = ranking_beam(config, count)
    elif windowed:
        if tracker is None:
            raise ValueError("ranks=estimated needs the run's tracker: make one by new_tracker")
        width = tracker.head if policy.searches else 0
    if searched or found_by_beam:
        width = max(width, beam_width(config, negatives_config))
    beams = None
    if width > 0:
        if exclude is not None:
            width += exclude.shape[1]  # seen items take places of the beam
        width = min(width, count)
        beams = policy.beam_search(histories, width)
        # A beam with one token an item is a full scoring, and one that ranks=exact has already paid.
        cost = width if policy.searches else count * (sources.exact is None)
        ranked = rank_beam(beams, positives, count, exclude)
        sources = replace(sources, beam=ranked, scored=sources.scored + cost)
    if windowed and not whole and config.ranks == "estimated":
        assert tracker is not None
        sources = _estimate(policy, histories, positives, config, sources, beams, exclude, generator, tracker)
    return sources


def _estimate(
    policy: Scorer,
    histories: Tensor,
    positives: Tensor,
    config: AlgoConfig,
    sources: _Sources,
    beams: RankedItems | None,
    exclude: Tensor | None,
    generator: torch.Generator,
    tracker: RankTracker,
) -> _Sources:
    """Add estimated ranks, of the negatives drawn so far, too: from the beams, or what the tracker says is likely."""
    own = positives[:, None]
    if sources.drawn is not None:
        own = torch.cat([own, sources.drawn.items], dim=1)
    count = policy.catalogue_size
    if beams is None:
        probabilities = tracker.probabilities()
    else:
        share = torch.ones(count, dtype=torch.float64, device=own.device)
        probabilities = inclusion_probabilities(share, tracker.sample)
    certain = (probabilities >= 1).nonzero().squeeze(1)
    sample = sample_items(len(own), probabilities.masked_fill(probabilities >= 1, 0.0), generator)
    scores = policy.score_some(histories, certain, torch.cat([own, sample], dim=1))
    of_head, scores_of_own = scores.split([len(certain), own.shape[1] + sample.shape[1]], dim=1)
    head = Head(certain.expand(len(own), -1), of_head) if beams is None or len(certain) else beams
    pool = make_pool(head, sample, own, scores_of_own, positives, exclude, probabilities)
    _, upper = context_windows(config, torch.full_like(positives, count - 1))
    depth = upper.ceil() if beams is None else None
    estimated = rank_pool(
        pool, count, positives, scores_of_own[:, 0], exclude, probabilities[positives], tracker, depth
    )
    return replace(sources, estimated=estimated, scored=sources.scored + scores.shape[1])


def _assemble(
    policy: ScoringPolicy,
    positives: Tensor,
    sources: _Sources,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    exclude: Tensor | None,
    generator: torch.Generator,
    started: float,
) -> Groups:
    """Choose negatives, then weigh them and the contexts."""
    negatives = _choose(policy, positives, sources, config, negatives_config, exclude, generator)
    ranked = sources.ranked
    ranks, scores = torch.zeros_like(negatives.items), negatives.inclusion.new_zeros(negatives.items.shape)
    if ranked is not None:
        ranks, scores = ranked.look_up(negatives.items)
    valid = negatives.items >= 0
    weights = valid.double() / valid.sum(dim=1, keepdim=True).clamp(min=1)
    covered = torch.ones_like(positives, dtype=torch.bool)
    if uses_window(config, negatives_config):
        assert ranked is not None
        lower, upper = context_windows(config, ranked.negatives)
        covered = ranked.reaches(upper.ceil().long())
        if config.name in WINDOWED:
            drawn = _drawn_ranks(ranked, config) if negatives_config.kind == "window" else None
            weights = window_weights(ranked, ranks, scores, negatives.inclusion, lower, upper, config, drawn)
    rule = positives_rule(config, negatives_config)
    context_weights = torch.ones_like(positives, dtype=torch.float64)
    present = torch.ones_like(positives, dtype=torch.bool)
    if rule == "window":
        assert ranked is not None
        context_weights = positive_weights(ranked, lower, upper, config)
    elif rule == "on_policy":
        found_in = sources.beam if sources.beam is not None else sources.exact
        assert found_in is not None
        present = found_in_beam(found_in, beam_width(config, negatives_config))
    positive_column = torch.where(present, positives, torch.full_like(positives, -1))
    candidates = torch.cat([positive_column[:, None], negatives.items], dim=1)
    return Groups(
        candidates=candidates,
        valid=candidates >= 0,
        positives=positives,
        ranks=torch.cat([torch.zeros_like(positives)[:, None], ranks.round().long()], dim=1),
        inclusion=torch.cat([negatives.inclusion.new_ones(len(positives), 1), negatives.inclusion], dim=1),
        weights=torch.cat([weights.new_zeros(len(positives), 1), weights], dim=1),
        context_weights=context_weights * present,
        positive_present=present,
        positive_above=torch.full_like(positives, -1) if ranked is None else ranked.positive_above.round().long(),
        covered=covered,
        entropy=sources.entropy,
        scored=sources.scored,
        seconds=time.perf_counter() - started,
    )


def _choose(
    policy: ScoringPolicy,
    positives: Tensor,
    sources: _Sources,
    config: AlgoConfig,
    negatives_config: NegativesConfig,
    exclude: Tensor | None,
    generator: torch.Generator,
) -> Negatives:
    """The group's G - 1 negatives from the configured source."""
    budget = config.group_size - 1
    if sources.drawn is not None:
        return sources.drawn
    if negatives_config.kind == "window":
        ranked = sources.ranked
        assert ranked is not None
        return window_negatives(ranked, *_drawn_ranks(ranked, config), budget, generator)
    assert sources.beam is not None
    width = beam_width(config, negatives_config)
    if negatives_config.kind == "beam":
        return beam_negatives(sources.beam, width, budget, generator)
    return mixed_negatives(policy.catalogue_size, sources.beam, width, positives, budget, generator, exclude)


def _drawn_ranks(ranked: RankedNegatives, config: AlgoConfig) -> tuple[Tensor, Tensor]:
    """First and last rank, int64 [B], from which negatives=window draws."""
    lower, upper = context_windows(config, ranked.negatives)
    if config.window_shape == "hard":
        return ranks_touched(lower, upper)
    return ranks_near(lower, upper, ranked.negatives)
