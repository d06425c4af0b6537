"""Weights of a batch's negatives (8) and contexts (9) by a configuration, from ranks of whatever source."""

import torch
from torch import Tensor

from recbench.rl.anchor import anchored_weights
from recbench.rl.objective import weighted_metric
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
    ranks_touched,
    soft_context_weights,
    soft_metric_weights,
    soft_weights,
)
from recbench.schema import AlgoConfig


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
    metric@K, they are its coefficients of ranks, (4) and (5). A soft window whose
    ends are not whole ranks is widened to the ranks that it touches. Candidates that the ranked list does not hold, and
    contexts whose list ends before the window begins, get 0. Where ranks are estimates and candidates were drawn from
    the ranks drawn = (first, last), [B] each, some stand for many that were not scored: weights are then over the
    estimated sum of all those ranks' weights, not over the candidates' own, and rows sum to 1 in expectation.
    """
    if config.anchor is not None:
        settings = config.anchor, config.anchor_count, config.anchor_temperature
        return anchored_weights(ranks, *settings, inclusion)
    metric = weighted_metric(config)
    coefficients = None if metric is None else metric_coefficients(*metric)
    temperature = config.window_temperature
    estimated = ranked.ranks is not None and drawn is not None
    total = None
    if config.window_shape == "hard":
        if coefficients is not None:
            total = coefficients.to(upper.device).cumsum(0)[upper.long() - 1] if estimated else None
            return hard_metric_weights(ranks, coefficients, inclusion, total)
        if estimated:
            total = (torch.minimum(upper, ranked.negatives.double()) - lower).clamp(min=0.0)
        return hard_weights(ranks, lower, upper, inclusion, total)
    first, _ = ranks_touched(lower, upper)
    reached = (ranks > 0) & ranked.reaches(first)[:, None]
    if coefficients is not None:
        positions = torch.arange(len(coefficients) + 1, device=ranks.device)
        ends = torch.stack([ranked.threshold(position.expand(len(ranks))) for position in positions], dim=1)
        if estimated:
            total = _soft_total(ranked, drawn, inside_metric(ranked.scores, ends, coefficients, temperature))
        return soft_metric_weights(scores, reached, ends, coefficients, temperature, inclusion, total)
    high, low = ranked.threshold(lower.floor().long()), ranked.threshold(upper.ceil().long())
    if estimated:
        total = _soft_total(ranked, drawn, inside_window(ranked.scores, high, low, temperature))
    return soft_weights(scores, reached, high, low, temperature, inclusion, total)


def _soft_total(ranked: RankedNegatives, drawn: tuple[Tensor, Tensor] | None, inside: Tensor) -> Tensor:
    """Sum over all negatives of the drawn ranks of exp(inside), float64 [B], where only some are listed [B, M].

    Each stands for the ranks around its own. The weight of a negative over this sum has next to no bias, where its
    share of the few weights in the group would have one of order one over their number.
    """
    assert ranked.ranks is not None and drawn is not None
    begin, count = (part[:, None] for part in ranked.columns(*drawn))
    columns = torch.arange(inside.shape[1], device=inside.device)[None, :]
    widths = rank_widths(ranked.ranks, ranked.known, ranked.negatives)
    widths = widths.masked_fill((columns < begin) | (columns >= begin + count), 0.0)
    return torch.where(widths > 0, inside.exp() * widths, 0.0).sum(dim=1)


def positive_weights(ranked: RankedNegatives, lower: Tensor, upper: Tensor, config: AlgoConfig) -> Tensor:
    """v of (9), float64 [B]; 0 where a beam did not find the positive, which cuts r_hi at the beam's width."""
    if config.window_shape == "hard":
        hard = hard_context_weights(ranked.positive_above, lower, upper, config.context_reach)
        return hard * ranked.positive_found
    first, end = context_ranks(lower, upper, config.context_reach)
    high, low = ranked.threshold(first), ranked.threshold(end)
    scores = ranked.positive_scores.masked_fill(~ranked.positive_found, 0.0)
    return soft_context_weights(scores, high, low, config.window_temperature) * ranked.positive_found
