"""recbench train: SFT from scratch or from a checkpoint, GRPO and TAWin from an SFT checkpoint, and baselines."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from recbench.data.dataset import RecommendationData, load_data
from recbench.data.interactions import (
    SPLIT_NAMES,
    VALIDATION,
    Cases,
    held_out_cases,
    histories,
    sample_cases,
    user_of_interaction,
)
from recbench.errors import UserError
from recbench.metrics.summary import metric_of_ranks
from recbench.policy.bpr_mf import BprMf, draw_negatives, learned_items
from recbench.policy.checkpoint import load_policy, save_policy
from recbench.policy.initial import start_embeddings
from recbench.policy.item_tokens import ItemTokens, captions_index, make_item_tokens
from recbench.policy.item_vectors import item_vectors
from recbench.policy.kinds import CountedPolicy, Policy, SequencePolicy, new_policy
from recbench.policy.loop import (
    DATA_ORDER,
    INITIAL_WEIGHTS,
    NEGATIVES,
    LoopState,
    TrainingLoop,
    random_stream,
    stream_seed,
)
from recbench.policy.ranking import CaseRanks, rank_cases
from recbench.policy.sequences import bucketed_batches, padded, segments, target_positions, training_cases
from recbench.reporting.scalars import Scalars
from recbench.rl.estimation import RankTracker
from recbench.rl.groups import build_groups, near_exact_error, new_tracker
from recbench.rl.objective import check_objective, needs_reference, objective_metric
from recbench.rl.trainer import rl_step
from recbench.runs import Run, atomic_path
from recbench.schema import AlgoConfig, TrainStageConfig
from recbench.stages.device import autocast, choose_device, use_threads
from recbench.stages.upstream import require, require_sft

SHOWN_METRICS = ("ndcg@10", "hr@10", "hr@50", "auc")  # validated beside the one that selects
VALIDATION_BEAM = 50  # width of validation on tries of several levels, where the metrics that select need no more
ERROR_CASES = 64  # on which near-exact ranks are compared with exact ones
FRESH = ("count", "bpr")  # rules that start from nothing
LOGGED_KL = 10  # steps between logs of the KL to the SFT policy, where it is no term of the loss: it takes a forward

Update = Callable[[int, torch.optim.Optimizer], dict[str, float]]


@dataclass(frozen=True)
class _Plan:
    """What one training rule does: an update, how often, and how often it is validated (in steps)."""

    update: Update
    steps: int
    evaluate_every: int
    targets: int  # interactions learned from
    tracker: RankTracker | None = None  # what the rule knows of earlier steps' ranks; its updates move it


def run(config: TrainStageConfig, run: Run) -> dict[str, Any]:
    """Train, keep the checkpoint that validation picked in `policy/`, and return its validation metrics.

    Raises:
        UserError: no interactions to learn from or validate on, or settings that contradict the data.
    """
    use_threads(config.threads)
    device = choose_device(config.device)
    data_run = require("data", config, run)  # type: ignore[arg-type]
    data = load_data(data_run.path)
    run.record(data_fingerprint=data.fingerprint, device=str(device))
    if not data.interactions.users:
        raise UserError(
            f"data set {data.name} has impressions but no sequences of interactions to train on: give other data, or "
            "train a click model on it with recbench ctr"
        )
    for note in check_objective(config.algo, config.negatives, data.catalogue.num_rows):
        run.note(note)
    policy, tokens = _start(config, run, data)
    if not (policy.trie.child_counts > 1).any():
        raise UserError(
            f"all items of data set {data.name} have one and the same token sequence: there is nothing to "
            "learn; give at least two items, told apart by their tokens"
        )
    policy.to(device)
    validation = _validation_sample(data, config.algo.validation_cases)
    select = config.algo.select_by
    if select == "target":
        select = objective_metric(config.algo, config.negatives, policy.catalogue_size - 1)
    plan = _plan(config, data, policy, device)
    run.record(parameters=sum(parameter.numel() for parameter in policy.parameters()))
    step_seconds: list[float] = []

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        before = time.perf_counter()
        logs = plan.update(step, optimizer)
        step_seconds.append(time.perf_counter() - before)
        return logs

    started = time.perf_counter()
    with Scalars(run.path / "events") as scalars, run.progress(f"train {config.algo.name}", plan.steps) as bar:

        def report(state: LoopState, values: dict[str, float], is_validation: bool) -> None:
            kind = "validation" if is_validation else "train"
            scalars.write(state.step, {f"{kind}/{name}": value for name, value in values.items()})
            if is_validation:
                shown = " ".join(f"{name} {value:.4f}" for name, value in values.items())
                run.log.info("step %d validation: %s", state.step, shown)
            else:
                bar.advance(1, **_shown(values, state))

        loop = TrainingLoop(
            policy=policy,
            config=config.algo,
            total_steps=plan.steps,
            evaluate_every=plan.evaluate_every,
            select=select,
            seed=config.seed,
            folder=run.path / "checkpoints",
            update=update,
            validate=lambda: _validate(policy, data, validation, select),
            report=report,
            tracked=None if plan.tracker is None else plan.tracker.state,
        )
        if config.resume:
            loop.resume()
            bar.start_at(loop.state.step)
        state = loop.run()
    near_exact = _near_exact_error(config, policy, data, validation, plan.tracker)
    run.record(training_seconds=round(time.perf_counter() - started, 1))
    if step_seconds:  # the median, so that a moment in which the machine was busy counts for nothing
        run.record(step_seconds=round(statistics.median(step_seconds), 6))
    with atomic_path(run.path / "policy") as partial:
        partial.mkdir()
        save_policy(partial, policy.cpu(), tokens)
    at = {int(entry["step"]): {k: v for k, v in entry.items() if k != "step"} for entry in state.history}
    first = min(at)
    return {
        "algorithm": config.algo.name,
        "selected_by": select,
        "steps": state.step,
        "best_step": state.best_step,
        "targets": plan.targets,
        "parameters": sum(parameter.numel() for parameter in policy.parameters()),
        "item_tokens": _describe_tokens(policy, tokens),
        "validation": {"cases": len(validation.user), "best": at[state.best_step], "initial": at[first]},
        "curve": state.history,
        **({"near_exact_ranks": near_exact} if near_exact else {}),
    }


def _near_exact_error(
    config: TrainStageConfig,
    policy: Policy,
    data: RecommendationData,
    cases: Cases,
    tracker: RankTracker | None,
) -> dict[str, float] | None:
    """For TAWin with ranks by beam or estimated: their error against exact ones, on the first validation cases."""
    if config.algo.name != "tawin" or config.algo.ranks == "exact" or not isinstance(policy, SequencePolicy):
        return None
    some = Cases(cases.user[:ERROR_CASES], cases.position[:ERROR_CASES])
    past = torch.from_numpy(histories(data.interactions, some, policy.history).astype(np.int64)).to(policy.device)
    positives = torch.from_numpy(data.interactions.items[some.position].astype(np.int64)).to(policy.device)
    generator = torch.Generator().manual_seed(stream_seed(config.seed, NEGATIVES, config.algo.steps))
    error = near_exact_error(policy.eval(), past, positives, config.algo, config.negatives, generator, tracker)
    return error._asdict()


def _shown(values: dict[str, float], state: LoopState) -> dict[str, float]:
    """The few numbers beside the progress bar."""
    # An RL loss is 0 at ratio 1 whatever happens: what moves is shown instead.
    names = ("no_effect", "reward", "gradient_norm") if "reward" in values else ("loss", "gradient_norm")
    return {**{name: values[name] for name in names if name in values}, "best": state.best_value}


def _describe_tokens(policy: Policy, tokens: ItemTokens) -> dict[str, Any]:
    trie = policy.trie
    return {
        "origin": tokens.origin,
        "levels": trie.depth,
        "vocabulary": trie.vocabulary_size,
        "items_that_share_a_sequence": trie.shared_items,
        "nodes_with_a_choice": int((trie.child_counts > 1).sum()),
        "share_of_inner_nodes_without_a_choice": float((trie.child_counts == 1).sum() / (trie.child_counts > 0).sum()),
    }


def _start(config: TrainStageConfig, run: Run, data: RecommendationData) -> tuple[Policy, ItemTokens]:
    """The policy to train: a fresh one, that of an SFT run (for RL, for SFT on reserved interactions), or `input`'s."""
    from_interactions = config.algo.name == "sft" and config.input is None and config.algo.interactions != "reserved"
    if from_interactions or config.algo.name in FRESH:
        tokens = make_item_tokens(config.item_tokens, data, config.reserved, config.seed)
        if (index := captions_index(config.item_tokens)) is not None:
            run.use(Run(index.parent))
        torch.manual_seed(stream_seed(config.seed, INITIAL_WEIGHTS))
        policy = new_policy(tokens.trie(), config.policy, len(data.interactions.users))
        if isinstance(policy, SequencePolicy) and config.policy.initial_embeddings != "random":
            start_from, width = config.policy.initial_embeddings, config.policy.width
            vectors, _ = item_vectors(start_from, data, width, config.reserved, config.seed)
            start_embeddings(policy, vectors, config.policy.initial_scale)
        if policy.trie.shared_items:
            run.note(f"{policy.trie.shared_items} items share their token sequence with another and are always tied")
        return policy, tokens
    source = require_sft(config, run, input=config.input)  # type: ignore[arg-type]
    if source.config.reserved != config.reserved and config.algo.interactions == "reserved":
        raise UserError(
            f"reserved={config.reserved} is asked for, but train run {source.id} was made with "
            f"reserved={source.config.reserved}: give that, or another input"
        )
    policy, tokens = load_policy(source.path / "policy")
    if policy.catalogue_size != data.catalogue.num_rows:
        raise UserError(
            f"train run {source.id} knows {policy.catalogue_size} items, the data {data.catalogue.num_rows}"
        )
    return policy.train(), tokens


