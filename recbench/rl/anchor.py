"""TAWin's weights as its authors have them: a soft Top-K operator of the distance to an anchor rank (27).

Source: arXiv 2604.22504, as a report of its full text has it; what that report leaves open, and how it is read here,
stands in docs/methods.md, section 4.
"""

import torch
from torch import Tensor


def soft_top_k(values: Tensor, valid: Tensor, count: int, temperature: float) -> Tensor:
    """T_i = min(1, exp((x_i - lambda) / tau)), lambda the one threshold of each row by which the T_i sum to `count`.

    values x [B, M], valid [B, M] (bool), count at least 1, temperature tau > 0 in the units of values. Returns float64
    [B, M] in [0, 1], 0 where invalid. A row of no more than `count` valid values has 1 for each. For count = 1 it is
    the softmax of x / tau; for tau to 0 the indicator of the `count` largest values, for tau to infinity count / M.
    """
    scaled = (values.double() / temperature).masked_fill(~valid, -torch.inf)
    ordered = scaled.sort(dim=1, descending=True).values
    # With the m largest cut off at 1, the others share count - m: lambda / tau = log(sum of theirs) - log(count - m).
    sums = ordered.flip(1).logcumsumexp(dim=1).flip(1)
    cut = torch.arange(min(count, values.shape[1]), device=values.device)
    thresholds = sums[:, : len(cut)] - (count - cut).double().log()
    # Of the m for which no value that is left exceeds the threshold, the smallest.
    fewest = (ordered[:, : len(cut)] <= thresholds).int().argmax(dim=1, keepdim=True)
    shares = (scaled - thresholds.gather(1, fewest)).exp().clamp(max=1.0)
    few = valid.sum(dim=1, keepdim=True) <= count
    return torch.where(few, 1.0, shares).masked_fill(~valid, 0.0)


def anchored_weights(ranks: Tensor, anchor: int, count: int, temperature: float, inclusion: Tensor) -> Tensor:
    """w_j of (7) from `soft_top_k` of x_j = -|k_j - anchor|, k_j a negative's rank, over its inclusion probability.

    ranks [B, M] are 1-based among the negatives, 0 where unknown (weight 0); anchor in ranks, at least 1; temperature
    in ranks; inclusion [B, M] in (0, 1]. Returns float64 [B, M] of row sum 1, or all 0 for a context without a ranked
    candidate. Source: (27) of docs/methods.md.
    """
    known = ranks > 0
    membership = soft_top_k(-(ranks.double() - anchor).abs(), known, count, temperature)
    weights = (membership / inclusion.double()).masked_fill(~known, 0.0)
    total = weights.sum(dim=1, keepdim=True)
    return weights / total.masked_fill(total == 0.0, 1.0)
