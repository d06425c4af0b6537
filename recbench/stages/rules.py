"""What each training rule does in a step, and how many steps it takes: SFT, RL, matrix factorisation, counting."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import torch

from recbench.data.dataset import RecommendationData
from recbench.data.interactions import Cases, user_of_interaction
from recbench.data.targets import target_positions, training_cases
from recbench.errors import UserError
from recbench.policy.base import Policy
from recbench.policy.baselines.bpr_mf import draw_negatives, learned_items
from recbench.policy.contexts import SequenceContexts
from recbench.policy.interface import COUNTS, TRIPLES, CountedPolicy, SequencePolicy, TriplesPolicy
from recbench.rl.aims import needs_reference
from recbench.rl.estimation import RankTracker
from recbench.rl.groups import build_groups, new_tracker
from recbench.rl.interface import ScoringPolicy
from recbench.rl.rules import rule_of
from recbench.rl.step import rl_step
from recbench.schema import TrainStageConfig, is_first_sft
from recbench.training.device import autocast
from recbench.training.distributed import ONE_PROCESS, Distributed
from recbench.training.micro_batches import losses_of_sequences
from recbench.training.optimizer import descend
from recbench.training.random_streams import DATA_ORDER, NEGATIVES, REPLAY, random_stream, stream_seed
from recbench.training.sequences import Segments, SequenceBatches, padded, segments, single_target_segments

LOGGED_KL = 10  # steps between logs of the KL to the SFT policy, where it is no term of the loss: it takes a forward

Update = Callable[[int, torch.optim.Optimizer], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What one training rule does: an update, how often, and how often it is validated (in steps)."""

    update: Update
    steps: int
    evaluate_every: int
    targets: int  # interactions learned from
    tracker: RankTracker | None = None  # what the rule knows of earlier steps' ranks; its updates move it


def plan_of(
    config: TrainStageConfig,
    data: RecommendationData,
    policy: Policy,
    device: torch.device,
    distributed: Distributed = ONE_PROCESS,
) -> Plan:
    """The plan of config.algo; UserError where it leaves nothing to learn from."""
    if policy.learns_from == COUNTS:
        return _count_plan(config, data, cast(CountedPolicy, policy))
    if policy.learns_from == TRIPLES:
        return _bpr_plan(config, data, cast(TriplesPolicy, policy), device, distributed)
    trained = cast(SequencePolicy, policy)
    return (_rl_plan if rule_of(config.algo).grouped else _sft_plan)(config, data, trained, device, distributed)


def _targets(config: TrainStageConfig, data: RecommendationData) -> np.ndarray:
    """Indices of the interactions to learn from, int64, ascending; UserError if there are none."""
    targets = target_positions(data.interactions, config.algo.interactions, config.reserved)
    if not len(targets):
        raise UserError(
            f"algo.interactions={config.algo.interactions} with reserved={config.reserved} leaves nothing to learn from"
        )
    return targets


def _count_plan(config: TrainStageConfig, data: RecommendationData, policy: CountedPolicy) -> Plan:
    """Count at once; no step follows."""
    targets = _targets(config, data)
    policy.count(user_of_interaction(data.interactions)[targets], data.interactions.items[targets])
    return Plan(lambda step, optimizer: {}, 0, 1, len(targets))


