"""One RL step: the groups' scores with gradients, the loss, the optimiser; and what to log about it."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from recbench.rl.aims import needs_reference
from recbench.rl.groups import Groups
from recbench.rl.interface import ScoringPolicy
from recbench.rl.loss import RLLoss, advantages_of, rl_loss
from recbench.rl.micro_batches import InParts, backward_in_parts, in_parts
from recbench.rl.randomness import random_state, set_random_state
from recbench.rl.rules import rule_of
from recbench.schema import AlgoConfig
from recbench.training.distributed import ONE_PROCESS, Distributed


class StepLog(NamedTuple):
    """Numbers of one step; means over the last update where there are several. NaN where nothing defines one."""

    reward: float  # mean reward of valid candidates: the share of positives among them
    positive_share: float  # share of contexts whose positive is in the group
    no_effect: float  # share of contexts without a gradient
    context_weight: float  # mean v of (7)
    window_width: float  # mean effective number of negatives, 1 / sum_j w_j^2, of contexts with an effect
    uncovered: float  # share of contexts whose ranked negatives end before the window
    loss: float
    surrogate: float  # nats
    kl: float  # k3 to the reference, nats
    sft: float  # mean negative log-probability of the positives, nats
    replay: float  # SFT loss on whole training sequences, nats; NaN without replay
    ratio: float
    clipped: float  # share of candidates whose ratio the clip cut
    gradient_norm: float  # before clipping
    entropy: float  # of the policy over the catalogue, nats; see `entropy_estimate`
    updates: int  # optimiser steps taken
    candidates: int  # candidates that received gradient, over all updates
    scored: int  # items scored a context to build its group; a beam counts its width, or all with one token an item
    seconds: float  # wall time, building the groups included

    @property
    def candidates_per_second(self) -> float:
        """Rate over the whole step, groups included."""
        return self.candidates / self.seconds if self.seconds > 0 else float("nan")


def rl_step(
    policy: ScoringPolicy,
    reference: ScoringPolicy | None,
    optimizer: torch.optim.Optimizer,
    groups: Groups,
    histories: Tensor,
    config: AlgoConfig,
    scheduler: LRScheduler | None = None,
    replay: Callable[[], Iterable[Tensor]] | None = None,
    distributed: Distributed = ONE_PROCESS,
) -> StepLog:
    """config.updates_per_rollout optimiser steps on groups [B, G] of histories [B, T]; the scheduler moves with each.

    The reference is needed where config.kl > 0 or the rule says so. The logged KL is against it, too. It costs one
    forward without gradients. It has no dropout, so with dropout the KL starts a little above 0.

    Ratios compare with the first update's own scores, and every update repeats its dropout masks: a ratio differs from
    1 only by what the optimiser did. Contexts without any gradient are not scored, unless groups were ranked with
    dropout, whose masks depend on who shares a pass. A batch of none leaves the weights alone.

    `replay` makes scalar losses of other data with gradients; their sum is added with config.replay_weight. With
    config.micro_batch so many contexts are read in a pass, and each in one pass more.

    Raises:
        ValueError: there is no reference where one is needed.
    """
    if needs_reference(config) and reference is None:
        raise ValueError("config.kl > 0 and S-DPO need a reference policy")
    started = time.perf_counter()
    # Who is scored: contexts with a gradient, and the positive of every context where SFT's term asks for it.
    everyone = config.kl > 0 or config.sft_weight > 0
    chosen = (torch.ones_like(groups.effective) if everyone else groups.effective).nonzero().squeeze(1)
    part = _select(groups, chosen)
    scale = len(chosen) / max(1, len(groups.positives))  # the mean is over the whole batch, contexts left out included
    scored = groups.candidates
    if config.sft_weight > 0:
        scored = torch.cat([groups.positives[:, None], scored[:, 1:]], dim=1)
    reference_log_probs = None
    if reference is not None and len(chosen):
        reference_log_probs = _score(reference, histories[chosen], scored[chosen], config.micro_batch)
    # How: in one pass, or in parts. Masks are drawn for a batch: to repeat those of the ranking, the pass has to be of
    # the same contexts.
    whole = config.rank_dropout and config.dropout and not (policy.searches or policy.reads_everything)
    size = config.micro_batch if config.micro_batch is not None and config.micro_batch < len(chosen) else None
    size = None if config.rank_dropout or policy.reads_everything else size
    loss: RLLoss | None = None
    old_log_probs = advantages = log_probs = torch.empty(0)
    gradient_norm, replayed = 0.0, float("nan")
    limit = config.max_gradient_norm if config.max_gradient_norm > 0 else torch.inf
    was_training = policy.training
    policy.train(config.dropout)
    state = random_state(histories.device)
    for update in range(config.updates_per_rollout):
        torch.clear_autocast_cache()  # a caller's autocast would reuse its casts of the weights before the last update
        optimizer.zero_grad(set_to_none=True)
        if len(chosen):
            # Scores, under the dropout masks of the first update.
            if update > 0:
                set_random_state(histories.device, state)
            if whole:
                log_probs = policy.score_groups(histories, scored)[chosen]
            elif size is not None:
                with torch.no_grad():
                    log_probs = InParts(policy, size).score_groups(histories[chosen], scored[chosen])
                log_probs.requires_grad_()
            else:
                log_probs = policy.score_groups(histories[chosen], scored[chosen])
            if update == 0:
                old_log_probs = log_probs.detach()
                count = policy.catalogue_size
                advantages = advantages_of(part, old_log_probs, config, count, reference_log_probs)
            # The loss and its gradient.
            loss = rl_loss(log_probs, old_log_probs, advantages, part, config, reference_log_probs)
            (loss.loss * scale).backward()
            if size is not None:
                torch.clear_autocast_cache()  # casts that were made without gradients
                set_random_state(histories.device, state)
                assert log_probs.grad is not None
                backward_in_parts(policy, histories[chosen], scored[chosen], log_probs.grad, size)
        # Other data, other processes, and the step.
        if replay is not None:
            replayed = 0.0
            for other in replay():
                (config.replay_weight * other).backward()
                replayed += float(other.detach())
        distributed.sum_gradients(policy.parameters())
        if len(chosen) or replay is not None:
            gradient_norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), limit))
        optimizer.step()  # does nothing where there are no gradients
        if scheduler is not None:
            scheduler.step()
    policy.train(was_training)
    seconds = time.perf_counter() - started
    return _log(groups, part, scale, loss, replayed, log_probs.detach(), gradient_norm, config, seconds)


def entropy_estimate(groups: Groups, log_probs: Tensor) -> float:
    """Entropy of the policy over the catalogue, mean over contexts, nats.

    Exact where the groups' building scored the catalogue. Else it is the sum over candidates of -p log p over their
    inclusion probability (Horvitz-Thompson). For random negatives beside an injected positive that is unbiased, though
    noisy. For beam negatives it is only the head's share, a lower bound.
    """
    if groups.entropy is not None:
        return float(groups.entropy.mean())
    if log_probs.shape[0] == 0:
        return float("nan")
    terms = torch.special.entr(log_probs.detach().double().exp()).masked_fill(~groups.valid, 0.0) / groups.inclusion
    return float(terms.sum(dim=1).mean())


def _select(groups: Groups, rows: Tensor) -> Groups:
    """The groups of some contexts."""
    fields = {field.name: getattr(groups, field.name) for field in dataclasses.fields(groups)}
    tensors: dict[str, Any] = {name: value[rows] for name, value in fields.items() if isinstance(value, Tensor)}
    return dataclasses.replace(groups, **tensors)


def _score(reference: ScoringPolicy, histories: Tensor, candidates: Tensor, size: int | None) -> Tensor:
    """The reference's log-probabilities, without dropout or gradients, `size` contexts in a pass."""
    reference.train(False)
    with torch.no_grad():
        return in_parts(reference, size).score_groups(histories, candidates)