def _validation_sample(data: RecommendationData, limit: int) -> Cases:
    """The validation cases, or a sample of them that is the same for every seed, so that runs compare."""
    cases = held_out_cases(data.interactions, VALIDATION)
    if not len(cases.user):
        raise UserError(
            f"data set {data.name} has no {SPLIT_NAMES[VALIDATION]} interactions with a history; "
            "expected users with at least three interactions"
        )
    return sample_cases(cases, limit)


def _validate(policy: Policy, data: RecommendationData, cases: Cases, select: str) -> dict[str, float]:
    """Means of the shown metrics and of the one that selects; dropout off.

    Ranks come from a beam where the policy writes items as several tokens and the selecting metric looks no further.
    """
    by_beam = policy.trie.depth > 1 and _ranks_needed(select, policy.catalogue_size - 1) <= VALIDATION_BEAM
    ranks = rank_cases(policy, data.interactions, cases, beam_width=VALIDATION_BEAM if by_beam else None)
    names = [name for name in dict.fromkeys((*SHOWN_METRICS, select)) if name != "auc" or not by_beam]
    return {name: _mean(name, ranks) for name in names}


def _ranks_needed(metric: str, negatives: int) -> float:
    """How many of the best items settle a metric: K, b n for a window [a, b], else all."""
    if "@" in metric:
        return int(metric.partition("@")[2])
    return float(metric.rstrip(")").partition(",")[2] or "inf") * negatives