def _bpr_plan(
    config: TrainStageConfig,
    data: RecommendationData,
    policy: TriplesPolicy,
    device: torch.device,
    distributed: Distributed,
) -> Plan:
    """Passes over the interactions in random order, each against an item that its user has not."""
    algo = config.algo
    targets = _targets(config, data)
    users, items = user_of_interaction(data.interactions)[targets], data.interactions.items[targets].astype(np.int64)
    learned = learned_items(users, items, policy.users, policy.catalogue_size)
    kept = learned.others[users] > 0
    users, items = users[kept], items[kept]
    if not len(users):
        raise UserError(
            f"every user of data set {data.name} has the whole catalogue: bpr finds no item to rank lower; "
            "give other data or another policy"
        )
    per_epoch = -(-len(users) // algo.batch_size)

    @lru_cache(maxsize=1)  # of the current epoch only
    def order(epoch: int) -> np.ndarray:
        return random_stream(config.seed, DATA_ORDER, epoch).permutation(len(users))

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        epoch, index = divmod(step, per_epoch)
        rows = order(epoch)[index * algo.batch_size : (index + 1) * algo.batch_size]
        negatives = draw_negatives(learned, users[rows], random_stream(config.seed, NEGATIVES, step))
        own, liked, other = (torch.from_numpy(column).to(device) for column in (users[rows], items[rows], negatives))
        with autocast(device, config.precision):
            loss = policy.bpr_loss(own, liked, other, algo.l2)
        return descend([loss], policy.trained_parameters(), [optimizer], algo.max_gradient_norm, distributed)

    return Plan(update, round(algo.epochs * per_epoch), algo.evaluate_every * per_epoch, len(users))


def _sft_plan(
    config: TrainStageConfig,
    data: RecommendationData,
    policy: SequencePolicy,
    device: torch.device,
    distributed: Distributed,
) -> Plan:
    algo = config.algo
    more = not is_first_sft(config)  # type: ignore[arg-type]  # the control of RL arms: what they see, it sees
    if more and algo.contexts == "single":
        cases, rows_of = _single_cases(config, data)
        stretches = single_target_segments(data.interactions, cases.position, policy.history)
        learned_from, per_epoch = len(cases.user), 0  # it counts steps, not epochs
    else:
        targets = _targets(config, data)
        stretches, learned_from = segments(data.interactions, targets, policy.history), len(targets)
        batches = _batches(config, stretches)
        rows_of, per_epoch = batches.rows, batches.per_epoch
    sequences_of = _sequences(config, data, stretches, rows_of, device)
    replay_of = _replay(config, data, policy, device)
    repeats = algo.updates_per_rollout if more else 1

    def loss_of(items: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        with autocast(device, config.precision):
            return policy.sft_loss(items, learned, algo.label_smoothing)

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        items, learned = sequences_of(step)
        started = time.perf_counter()
        replay = replay_of(step)

        def losses() -> Iterator[torch.Tensor]:
            own = losses_of_sequences(loss_of, items, learned, algo.micro_batch)
            if replay is None:
                yield from own
            elif algo.micro_batch is None:  # differentiated together: one pass backwards
                with autocast(device, config.precision):
                    both = next(own) + algo.replay_weight * next(replay())
                yield both
            else:
                yield from own
                yield from (algo.replay_weight * other for other in replay())

        for _ in range(repeats):
            values = descend(losses(), policy.trained_parameters(), [optimizer], algo.max_gradient_norm, distributed)
        rate = repeats * float((items >= 0).sum()) * policy.trie.depth / (time.perf_counter() - started)
        return {**values, "tokens_a_second": rate}

    if more:
        return Plan(update, -(-algo.steps // repeats), max(1, algo.evaluate_every // repeats), learned_from)
    return Plan(update, round(algo.epochs * per_epoch), algo.evaluate_every * per_epoch, learned_from)


def _batches(config: TrainStageConfig, stretches: Segments) -> SequenceBatches:
    """Batches of stretches of sequences, of like length, in an order of their own."""
    return SequenceBatches(
        stretches, config.algo.batch_size, lambda epoch: random_stream(config.seed, DATA_ORDER, epoch)
    )


def _sequences(
    config: TrainStageConfig,
    data: RecommendationData,
    stretches: Segments,
    rows_of: Callable[[int], np.ndarray],
    device: torch.device,
) -> Callable[[int], tuple[torch.Tensor, torch.Tensor]]:
    """By step, of its rows of the stretches: items int64 [S, T] and which of them are targets, bool [S, T]."""

    def of_step(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        random = random_stream(config.seed, NEGATIVES, step)
        items, learned = padded(data.interactions, stretches, rows_of(step), config.algo.item_dropout, random)
        return torch.from_numpy(items).to(device), torch.from_numpy(learned).to(device)

    return of_step


def _rl_plan(
    config: TrainStageConfig,
    data: RecommendationData,
    policy: SequencePolicy,
    device: torch.device,
    distributed: Distributed,
) -> Plan:
    algo = config.algo
    source = CONTEXTS[algo.contexts](config, data, policy, device)
    reference = policy.reference()
    tracker = new_tracker(policy, algo, config.negatives, device)
    replay_of = _replay(config, data, policy, device)

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        contexts = source.of_step(step)
        reads = contexts.reader(policy)
        generator = torch.Generator().manual_seed(stream_seed(config.seed, NEGATIVES, step))
        with autocast(device, config.precision):
            groups = build_groups(
                reads, contexts.histories, contexts.positives, algo, config.negatives, generator, tracker
            )
            compared = contexts.reader(reference) if needs_reference(algo) or step % LOGGED_KL == 0 else None
            other = replay_of(step)
            log = rl_step(
                reads, compared, optimizer, groups, contexts.histories, algo, replay=other, distributed=distributed
            )
        return {**log._asdict(), "candidates_a_second": log.candidates_per_second}

    steps = -(-algo.steps // algo.updates_per_rollout)  # the loop counts sets of groups
    return Plan(update, steps, max(1, algo.evaluate_every // algo.updates_per_rollout), source.targets, tracker)


class _Contexts(NamedTuple):
    """The contexts of one step, and how a policy reads them."""

    reader: Callable[[SequencePolicy], ScoringPolicy]
    histories: torch.Tensor  # int64 [B, .]: what the reader takes for histories
    positives: torch.Tensor  # int64 [B]


class _ContextSource(NamedTuple):
    """Where RL's contexts come from."""

    of_step: Callable[[int], _Contexts]
    targets: int  # interactions learned from


def _single_cases(config: TrainStageConfig, data: RecommendationData) -> tuple[Cases, Callable[[int], np.ndarray]]:
    """Interactions to learn from that have a history, and by step the rows of a batch, in an order of their own.

    The same for RL and for more SFT, its control. UserError if there are none.
    """
    algo = config.algo
    cases = training_cases(data.interactions, algo.interactions, config.reserved)
    if not len(cases.user):
        raise UserError(
            f"algo.interactions={algo.interactions} with reserved={config.reserved} leaves RL nothing to learn from; "
            "expected users with at least four interactions, or algo.interactions=all"
        )
    per_epoch = -(-len(cases.user) // algo.batch_size)

    @lru_cache(maxsize=1)  # of the current epoch only: drawing it takes time in the number of users
    def order(epoch: int) -> np.ndarray:
        return random_stream(config.seed, DATA_ORDER, epoch).permutation(len(cases.user))

    def rows_of(step: int) -> np.ndarray:
        epoch, index = divmod(step, per_epoch)
        return order(epoch)[index * algo.batch_size : (index + 1) * algo.batch_size]

    return cases, rows_of


def _single_contexts(
    config: TrainStageConfig, data: RecommendationData, policy: SequencePolicy, device: torch.device
) -> _ContextSource:
    """The cases of `_single_cases`, each read by itself."""
    cases, rows_of = _single_cases(config, data)
    past = policy.contexts(data.interactions, cases)
    positives = data.interactions.items[cases.position].astype(np.int64)

    def of_step(step: int) -> _Contexts:
        rows = rows_of(step)
        batch, targets = torch.from_numpy(past[rows]).to(device), torch.from_numpy(positives[rows]).to(device)
        return _Contexts(lambda policy: policy, batch, targets)

    return _ContextSource(of_step, len(positives))


def _sequence_contexts(
    config: TrainStageConfig, data: RecommendationData, policy: SequencePolicy, device: torch.device
) -> _ContextSource:
    """The targets of SFT's batches of sequences, all of a sequence read in one pass."""
    if not policy.shares_sequences:
        raise UserError(
            "algo.contexts=sequence reads a sequence in one pass, which takes one token an item: give "
            "item_tokens=atomic, or algo.contexts=single"
        )
    if config.negatives.exclude_seen:
        raise UserError(
            "negatives.exclude_seen leaves out items of a history, which algo.contexts=sequence does not take apart: "
            "give algo.contexts=single, or leave it out"
        )
    targets = _targets(config, data)
    stretches = segments(data.interactions, targets, policy.history)
    sequences_of = _sequences(config, data, stretches, _batches(config, stretches).rows, device)

    def of_step(step: int) -> _Contexts:
        items, learned = sequences_of(step)
        return _Contexts(lambda policy: SequenceContexts(policy, items), learned.nonzero(), items[learned])

    return _ContextSource(of_step, len(targets))


CONTEXTS = {"single": _single_contexts, "sequence": _sequence_contexts}  # by algo.contexts


def _replay(
    config: TrainStageConfig, data: RecommendationData, policy: SequencePolicy, device: torch.device
) -> Callable[[int], Callable[[], Iterator[torch.Tensor]] | None]:
    """For each step, if it is asked for: the SFT loss on a batch of whole training sequences, seen and reserved.

    It comes as losses of parts of the batch, to be summed.
    """
    algo = config.algo
    if algo.replay_weight == 0:
        return lambda step: None
    everything = target_positions(data.interactions, "all", config.reserved)
    stretches = segments(data.interactions, everything, policy.history)
    batches = SequenceBatches(stretches, algo.replay_batch, lambda epoch: random_stream(config.seed, REPLAY, epoch))

    def loss_of(items: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
        with autocast(device, config.precision):
            return policy.sft_loss(items, learned)

    def of_step(step: int) -> Callable[[], Iterator[torch.Tensor]]:
        whole = padded(data.interactions, stretches, batches.rows(step), 0.0, random_stream(config.seed, REPLAY, step))
        items, learned = (torch.from_numpy(part).to(device) for part in whole)
        return lambda: losses_of_sequences(loss_of, items, learned, algo.micro_batch)

    return of_step
