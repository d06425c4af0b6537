"""The loss of every rule: per-candidate advantages, a clipped policy objective, a KL term and an SFT term.

Rules (`recbench.rl.rules`) differ in the advantages only. All are sums over a group of (advantage) x
(log-probability), so each pairwise surrogate, and every other loss on scores, becomes an advantage for the positive
and one for every negative.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from recbench.rl.advantages import group_advantages, pair_scale
from recbench.rl.groups import Groups
from recbench.rl.rules import rule_of
from recbench.rl.surrogates import surrogate_pull, surrogate_value
from recbench.schema import AlgoConfig

# Log-ratios beyond this, a factor of 5 x 10^8 in probability, go on along the tangent. Squares of what they make, which
# a gradient's norm sums, stay within float32, and they still pull where a clamp would let go.
FAR = 20.0  # nats


class PolicyLoss(NamedTuple):
    """The clipped objective and what its ratios did."""

    loss: Tensor  # scalar, mean over contexts
    ratio: Tensor  # scalar: mean probability ratio of candidates with an advantage
    clipped: Tensor  # scalar: share of candidates with an advantage whose gradient the clip cut


class RLLoss(NamedTuple):
    """Every part of the loss that a person may want to plot; scalars."""

    loss: Tensor  # rl weight x policy + kl weight x kl + sft weight x sft: what is differentiated
    policy: Tensor  # clipped objective; its value is near 0 at ratio 1 by construction, its gradient is not
    kl: Tensor  # k3 estimate to the reference over the candidates, nats; NaN without a reference
    sft: Tensor  # mean negative log-probability of the positives, nats; NaN if it was not asked for
    surrogate: Tensor  # mean over contexts with an effect of sum_j w_j l(s+ - s_j); NaN if there are none
    ratio: Tensor
    clipped: Tensor


def pairwise_advantages(
    scores: Tensor, weights: Tensor, context_weights: Tensor, scale: Tensor, surrogate: str, temperature: float
) -> Tensor:
    """Advantages that make (7): -c v w_j g(s+ - s_j) for negative j, and minus their sum for the positive.

    scores [B, G] (nats; column 0 the positive; not differentiated), weights [B, G] = w, context_weights [B] = v, scale
    [B] = c; temperature of the surrogate in nats. Returns float64 [B, G], 0 wherever w or v is 0.
    """
    used = (weights > 0) & (context_weights > 0)[:, None]
    scores = scores.detach().double()
    margins = (scores[:, :1] - scores).masked_fill(~used, 0.0)
    pull = surrogate_pull(margins, surrogate, temperature)
    advantages = (-(scale * context_weights)[:, None] * weights * pull).masked_fill(~used, 0.0)
    advantages[:, 0] = -advantages[:, 1:].sum(dim=1)
    return advantages


def advantages_of(
    groups: Groups, scores: Tensor, config: AlgoConfig, catalogue_size: int, reference_scores: Tensor | None = None
) -> Tensor:
    """Advantages [B, G] (float64) of the configured rule, to be summed, not averaged, over the group.

    Scores and the reference's, [B, G], are only read; rules that need the latter say so (`Rule.needs_reference`).
    """
    return rule_of(config).of_groups(groups, scores, reference_scores, catalogue_size, config)


# ---- what several rules are made of


def positive_rewards(groups: Groups) -> Tensor:
    """Reward 1 for a positive that is in its group, 0 for negatives: float64 [B, G]."""
    rewards = torch.zeros_like(groups.weights)
    rewards[:, 0] = groups.positive_present.double()
    return rewards


def standardised(rewards: Tensor, groups: Groups, config: AlgoConfig) -> Tensor:
    """Rewards [B, G] standardised within groups, over G, times v: with rewards of 0 and 1 their gradient is (6).

    1 / G is the mean over the group in GRPO's objective.
    """
    advantages = group_advantages(rewards, groups.valid, config.advantage, config.advantage_epsilon)
    return advantages / groups.sizes.clamp(min=1)[:, None] * groups.context_weights[:, None]


def scale_of_groups(groups: Groups, config: AlgoConfig) -> Tensor:
    """c of (7), float64 [B], with config.scale_size for G where that is given."""
    sizes = groups.sizes
    if config.scale_size is not None:
        sizes = torch.where(sizes > 1, config.scale_size, sizes)
    return pair_scale(sizes, config.advantage, config.advantage_epsilon)


def pairwise_of_groups(groups: Groups, scores: Tensor, config: AlgoConfig) -> Tensor:
    """(7) with the groups' weights and the configured scale and surrogate."""
    return pairwise_advantages(
        scores,
        groups.weights,
        groups.context_weights,
        scale_of_groups(groups, config),
        config.surrogate,
        config.surrogate_temperature,
    )