def _mean(name: str, ranks: CaseRanks) -> float:
    above = np.where(ranks.censored, ranks.negatives, ranks.above)  # not found: beyond every Top-K that is asked for
    return float(np.mean(metric_of_ranks(name, above, ranks.ties, ranks.negatives)))


def _plan(config: TrainStageConfig, data: RecommendationData, policy: Policy, device: torch.device) -> _Plan:
    if isinstance(policy, CountedPolicy):
        return _count_plan(config, data, policy)
    if isinstance(policy, BprMf):
        return _bpr_plan(config, data, policy, device)
    return (_sft_plan if config.algo.name == "sft" else _rl_plan)(config, data, policy, device)


def _targets(config: TrainStageConfig, data: RecommendationData) -> np.ndarray:
    """Indices of the interactions to learn from, int64, ascending; UserError if there are none."""
    targets = target_positions(data.interactions, config.algo.interactions, config.reserved)
    if not len(targets):
        raise UserError(
            f"algo.interactions={config.algo.interactions} with reserved={config.reserved} leaves nothing to learn from"
        )
    return targets


def _count_plan(config: TrainStageConfig, data: RecommendationData, policy: CountedPolicy) -> _Plan:
    """Count at once; no step follows."""
    targets = _targets(config, data)
    policy.count(user_of_interaction(data.interactions)[targets], data.interactions.items[targets])
    return _Plan(lambda step, optimizer: {}, 0, 1, len(targets))


