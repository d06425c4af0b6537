"""Group-relative advantages of GRPO, and the scale that they give to one positive-negative pair."""

import torch
from torch import Tensor

# Degrees of freedom that the standard deviation gives up, by `algo.advantage`; none: rewards are centred only.
LOST = {"population": 0, "sample": 1, "none": None}


def group_advantages(rewards: Tensor, valid: Tensor, normalisation: str, epsilon: float = 0.0) -> Tensor:
    """Rewards standardised within each group, (r - mean) / (standard deviation + epsilon).

    rewards [B, G] and valid [B, G] (bool; false for padding) give [B, G], 0 at padding. normalisation is "population"
    (divide by the standard deviation over G), "sample" (over G - 1) or "none" (centre only). A group whose valid
    rewards are all equal teaches nothing and gets 0. With one positive and G = 16: 3.8730 and -0.2582 (population),
    3.7500 and -0.2500 (sample). Source: GRPO, arXiv 2402.03300; (6) of docs/methods.md.
    """
    rewards = rewards.masked_fill(~valid, 0.0)
    size = valid.sum(dim=1, keepdim=True)
    mean = rewards.sum(dim=1, keepdim=True) / size.clamp(min=1)
    centred = (rewards - mean).masked_fill(~valid, 0.0)
    highest = rewards.masked_fill(~valid, -torch.inf).amax(dim=1, keepdim=True)
    lowest = rewards.masked_fill(~valid, torch.inf).amin(dim=1, keepdim=True)
    one_class = highest <= lowest  # asked of the rewards themselves: a rounded mean would leave a variance above 0
    lost = LOST[normalisation]
    if lost is not None:
        deviation = (centred.square().sum(dim=1, keepdim=True) / (size - lost).clamp(min=1)).sqrt()
        divisor = deviation + epsilon
        centred = centred / divisor.masked_fill(one_class | (divisor == 0), 1.0)  # a square may round to 0
    return centred.masked_fill(one_class | (size < 2), 0.0)


def pair_scale(group_sizes: Tensor, normalisation: str, epsilon: float = 0.0) -> Tensor:
    """The scale c of (7) for groups of one positive and group_sizes - 1 negatives: GRPO's positive advantage over G.

    group_sizes [B] counts valid candidates, the positive included; the result [B] is float64, 0 where there is no
    negative. Without epsilon it is sqrt(G - 1) / G (population), (G - 1) / G^1.5 (sample), (G - 1) / G^2 (none).
    """
    size = group_sizes.double()
    share = 1.0 / size.clamp(min=1.0)
    deviation = {
        "population": (share * (1.0 - share)).sqrt(),
        "sample": share.sqrt(),
        "none": torch.ones_like(share),
    }[normalisation]
    if LOST[normalisation] is not None:
        deviation = deviation + epsilon
    advantage = (1.0 - share) / deviation.clamp(min=torch.finfo(torch.float64).tiny)
    return torch.where(size > 1, advantage * share, torch.zeros_like(share))