def _log(
    groups: Groups,
    part: Groups,
    scale: float,
    loss: RLLoss | None,
    replayed: float,
    log_probs: Tensor,
    gradient_norm: float,
    config: AlgoConfig,
    seconds: float,
) -> StepLog:
    """Gather the step's numbers; the terms of the loss are over the whole batch, as they were differentiated."""
    nan = float("nan")
    effective = groups.effective
    width = 1.0 / groups.weights[effective].square().sum(dim=1)
    updates = config.updates_per_rollout if loss is not None or not math.isnan(replayed) else 0
    present = groups.positive_present.double()
    learned = part.valid if rule_of(config).trains_negatives else part.valid[:, :1]
    return StepLog(
        reward=float(present.sum() / groups.valid.sum().clamp(min=1)),
        positive_share=float(present.mean()),
        no_effect=float(1.0 - effective.double().mean()),
        context_weight=float(groups.context_weights.mean()),
        window_width=float(width.mean()) if len(width) else nan,
        uncovered=float((~groups.covered).double().mean()),
        loss=(float(loss.loss.detach()) * scale if loss is not None else 0.0)
        + (0.0 if math.isnan(replayed) else config.replay_weight * replayed),
        surrogate=float(loss.surrogate.detach()) if loss is not None else nan,
        kl=float(loss.kl.detach()) if loss is not None else nan,
        sft=float(loss.sft.detach()) if loss is not None else nan,
        replay=replayed,
        ratio=float(loss.ratio) if loss is not None else nan,
        clipped=float(loss.clipped) if loss is not None else nan,
        gradient_norm=gradient_norm,
        entropy=entropy_estimate(groups if groups.entropy is not None else part, log_probs),
        updates=updates,
        candidates=updates * int((learned & part.effective[:, None]).sum()),
        scored=groups.scored,
        seconds=seconds + groups.seconds,
    )