def probability_ratio(gap: Tensor) -> Tensor:
    """exp(gap) of gaps between log-probabilities, nats, any shape; beyond FAR its tangent e^FAR (1 + gap - FAR).

    exp itself is infinite from 89 nats on in float32, and its gradient NaN even where a clip cuts it off.
    """
    return gap.clamp(max=FAR).exp() * (1.0 + torch.relu(gap - FAR))


def policy_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float) -> PolicyLoss:
    """-mean over contexts of the sum over the group of min(r A, clamp(r, 1 - clip, 1 + clip) A), r = exp(new - old).

    All [B, G]; r by `probability_ratio`; clip = 0 leaves it alone. There is no 1 / G here: advantages bring it.
    Candidates of advantage 0, padding among them, take no part. Source: PPO, arXiv 1707.06347, (7) there.
    """
    used = advantages != 0
    advantages = advantages.to(log_probs.dtype)
    ratio = probability_ratio(torch.where(used, log_probs - old_log_probs, torch.zeros_like(log_probs)))
    objective = ratio * advantages
    cut = torch.zeros_like(used)
    if clip > 0:
        bounded = ratio.clamp(1.0 - clip, 1.0 + clip) * advantages
        cut = bounded < objective
        objective = torch.minimum(objective, bounded)
    count = used.sum().clamp(min=1)
    return PolicyLoss(
        loss=-objective.sum(dim=1).mean(),
        ratio=(ratio.detach() * used).sum() / count,
        clipped=(cut & used).sum() / count,
    )


def kl_to_reference(log_probs: Tensor, reference_log_probs: Tensor, valid: Tensor) -> Tensor:
    """Mean over valid candidates of exp(d) - d - 1, d = reference - policy (the k3 estimator); a scalar, nats, >= 0.

    All [B, G]; exp(d) by `probability_ratio`. The candidates are not draws from the policy, so this is a penalty that
    vanishes only where policy and reference agree on them, not an unbiased KL divergence. In float32 it is rounding for
    d below 1e-4. Source: GRPO, arXiv 2402.03300, (4) there.
    """
    gap = torch.where(valid, reference_log_probs - log_probs, torch.zeros_like(log_probs))
    return (probability_ratio(gap) - gap - 1.0).sum() / valid.sum().clamp(min=1)


def rl_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    groups: Groups,
    config: AlgoConfig,
    reference_log_probs: Tensor | None = None,
) -> RLLoss:
    """The whole loss for log_probs [B, G] of the groups' candidates, from old_log_probs and advantages [B, G].

    With config.sft_weight, column 0 must hold the positive's log-probability in every context, in the group or not.
    """
    objective = policy_loss(log_probs, old_log_probs, advantages, config.clip)
    missing = torch.full((), torch.nan, dtype=log_probs.dtype, device=log_probs.device)
    kl = sft = missing
    loss = config.rl_weight * objective.loss
    if reference_log_probs is not None:
        kl = kl_to_reference(log_probs, reference_log_probs, groups.valid)
        if config.kl > 0:
            loss = loss + config.kl * kl
    if config.sft_weight > 0:
        sft = -log_probs[:, 0].mean()
        loss = loss + config.sft_weight * sft
    return RLLoss(loss, objective.loss, kl, sft, surrogate_mean(log_probs, groups, config), *objective[1:])


def surrogate_mean(scores: Tensor, groups: Groups, config: AlgoConfig) -> Tensor:
    """Mean over contexts with an effect, weighted by v, of sum_j w_j l(s+ - s_j) (nats); NaN if there are none."""
    effective = groups.effective
    used = (groups.weights > 0) & effective[:, None]
    scores = scores.detach().double()
    margins = (scores[:, :1] - scores).masked_fill(~used, 0.0)
    values = surrogate_value(margins, config.surrogate, config.surrogate_temperature)
    per_context = (values * groups.weights).masked_fill(~used, 0.0).sum(dim=1)
    return (per_context * groups.context_weights).sum() / (groups.context_weights * effective).sum()
