"""Published losses over a group, as advantages: softmax negatives, S-DPO, LLPAUC, and ReRe's ranking reward.

Each loss is a function of scores, so minus its gradient with respect to them is what the trainer calls advantages.
Section 4 of docs/methods.md, "Other losses", has the formulas and says where they differ from their papers.
"""

import math

import torch
from torch import Tensor

from recbench.rl.groups import Groups


def softmax_advantages(utilities: Tensor, valid: Tensor, context_weights: Tensor, scale: float) -> Tensor:
    """Minus the gradient of v (-log softmax(scale x utilities)) at the positive, with respect to utilities.

    utilities [B, G] (nats; column 0 the positive), valid [B, G] (bool), context_weights [B] = v. Returns float64
    [B, G]: scale v (1 - p) for the positive and -scale v p for negatives, p the softmax; rows sum to 0, and rows of
    v = 0 and padding are 0.

    Sampled softmax (arXiv 2201.02327): utilities are scores, scale is 1 / T; uniform negatives are all drawn as often,
    so that a correction for it would cancel. S-DPO (arXiv 2406.09215): utilities are scores less the reference's, scale
    is its beta.
    """
    used = valid & (context_weights > 0)[:, None]
    logits = torch.where(used, scale * utilities.detach().double(), -torch.inf)
    shares = logits.masked_fill(~used.any(dim=1, keepdim=True), 0.0).softmax(dim=1)
    advantages = -scale * context_weights.double()[:, None] * shares
    advantages[:, 0] = -advantages[:, 1:].sum(dim=1)
    return advantages.masked_fill(~used, 0.0)


def best_shares(values: Tensor, share: float) -> Tensor:
    """Weights [M] (float64, sum 1) of a mean over the best `share` (in (0, 1]) of values [M], the last one in part.

    The k = share x M best count 1 / k each; for whole k that is a plain mean of the k best. Equal values keep their
    order. Empty values give an empty result.
    """
    count = values.numel()
    order = values.argsort(descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(count, device=values.device)
    return (share * count - ranks.double()).clamp(0.0, 1.0) / (share * count)


def llpauc_advantages(
    scores: Tensor, valid: Tensor, context_weights: Tensor, catalogue_size: int, alpha: float, beta: float
) -> Tensor:
    """Minus B times the gradient of LLPAUC's loss over the batch, with respect to scores [B, G] (log-probabilities).

    The loss is the mean of (1 - (f+ - f-))^2 over the best alpha of the batch's positives and the best beta of its
    negatives, all of them pooled. f is sigmoid(score + log N), which is 1/2 for a uniform policy over N items. That is
    the paper's minimax problem at its solution. Returns float64 [B, G]; rows do not sum to 0, for a pair may join two
    contexts. Contexts of weight 0 (their positive is not there) take no part. Source: arXiv 2403.00844.
    """
    used = valid & (context_weights > 0)[:, None]
    values = torch.sigmoid(scores.detach().double().masked_fill(~used, 0.0) + math.log(catalogue_size))
    slopes = values * (1.0 - values)
    chosen = torch.zeros_like(values)
    positives = used.clone()
    positives[:, 1:] = False
    negatives = used & ~positives
    for some, share in ((positives, alpha), (negatives, beta)):
        chosen[some] = best_shares(values[some], share)
    best_positives, best_negatives = (chosen * values * some for some in (positives, negatives))
    pull = torch.where(positives, 1.0 + best_negatives.sum() - values, -(1.0 - best_positives.sum() + values))
    return 2.0 * len(scores) * chosen * pull * slopes


def ranking_rewards(groups: Groups) -> Tensor:
    """ReRe's auxiliary reward, float64 [B, G]: each negative of a beam pays more, the better its place in the beam.

    -(1 / log2(r + 1)) over the sum of 1 / log2(r + 1) over the group's places. r is the 1-based place of a candidate
    among all that the policy ranks, the positive included. 0 for the positive, for padding, and in groups without a
    positive, which teach nothing. Source: arXiv 2510.12211, and the code published with it.
    """
    above = groups.positive_above[:, None]
    places = torch.where(groups.ranks > above, groups.ranks + 1, groups.ranks)
    places[:, 0] = groups.positive_above + 1
    discounts = (1.0 / torch.log2(places.double() + 1.0)).masked_fill(~groups.valid, 0.0)
    rewards = -discounts / discounts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    rewards[:, 0] = 0.0
    return rewards * groups.positive_present[:, None]
