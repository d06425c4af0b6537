"""Groups of candidates for a batch of contexts: one positive, its negatives, and how much each of them counts."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.rl.aims import context_windows, estimation_sizes, uses_window
from recbench.rl.asking import Batch, Found, ask
from recbench.rl.estimation import RankTracker, start_tracker
from recbench.rl.interface import Scorer, ScoringPolicy
from recbench.rl.micro_batches import in_parts
from recbench.rl.negatives import Negatives
from recbench.rl.randomness import SameMasks, random_state, set_random_state
from recbench.rl.ranking import RankError, rank_catalogue, rank_error
from recbench.rl.ranks import RANKS
from recbench.rl.weighting import window_weights
from recbench.schema import AlgoConfig, NegativesConfig


@dataclass(frozen=True)
class Groups:
    """Candidates of B contexts, G each, with everything about them that is not differentiated."""

    candidates: Tensor  # int64 [B, G]; column 0 is the positive, or -1 where it is not in the group; -1 is padding
    valid: Tensor  # bool [B, G]: candidates >= 0
    positives: Tensor  # int64 [B]: the positive, in the group or not
    ranks: Tensor  # int64 [B, G]: 1-based among the negatives, estimates rounded; 0 for column 0 and where unknown
    inclusion: Tensor  # float64 [B, G]: probability that the source includes the candidate, (0, 1]
    # float64 [B, G]: w of (7), rows of sum 1 (in expectation if ranks are estimated) or 0; column 0 is 0
    weights: Tensor
    context_weights: Tensor  # float64 [B]: v of (7), 0 where the positive is not in the group
    positive_present: Tensor  # bool [B]
    # int64 [B]: negatives strictly above the positive; a lower bound if no beam found it; -1 unknown
    positive_above: Tensor
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

    The policy is asked only for what rule, negatives and positives need: nothing for random negatives; a pool's scores
    for dns; a beam for beam negatives. Windows need ranks: of the catalogue's scores (ranks=exact), of a wider beam
    (ranks=beam), or of a part of the catalogue (ranks=estimated, which needs the run's `tracker` and moves it).

    Dropout is off unless config.rank_dropout keeps it. Then every pass here, and the gradient pass that follows, draws
    the same numbers for it. With one token an item these passes are the same forward, so their masks are the same.

    Call `objective.check_objective` once before. All randomness comes from generator. Source: arXiv 2604.22504; (7) to
    (9) of docs/methods.md.
    """
    started = time.perf_counter()
    was_training = policy.training
    policy.train(config.rank_dropout)
    state = random_state(histories.device)
    asked: Scorer = SameMasks(policy, state) if config.rank_dropout else in_parts(policy, config.micro_batch)
    batch = Batch(asked, histories, positives, config, negatives_config, generator, tracker)
    try:
        with torch.no_grad():
            return _assemble(batch, ask(batch), started)
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
    if not RANKS[config.ranks].tracks or not uses_window(config, negatives_config):
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
    moved = None if tracker is None else tracker.copy()
    batch = Batch(policy, histories, positives, config, negatives_config, generator, moved)
    with torch.no_grad():
        exact = rank_catalogue(policy.score_catalogue(histories), positives, batch.exclude)
        near = ask(batch).ranked
    return rank_error(exact, near, *context_windows(config, exact.negatives), config.context_reach)


def _assemble(batch: Batch, found: Found, started: float) -> Groups:
    """Choose negatives, then weigh them and the contexts."""
    positives, ranked = batch.positives, found.best
    negatives = found.drawn if found.drawn is not None else batch.source.choose_found(batch, found)
    ranks, scores = torch.zeros_like(negatives.items), negatives.inclusion.new_zeros(negatives.items.shape)
    if ranked is not None:
        ranks, scores = ranked.look_up(negatives.items)
    # Negatives count alike, unless a window weighs them.
    valid = negatives.items >= 0
    weights = valid.double() / valid.sum(dim=1, keepdim=True).clamp(min=1)
    covered = torch.ones_like(positives, dtype=torch.bool)
    if batch.windowed:
        lower, upper = context_windows(batch.algo, found.ranked.negatives)
        covered = found.ranked.reaches(upper.ceil().long())
        if batch.rule.windowed:
            weights = _window_weights(batch, found, negatives, ranks, scores, lower, upper)
    # The positive is the first candidate, or -1 there.
    entered = batch.entry.enter(batch, found)
    positive_column = torch.where(entered.present, positives, torch.full_like(positives, -1))
    candidates = torch.cat([positive_column[:, None], negatives.items], dim=1)
    return Groups(
        candidates=candidates,
        valid=candidates >= 0,
        positives=positives,
        ranks=torch.cat([torch.zeros_like(positives)[:, None], ranks.round().long()], dim=1),
        inclusion=torch.cat([negatives.inclusion.new_ones(len(positives), 1), negatives.inclusion], dim=1),
        weights=torch.cat([weights.new_zeros(len(positives), 1), weights], dim=1),
        context_weights=entered.weights * entered.present,
        positive_present=entered.present,
        positive_above=torch.full_like(positives, -1) if ranked is None else ranked.positive_above.round().long(),
        covered=covered,
        entropy=found.entropy,
        scored=found.scored,
        seconds=time.perf_counter() - started,
    )


def _window_weights(
    batch: Batch, found: Found, negatives: Negatives, ranks: Tensor, scores: Tensor, lower: Tensor, upper: Tensor
) -> Tensor:
    """w of (8) for the negatives; those drawn from the window's ranks may stand for others that were not scored."""
    drawn = batch.drawn_ranks(found.ranked) if batch.source.of_window else None
    return window_weights(found.ranked, ranks, scores, negatives.inclusion, lower, upper, batch.algo, drawn)