def _bpr_plan(config: TrainStageConfig, data: RecommendationData, policy: BprMf, device: torch.device) -> _Plan:
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
        return _descend(loss, policy, optimizer, algo)

    return _Plan(update, round(algo.epochs * per_epoch), algo.evaluate_every * per_epoch, len(users))


def _descend(
    loss: torch.Tensor, policy: SequencePolicy | BprMf, optimizer: torch.optim.Optimizer, algo: AlgoConfig
) -> dict[str, float]:
    """One optimiser step down the gradient of a loss; what to log about it."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), algo.max_gradient_norm or torch.inf)
    optimizer.step()
    return {"loss": float(loss.detach()), "gradient_norm": float(norm)}


def _sft_plan(
    config: TrainStageConfig, data: RecommendationData, policy: SequencePolicy, device: torch.device
) -> _Plan:
    algo = config.algo
    targets = _targets(config, data)
    stretches = segments(data.interactions, targets, policy.history)
    per_epoch = -(-len(stretches.start) // algo.batch_size)

    @lru_cache(maxsize=1)  # of the current epoch only
    def batches(epoch: int) -> list[np.ndarray]:
        return list(bucketed_batches(stretches, algo.batch_size, random_stream(config.seed, DATA_ORDER, epoch)))

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        epoch, index = divmod(step, per_epoch)
        random = random_stream(config.seed, NEGATIVES, step)
        items, learned = padded(data.interactions, stretches, batches(epoch)[index], algo.item_dropout, random)
        started = time.perf_counter()
        with autocast(device, config.precision):
            loss = policy.sft_loss(
                torch.from_numpy(items).to(device), torch.from_numpy(learned).to(device), algo.label_smoothing
            )
        values = _descend(loss, policy, optimizer, algo)
        rate = float((items >= 0).sum()) * policy.trie.depth / (time.perf_counter() - started)
        return {**values, "tokens_a_second": rate}

    if config.input is not None or algo.interactions == "reserved":
        return _Plan(update, algo.steps, algo.evaluate_every, len(targets))
    return _Plan(update, round(algo.epochs * per_epoch), algo.evaluate_every * per_epoch, len(targets))


def _rl_plan(config: TrainStageConfig, data: RecommendationData, policy: SequencePolicy, device: torch.device) -> _Plan:
    algo = config.algo
    cases = training_cases(data.interactions, algo.interactions, config.reserved)
    if not len(cases.user):
        raise UserError(
            f"algo.interactions={algo.interactions} with reserved={config.reserved} leaves RL nothing to learn from; "
            "expected users with at least four interactions, or algo.interactions=all"
        )
    past = histories(data.interactions, cases, policy.history).astype(np.int64)
    positives = data.interactions.items[cases.position].astype(np.int64)
    per_epoch = -(-len(positives) // algo.batch_size)
    reference = copy.deepcopy(policy).eval().requires_grad_(False)
    tracker = new_tracker(policy, algo, config.negatives, device)

    @lru_cache(maxsize=1)  # of the current epoch only: drawing it takes time in the number of users
    def order(epoch: int) -> np.ndarray:
        return random_stream(config.seed, DATA_ORDER, epoch).permutation(len(positives))

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        epoch, index = divmod(step, per_epoch)
        rows = order(epoch)[index * algo.batch_size : (index + 1) * algo.batch_size]
        batch, targets = torch.from_numpy(past[rows]).to(device), torch.from_numpy(positives[rows]).to(device)
        generator = torch.Generator().manual_seed(stream_seed(config.seed, NEGATIVES, step))
        with autocast(device, config.precision):
            groups = build_groups(policy, batch, targets, algo, config.negatives, generator, tracker)
            compared = needs_reference(algo) or step % LOGGED_KL == 0
            log = rl_step(policy, reference if compared else None, optimizer, groups, batch, algo)
        return {**log._asdict(), "candidates_a_second": log.candidates_per_second}

    steps = -(-algo.steps // algo.updates_per_rollout)  # the loop counts sets of groups
    return _Plan(update, steps, max(1, algo.evaluate_every // algo.updates_per_rollout), len(positives), tracker)
