"""Weights of negatives (8) and of contexts (9) for a window [a, b] of the false positive rate.

Everything is counted in ranks among the n negatives of a context: a window's ends are lower = a n and upper = b n, and
rank k (1-based, best first) owns the interval (k - 1, k]. Weights follow TAWin, arXiv 2604.22504, in this project's own
form (docs/methods.md, section 4).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

ROUNDING = 1e-9  # ends nearer than this to a whole rank are that rank: (15 / n) n must not touch rank 16
NEGLIGIBLE = math.log(1e-6)  # soft weights below this for all candidates count as all zero, as hard ones would be


def window_in_ranks(window: tuple[float, float], negatives: Tensor) -> tuple[Tensor, Tensor]:
    """The ends (a n, b n) of an FPR window, float64 [B], for contexts with negatives [B] negatives each.

    An end within ROUNDING of a whole rank k is that rank; so is one that is k / n up to the rounding of a double, which
    may be further off where n is huge.
    """
    count = negatives.double()
    lower, upper = [_whole_where_meant(end, end * count, count) for end in window]
    return lower, upper


def _whole_where_meant(end: float, rank: Tensor, count: Tensor) -> Tensor:
    nearest = rank.round()
    return torch.where(((rank - nearest).abs() < ROUNDING) | (nearest / count == end), nearest, rank)


def window_for_top_k(k: int, negatives: int) -> tuple[float, float]:
    """The FPR window (a, b) of the negatives of ranks floor(k / 2) to ceil(3 k / 2), both included, of n negatives.

    Rank 0 does not exist and ranks beyond n neither: k = 10 gives ranks 5 to 15, (4 / n, 15 / n]; k = 1 ranks 1 and 2.
    The window always contains ((k - 1) / n, k / n], which is HR@k by (3). Needs 1 <= k <= n.
    """
    first, last = max(1, k // 2), min(negatives, -(-3 * k // 2))
    return (first - 1) / negatives, last / negatives


def ranks_touched(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """First and last 1-based rank, int64 [B], whose interval overlaps (lower, upper] (ranks, [B])."""
    return lower.floor().long() + 1, upper.ceil().long()


def ranks_near(lower: Tensor, upper: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """First and last rank from which soft windows draw: floor(a n / 2) to ceil(2 b n), within 1 ... n; int64 [B]."""
    first, last = context_ranks(lower, upper, 2.0)
    return first.clamp(min=1), torch.minimum(last, negatives)


def context_ranks(lower: Tensor, upper: Tensor, reach: float = 1.0) -> tuple[Tensor, Tensor]:
    """r_lo = floor(a n / reach) and r_hi = ceil(reach b n) of (9), int64 [B]: where a positive counts.

    reach = 1 is the window itself, a larger one (at least 1) what lies around it.
    """
    return (lower / reach + ROUNDING).floor().long(), (reach * upper - ROUNDING).ceil().long()


def hard_weights(ranks: Tensor, lower: Tensor, upper: Tensor, inclusion: Tensor, total: Tensor | None = None) -> Tensor:
    """Hard weights of (8): the length of (k - 1, k] inside (lower, upper], over the inclusion probability.

    ranks [B, M] are 1-based among the negatives, 0 where there is no candidate or its rank is unknown (weight 0);
    lower, upper [B] are in ranks, inclusion [B, M] in (0, 1]. Returns float64 [B, M] of row sum 1, or all 0 for a
    context that has no candidate inside the window. With total [B], the sum over all negatives, rows are divided by
    that instead of by their own sum, and sum to 1 in expectation only.
    """
    position = ranks.double()
    overlap = torch.minimum(position, upper[:, None]) - torch.maximum(position - 1.0, lower[:, None])
    weights = torch.where(ranks > 0, overlap.clamp(min=0.0) / inclusion.double(), torch.zeros_like(overlap))
    return _divided(weights, total)


def metric_coefficients(metric: str, k: int) -> Tensor:
    """How much of metric@k rests on the negative of rank 1 ... k: float64 [k], at least 0, of sum 1.

    ndcg: 1 / log2(r + 1) - 1 / log2(r + 2) at rank r < k, 1 / log2(k + 1) at rank k, by (4); mrr: 1 / r - 1 / (r + 1)
    and 1 / k, by (5). Without ties HR@r is 1[s+ > score of the negative of rank r]. So the metric is the sum of these
    indicators times the coefficients.
    """
    ranks = torch.arange(1, k + 2, dtype=torch.float64)
    gains = {"ndcg": 1.0 / torch.log2(ranks + 1.0), "mrr": 1.0 / ranks}[metric]
    gains[k] = 0.0  # a positive below rank k earns nothing
    return gains[:-1] - gains[1:]


def _divided(weights: Tensor, total: Tensor | None) -> Tensor:
    """Rows over total [B], or over their sums; rows of total 0 stay 0."""
    divisor = weights.sum(dim=1) if total is None else total
    return weights / divisor.masked_fill(divisor == 0.0, 1.0)[:, None]


def hard_metric_weights(ranks: Tensor, coefficients: Tensor, inclusion: Tensor, total: Tensor | None = None) -> Tensor:
    """Hard weights for a metric@k: the coefficient of the candidate's rank over its inclusion probability.

    ranks [B, M] are 1-based, 0 where unknown; one between two whole ranks has its share of both. coefficients [k] are
    those of `metric_coefficients`; inclusion [B, M] in (0, 1]; total as in `hard_weights`. Returns float64 [B, M] of
    row sum 1, or all 0 for a context that has no candidate of rank 1 ... k.
    """
    table = torch.nn.functional.pad(coefficients.to(ranks.device), (1, 2))  # rank 0 and ranks beyond k weigh nothing
    ranks = ranks.clamp(max=len(coefficients) + 1)
    below = ranks.long()
    weights = torch.lerp(table[below], table[below + 1], ranks.double() - below) / inclusion.double()
    return _divided(weights.masked_fill(ranks == 0, 0.0), total)


def inside_metric(scores: Tensor, ends: Tensor, coefficients: Tensor, temperature: float) -> Tensor:
    """Logarithm of a metric@K's soft window at scores [B, M]: float64 [B, M].

    The mixture, by the coefficients [k], of the soft windows of each rank 1 ... k alone. ends [B, k + 1] are the
    thresholds behind ranks 0 ... k (nats, not increasing).
    """
    inside = torch.full_like(scores, -torch.inf, dtype=torch.float64)
    for rank, coefficient in enumerate(coefficients.log().tolist(), start=1):
        part = inside_window(scores, ends[:, rank - 1], ends[:, rank], temperature)
        inside = torch.logaddexp(inside, part + coefficient)
    return inside


def inside_window(scores: Tensor, high: Tensor, low: Tensor, temperature: float) -> Tensor:
    """log of sigmoid((t_a - s) / T) sigmoid((s - t_b) / T), float64 [B, M]; high = t_a and low = t_b [B], nats."""
    scores = scores.double()
    return logsigmoid((high[:, None] - scores) / temperature) + logsigmoid((scores - low[:, None]) / temperature)


def soft_metric_weights(
    scores: Tensor,
    valid: Tensor,
    ends: Tensor,
    coefficients: Tensor,
    temperature: float,
    inclusion: Tensor,
    total: Tensor | None = None,
) -> Tensor:
    """Soft weights for a metric@k, `inside_metric`; the rest as in `soft_weights`, which also says when all are 0."""
    inside = inside_metric(scores.masked_fill(~valid, 0.0), ends, coefficients, temperature)
    return _normalised(inside, valid, inclusion, total)


def thresholds(scores: Tensor, known: Tensor, negatives: Tensor, position: Tensor) -> Tensor:
    """t_u for u n = position: the midpoint of the negatives' scores at ranks position and position + 1; float64 [B].

    scores [B, M] are the negatives', best first; known [B] of them are real; position [B] is whole, at least 0.
    t_0 = +inf and t_1 = -inf. Where the list ends before rank position + 1 without being complete (known < negatives,
    as for a beam), the last midpoint that exists is returned, +inf if there is none.
    """
    last = torch.where(known < negatives, (known - 1).clamp(min=0), negatives)
    place = torch.minimum(position, last)
    columns = max(scores.shape[1] - 1, 0)
    above = scores.gather(1, (place - 1).clamp(0, columns)[:, None]).squeeze(1).double()
    below = scores.gather(1, place.clamp(0, columns)[:, None]).squeeze(1).double()
    middle = (above + below) / 2.0
    middle = middle.masked_fill(place >= negatives, -torch.inf)
    return middle.masked_fill(place <= 0, torch.inf)


def thresholds_between(scores: Tensor, ranks: Tensor, known: Tensor, negatives: Tensor, position: Tensor) -> Tensor:
    """t_u for u n = position from scores [B, M] whose ranks [B, M] are estimates with gaps; float64 [B].

    The score at rank position + 1/2, by linear interpolation between the two listed negatives around it: with neither
    gap nor fraction that is the midpoint of `thresholds`. Outside of the list's ranks its first or last score stands
    in; t_0 = +inf and t_1 = -inf as there, and +inf for an empty list.
    """
    target = (position.double() + 0.5)[:, None]
    last = (known - 1).clamp(min=0)[:, None]
    below = torch.minimum((ranks < target).sum(dim=1, keepdim=True), last)
    above = (below - 1).clamp(min=0)
    span = ranks.gather(1, below) - ranks.gather(1, above)
    share = ((target - ranks.gather(1, above)) / span.masked_fill(span == 0, 1.0)).clamp(0.0, 1.0)
    middle = torch.lerp(scores.gather(1, above).double(), scores.gather(1, below).double(), share).squeeze(1)
    middle = middle.masked_fill(known == 0, torch.inf)
    middle = middle.masked_fill(position >= negatives, -torch.inf)
    return middle.masked_fill(position <= 0, torch.inf)


def soft_weights(
    scores: Tensor,
    valid: Tensor,
    high: Tensor,
    low: Tensor,
    temperature: float,
    inclusion: Tensor,
    total: Tensor | None = None,
) -> Tensor:
    """Soft weights of (8): sigmoid((t_a - s) / T) sigmoid((s - t_b) / T) / q, normalised in log space.

    scores [B, M] (nats), valid [B, M] (bool), high = t_a and low = t_b [B] (t_a >= t_b), temperature T > 0 (nats),
    inclusion [B, M] in (0, 1], total [B] as in `hard_weights`. Returns float64 [B, M] of row sum 1, or all 0 where no
    candidate's window weight (before the division by q) reaches 1e-6, as the hard window leaves out a context without a
    candidate inside.
    """
    inside = inside_window(scores.masked_fill(~valid, 0.0), high, low, temperature)
    return _normalised(inside, valid, inclusion, total)


def _normalised(inside: Tensor, valid: Tensor, inclusion: Tensor, total: Tensor | None) -> Tensor:
    """exp(inside) / q of the valid candidates [B, M] over total or its row sum; all 0 if exp(inside) is negligible."""
    inside = inside.masked_fill(~valid, -torch.inf)
    empty = inside.amax(dim=1, keepdim=True) < NEGLIGIBLE
    logits = (inside - inclusion.double().log()).masked_fill(~valid | empty, -torch.inf)
    if total is not None:
        return _divided(logits.exp(), total)
    return torch.softmax(logits.masked_fill(empty, 0.0), dim=1).masked_fill(empty | ~valid, 0.0)


def rank_widths(ranks: Tensor, known: Tensor, negatives: Tensor) -> Tensor:
    """How many negatives each of a list's M stands for where its ranks [B, M] have gaps: float64 [B, M], of sum n.

    From halfway to the one before to halfway to the one after; the ends go to ranks 1/2 and n + 1/2. 0 beyond known.
    """
    columns = torch.arange(ranks.shape[1], device=ranks.device)[None, :]
    middle = (ranks[:, 1:] + ranks[:, :-1]) / 2.0
    half = torch.full_like(ranks[:, :1], 0.5)
    start = torch.cat([half, middle], dim=1)
    end = torch.cat([middle, half], dim=1)
    end = torch.where(columns == known[:, None] - 1, negatives[:, None] + 0.5, end)
    return torch.where(columns < known[:, None], end - start, 0.0)


def hard_context_weights(positive_above: Tensor, lower: Tensor, upper: Tensor, reach: float = 1.0) -> Tensor:
    """Hard v_x of (9): 1 where r_lo <= negatives above the positive < r_hi, else 0; float64 [B].

    The length of (g, g + 1] inside (r_lo, r_hi], which is that for whole g. An estimate between two whole ranks counts
    in part, as a negative of that rank does: contexts and negatives must share a window.
    """
    first, end = context_ranks(lower, upper, reach)
    place = positive_above.double()
    return (torch.minimum(place + 1.0, end.double()) - torch.maximum(place, first.double())).clamp(min=0.0)


def soft_context_weights(positive_scores: Tensor, high: Tensor, low: Tensor, temperature: float) -> Tensor:
    """Soft v_x of (9): sigmoid((s+ - t_lo) / T) sigmoid((t_hi - s+) / T), float64 [B] in [0, 1].

    positive_scores [B] (nats); high = t_hi at r_lo and low = t_lo at r_hi [B].
    """
    scores = positive_scores.double()
    return torch.exp(logsigmoid((scores - low) / temperature) + logsigmoid((high - scores) / temperature))
