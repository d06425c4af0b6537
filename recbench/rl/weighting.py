"""Weights of a batch's negatives (8) and contexts (9) by a configuration, from ranks of whatever source."""

from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.rl.aims import weighted_metric
from recbench.rl.anchor import anchored_weights
from recbench.rl.ranking import RankedNegatives
from recbench.rl.windows import (
    context_ranks,
    hard_context_weights,
    hard_metric_weights,
    hard_weights,
    inside_metric,
    inside_window,
    metric_coefficients,
    rank_widths,
    ranks_near,
    ranks_touched,
    soft_context_weights,
    soft_metric_weights,
    soft_weights,
)
from recbench.schema import AlgoConfig


class HardWindow:
    """A rank counts by how much of it lies inside."""

    def drawn(self, lower: Tensor, upper: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """First and last rank, int64 [B], of negatives that are drawn for the window (lower, upper], [B]."""
        return ranks_touched(lower, upper)

    def of_negatives(self, one: "Weighed") -> Tensor:
        """w of (8), float64 [B, K]."""
        total = None
        if one.coefficients is not None:
            if one.drawn is not None:
                total = one.coefficients.to(one.upper.device).cumsum(0)[one.upper.long() - 1]
            return hard_metric_weights(one.ranks, one.coefficients, one.inclusion, total)
        if one.drawn is not None:
            total = (torch.minimum(one.upper, one.ranked.negatives.double()) - one.lower).clamp(min=0.0)
        return hard_weights(one.ranks, one.lower, one.upper, one.inclusion, total)

    def of_positives(self, ranked: RankedNegatives, lower: Tensor, upper: Tensor, config: AlgoConfig) -> Tensor:
        """v of (9), float64 [B]."""
        return hard_context_weights(ranked.positive_above, lower, upper, config.context_reach)


class SoftWindow(HardWindow):
    """Scores count by how far inside the window's thresholds they are."""

    def drawn(self, lower: Tensor, upper: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """Ranks around the window count, too."""
        return ranks_near(lower, upper, negatives)

    def of_negatives(self, one: "Weighed") -> Tensor:
        """w of (8). A window whose ends are not whole ranks is widened to the ranks that it touches."""
        ranked, temperature, total = one.ranked, one.config.window_temperature, None
        first, _ = ranks_touched(one.lower, one.upper)
        reached = (one.ranks > 0) & ranked.reaches(first)[:, None]
        if one.coefficients is not None:
            positions = torch.arange(len(one.coefficients) + 1, device=one.ranks.device)
            ends = torch.stack([ranked.threshold(place.expand(len(one.ranks))) for place in positions], dim=1)
            if one.drawn is not None:
                inside = inside_metric(ranked.scores, ends, one.coefficients, temperature)
                total = _soft_total(ranked, one.drawn, inside)
            return soft_metric_weights(one.scores, reached, ends, one.coefficients, temperature, one.inclusion, total)
        high, low = ranked.threshold(one.lower.floor().long()), ranked.threshold(one.upper.ceil().long())
        if one.drawn is not None:
            total = _soft_total(ranked, one.drawn, inside_window(ranked.scores, high, low, temperature))
        return soft_weights(one.scores, reached, high, low, temperature, one.inclusion, total)

    def of_positives(self, ranked: RankedNegatives, lower: Tensor, upper: Tensor, config: AlgoConfig) -> Tensor:
        """v of (9)."""
        first, end = context_ranks(lower, upper, config.context_reach)
        high, low = ranked.threshold(first), ranked.threshold(end)
        scores = ranked.positive_scores.masked_fill(~ranked.positive_found, 0.0)
        return soft_context_weights(scores, high, low, config.window_temperature)


SHAPES = {"hard": HardWindow(), "soft": SoftWindow()}  # by algo.window_shape


@dataclass(frozen=True)
class Weighed:
    """Candidates of B contexts whose window weights are asked for."""

    ranked: RankedNegatives
    ranks: Tensor  # [B, K], 0 where the ranked list does not hold the candidate
    scores: Tensor  # [B, K], nats
    inclusion: Tensor  # float64 [B, K]
    lower: Tensor  # float64 [B]: the window (lower, upper], in ranks
    upper: Tensor
    config: AlgoConfig
    coefficients: Tensor | None  # of the ranks of a metric@K; none where a window gives the weights
    drawn: tuple[Tensor, Tensor] | None  # ranks, [B] each, of which the candidates are a sample of a sample


def window_weights(
    ranked: RankedNegatives,
    ranks: Tensor,
    scores: Tensor,
    inclusion: Tensor,
    lower: Tensor,
    upper: Tensor,
    config: AlgoConfig,
    drawn: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """w of (8), float64 [B, K], for candidates with ranks and scores [B, K]; window (lower, upper] in ranks, [B].

    With `config.anchor` the weights are those of (27), of the candidates' ranks alone. Where `config.weights` names a
    metric@K, they are its coefficients of ranks, (4) and (5). Candidates that the ranked list does not hold get 0. So
    do contexts whose list ends before the window begins.

    `drawn` = (first, last), [B] each, are the ranks that candidates were drawn from, if they were. Where ranks are
    estimates, a candidate then stands for others that were not scored. Its weight is over the estimated sum of the
    weights of all these ranks, not over the candidates' own, and rows sum to 1 in expectation only.
    """
    if config.anchor is not None:
        settings = config.anchor, config.anchor_count, config.anchor_temperature
        return anchored_weights(ranks, *settings, inclusion)
    metric = weighted_metric(config)
    coefficients = None if metric is None else metric_coefficients(*metric)
    estimated = drawn if ranked.ranks is not None else None
    one = Weighed(ranked, ranks, scores, inclusion, lower, upper, config, coefficients, estimated)
    return SHAPES[config.window_shape].of_negatives(one)


def _soft_total(ranked: RankedNegatives, drawn: tuple[Tensor, Tensor], inside: Tensor) -> Tensor:
    """Sum of exp(inside) over all negatives of the drawn ranks, float64 [B], where only some are listed [B, M].

    Each listed one stands for the ranks around its own. A weight over this sum has next to no bias. A weight over the
    sum of the group's few would have one of the order of one over their number.
    """
    assert ranked.ranks is not None
    begin, count = (part[:, None] for part in ranked.columns(*drawn))
    columns = torch.arange(inside.shape[1], device=inside.device)[None, :]
    widths = rank_widths(ranked.ranks, ranked.known, ranked.negatives)
    widths = widths.masked_fill((columns < begin) | (columns >= begin + count), 0.0)
    return torch.where(widths > 0, inside.exp() * widths, 0.0).sum(dim=1)


def positive_weights(ranked: RankedNegatives, lower: Tensor, upper: Tensor, config: AlgoConfig) -> Tensor:
    """v of (9), float64 [B]; 0 where a beam did not find the positive, which cuts r_hi at the beam's width."""
    return SHAPES[config.window_shape].of_positives(ranked, lower, upper, config) * ranked.positive_found
