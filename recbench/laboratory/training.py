"""Training in the laboratory: the SFT policy, and the arms that start from it, by the code of `recbench.rl`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch

from recbench.laboratory.arms import Arm
from recbench.laboratory.market import PreferenceMarket, make_market
from recbench.laboratory.policy import LowRankPolicy
from recbench.rl.aims import needs_reference
from recbench.rl.groups import build_groups, new_tracker
from recbench.rl.rules import rule_of
from recbench.rl.step import rl_step
from recbench.schema import AlgoConfig, MarketConfig
from recbench.training.optimizer import descend, learning_rate_factor, make_optimizer
from recbench.training.random_streams import stream_seed
from recbench.training.steps import run_steps

# Random streams of a seed: changing what one draws leaves the others as they are.
MARKET, INITIAL_WEIGHTS, SFT_USERS, USERS, POSITIVES, NEGATIVES, TEST_USERS = range(100, 107)


@dataclass(frozen=True)
class Cost:
    """What an arm took, means over its steps."""

    candidates: float  # candidates that received gradient
    no_effect: float  # share of contexts without a gradient
    seconds: float  # wall time, groups included
    group_seconds: float  # of that, for beams, ranks, thresholds and the choice of negatives
    scored: float  # items scored a context for them


def stream(seed: int, number: int) -> torch.Generator:
    """The generator of one of the streams above."""
    return torch.Generator().manual_seed(stream_seed(seed, number))


def market_of(config: MarketConfig, seed: int) -> PreferenceMarket:
    """The market that a seed trains on."""
    chosen = seed if config.seed is None else config.seed
    return make_market(config.catalogue_size, config.dimensions, config.taste, config.appeal, stream(chosen, MARKET))


def sft_policy(
    market: PreferenceMarket, rank: int, config: AlgoConfig, seed: int, advance: Callable[[], object] = lambda: None
) -> LowRankPolicy:
    """The policy at (nearly) the least cross-entropy that its rank allows: unlimited users, expected loss.

    The loss of a user is -sum_i p(i | x) log pi(i | x), the expectation over the next item, so that nothing but the
    draw of users is noise; the learning rate falls to 0 with schedule=cosine.
    """
    policy = LowRankPolicy(market.dimensions, market.items, rank, stream(seed, INITIAL_WEIGHTS))
    optimizer = make_optimizer(policy, config)
    users = stream(seed, SFT_USERS)

    def update(step: int) -> dict[str, float]:
        features = market.draw_users(config.batch_size, users)
        truth = market.log_probabilities(features).exp()
        loss = -(truth * policy.score_catalogue(features)).sum(dim=1).mean()
        return descend([loss], policy.parameters(), [optimizer])

    _take_steps(policy, optimizer, config, update, advance)
    return policy


def train_arm(
    market: PreferenceMarket, start: LowRankPolicy, arm: Arm, seed: int, advance: Callable[[], object] = lambda: None
) -> tuple[LowRankPolicy, Cost]:
    """A copy of `start` after algo.steps steps of the arm's rule on fresh users, and what that took.

    Users and positives of a step are the same for all arms of a seed: differences between arms are not of luck in the
    draws. `start` is also the reference of KL terms.
    """
    policy, config = copy.deepcopy(start), arm.algo
    optimizer = make_optimizer(policy, config)
    users, draws, negatives = (stream(seed, number) for number in (USERS, POSITIVES, NEGATIVES))
    reference = start if needs_reference(config) else None
    tracker = new_tracker(policy, config, arm.negatives)
    grouped = rule_of(config).grouped
    totals = torch.zeros(5, dtype=torch.float64)

    def update(step: int) -> dict[str, float]:
        features = market.draw_users(config.batch_size, users)
        positives = market.draw_positives(features, draws)
        if not grouped:  # cross-entropy of drawn next items
            totals.add_(torch.tensor([config.batch_size * market.items, 0.0, 0.0, 0.0, 0.0]))
            loss = -policy.score_groups(features, positives[:, None]).mean()
            return descend([loss], policy.parameters(), [optimizer])
        groups = build_groups(policy, features, positives, config, arm.negatives, negatives, tracker)
        log = rl_step(policy, reference, optimizer, groups, features, config)
        totals.add_(torch.tensor([log.candidates, log.no_effect, log.seconds, groups.seconds, log.scored]))
        return {"loss": log.loss}

    _take_steps(policy, optimizer, config, update, advance)
    return policy, Cost(*(totals / max(1, config.steps)).tolist())


def _take_steps(
    policy: LowRankPolicy,
    optimizer: torch.optim.Optimizer,
    config: AlgoConfig,
    update: Callable[[int], dict[str, float]],
    advance: Callable[[], object],
) -> None:
    """All steps of a training; there is no dropout to draw."""

    def rate(step: int) -> float:
        return learning_rate_factor(step, config.steps, config.warmup, config.schedule)

    def after(step: int, values: dict[str, float]) -> bool:
        advance()
        return False

    run_steps(policy, [optimizer], range(config.steps), rate=rate, update=update, after=after)
