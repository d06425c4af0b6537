"""recbench train: SFT from scratch or from a checkpoint, GRPO and TAWin from an SFT checkpoint, and baselines."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from recbench.comparisons.naming import policy_by, start_kept, with_start
from recbench.data.dataset import RecommendationData, load_data
from recbench.data.interactions import (
    SPLIT_NAMES,
    VALIDATION,
    Cases,
    held_out_cases,
    sample_cases,
)
from recbench.errors import UserError
from recbench.item_tokens.make import ItemTokens, captions_index, make_item_tokens
from recbench.item_tokens.vectors import item_vectors
from recbench.metrics.summary import metric_of_ranks
from recbench.metrics.table import read_metric
from recbench.policy.base import Policy
from recbench.policy.checkpoint import load_policy, save_policy
from recbench.policy.initial import start_embeddings
from recbench.policy.interface import SequencePolicy, StartsFromVectors
from recbench.policy.make import new_policy
from recbench.policy.ranking import CaseRanks, rank_cases
from recbench.reporting.scalars import Scalars
from recbench.rl.aims import check_objective, picker_metric
from recbench.rl.estimation import RankTracker
from recbench.rl.groups import near_exact_error
from recbench.rl.ranks import RANKS
from recbench.rl.rules import rule_of
from recbench.runs import Run, atomic_path
from recbench.schema import AlgoConfig, TrainStageConfig, is_first_sft, label_of
from recbench.stages.rules import plan_of
from recbench.training.device import choose_device, use_threads
from recbench.training.distributed import ONE_PROCESS
from recbench.training.loop import LoopState, TrainingLoop, best_by
from recbench.training.random_streams import INITIAL_WEIGHTS, NEGATIVES, stream_seed
from recbench.upstream import require, require_sft

SHOWN_METRICS = ("ndcg@10", "hr@10", "hr@50", "auc")  # validated beside the one that selects
VALIDATION_BEAM = 50  # width of validation on tries of several levels, where the metrics that select need no more
ERROR_CASES = 64  # on which near-exact ranks are compared with exact ones


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
    select = picker_metric(config.algo.select_by, config.algo, config.negatives, policy.catalogue_size - 1)
    asked = {
        name: picker_metric(name, config.algo, config.negatives, policy.catalogue_size - 1)
        for name in config.algo.also_select_by
    }
    also = [metric for metric in dict.fromkeys(asked.values()) if metric != select]
    earlier = _earlier_training(config.algo, run)
    first_step = 0 if earlier is None else earlier.metrics.get("first_step", 0) + earlier.metrics["steps"]
    distributed = ONE_PROCESS
    plan = plan_of(config, data, policy, device, distributed)
    if 0 < plan.steps < plan.evaluate_every:
        counted = "epochs" if is_first_sft(config) or rule_of(config.algo).counts_epochs else "steps"  # type: ignore[arg-type]
        run.note(
            f"evaluate_every={config.algo.evaluate_every} {counted} is more than the training has: it is validated at "
            "its start and at its end, and nowhere between"
        )
    run.record(parameters=sum(parameter.numel() for parameter in policy.parameters()))
    step_seconds: list[float] = []

    def update(step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        before = time.perf_counter()
        logs = plan.update(step, optimizer)
        step_seconds.append(time.perf_counter() - before)
        return logs

    started = time.perf_counter()
    with (
        Scalars(run.path / "events") as scalars,
        run.progress(f"train {label_of('algo', config.algo)}", plan.steps) as bar,
    ):

        def report(state: LoopState, values: dict[str, float], is_validation: bool) -> None:
            kind = "validation" if is_validation else "train"
            scalars.write(state.step, {f"{kind}/{name}": value for name, value in values.items()})
            if is_validation:
                shown = " ".join(f"{name} {value:.4f}" for name, value in values.items())
                run.log.info("step %d validation: %s", state.step, shown)
            else:
                bar.advance(1, **_shown(values, state))

        loop = TrainingLoop(
            module=policy,
            config=config.algo,
            total_steps=plan.steps,
            evaluate_every=plan.evaluate_every,
            select=select,
            seed=config.seed,
            folder=run.path / "checkpoints",
            update=update,
            validate=lambda: _validate(policy, data, validation, select, also),
            report=report,
            first_step=first_step,
            also=also,
            distributed=distributed,
            tracked=None if plan.tracker is None else plan.tracker.state,
        )
        if earlier is not None and config.algo.continues == "training":
            loop.go_on_from(_last_checkpoint(earlier))
        if config.resume:
            loop.resume()
            bar.move_to(loop.state.step)
        state = loop.run()
    near_exact = _near_exact_error(config, policy, data, validation, plan.tracker)
    run.record(training_seconds=round(time.perf_counter() - started, 1))
    if step_seconds:  # the median, so that a moment in which the machine was busy counts for nothing
        run.record(step_seconds=round(statistics.median(step_seconds), 6))
    with atomic_path(run.path / "policy") as partial:
        partial.mkdir()
        save_policy(partial, policy.cpu(), tokens)
    for metric in also:
        policy.load(best_by(run.path / "checkpoints", metric))
        with atomic_path(policy_by(run, metric)) as partial:
            partial.mkdir()
            save_policy(partial, policy, tokens)
    kept = start_kept(run, {"best_step": state.best_step, "steps": state.step})
    run.record(headline=[f"policy: {with_start(run)}", *filter(None, [kept])])
    at = {int(entry["step"]): {k: v for k, v in entry.items() if k != "step"} for entry in state.history}
    first = min(at)
    return {
        "algorithm": label_of("algo", config.algo),
        "selected_by": select,
        "steps": state.step,
        **({"first_step": first_step} if first_step else {}),
        "best_step": state.best_step,
        **({"also_selected": _also_selected(asked, select, state)} if asked else {}),
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
    if not rule_of(config.algo).windowed or RANKS[config.algo.ranks].exact:
        return None
    some = Cases(cases.user[:ERROR_CASES], cases.position[:ERROR_CASES])
    past = torch.from_numpy(policy.contexts(data.interactions, some)).to(policy.device)
    positives = torch.from_numpy(data.interactions.items[some.position].astype(np.int64)).to(policy.device)
    generator = torch.Generator().manual_seed(stream_seed(config.seed, NEGATIVES, config.algo.steps))
    scored = cast(SequencePolicy, policy.eval())
    error = near_exact_error(scored, past, positives, config.algo, config.negatives, generator, tracker)
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
    if is_first_sft(config) or rule_of(config.algo).starts_anew:  # type: ignore[arg-type]
        tokens = make_item_tokens(config.item_tokens, data, config.reserved, config.seed)
        if (index := captions_index(config.item_tokens)) is not None:
            run.use(Run(index.parent))
        torch.manual_seed(stream_seed(config.seed, INITIAL_WEIGHTS))
        policy = new_policy(tokens.trie(), config.policy, data)
        if config.policy.initial_embeddings != "random" and not policy.reads_titles:
            start_from, width = config.policy.initial_embeddings, config.policy.width
            vectors, _ = item_vectors(start_from, data, width, config.reserved, config.seed)
            start_embeddings(cast(StartsFromVectors, policy), vectors, config.policy.initial_scale)
        if policy.history < config.policy.history:
            run.note(
                f"policy.history={config.policy.history} items do not fit into the model's context: it reads the last "
                f"{policy.history}"
            )
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


def _earlier_training(algo: AlgoConfig, run: Run) -> Run | None:
    """The training whose random draws must not be made again, for this one goes through the same sequences.

    With the same batches under the same dropout masks, a policy meets the very views that it has learned by heart.
    """
    source = run.input_run("train")
    if algo.continues == "training" and source is None:
        raise UserError(
            "algo.continues=training goes on from another training, and this one starts anew: give input=RUN, or "
            "leave it out"
        )
    return source if algo.continues == "training" or algo.contexts == "sequence" else None


def _last_checkpoint(source: Run) -> Path:
    """Where the training of a run stood at its end."""
    last = source.path / "checkpoints" / "last"
    if not (last / "state.json").is_file():
        raise UserError(
            f"train run {source.id} has no checkpoints/last to go on from: make it again, or leave "
            "algo.continues=training out"
        )
    return last


def _validation_sample(data: RecommendationData, limit: int) -> Cases:
    """The validation cases, or a sample of them that is the same for every seed, so that runs compare."""
    cases = held_out_cases(data.interactions, VALIDATION)
    if not len(cases.user):
        raise UserError(
            f"data set {data.name} has no {SPLIT_NAMES[VALIDATION]} interactions with a history; "
            "expected users with at least three interactions"
        )
    return sample_cases(cases, limit)


def _also_selected(asked: dict[str, str], select: str, state: LoopState) -> dict[str, dict[str, Any]]:
    """What each metric of also_select_by picked: its name, `target` resolved, and the step."""
    steps = {select: state.best_step, **{name: int(found["step"]) for name, found in state.also.items()}}
    return {name: {"metric": metric, "best_step": steps[metric]} for name, metric in asked.items()}


def _validate(
    policy: Policy, data: RecommendationData, cases: Cases, select: str, also: Sequence[str] = ()
) -> dict[str, float]:
    """Means of the shown metrics, of the one that selects and of those that would, too; dropout off.

    Ranks come from a beam where the policy writes items as several tokens and a selecting metric looks no further. The
    shown metrics are of the ranks of the one that selects.
    """
    several, negatives = policy.trie.depth > 1, policy.catalogue_size - 1
    by_beam = {name: several and _settled_by_beam(name, negatives) for name in (*also, select)}
    ranks = {
        beam: rank_cases(policy, data.interactions, cases, beam_width=VALIDATION_BEAM if beam else None)
        for beam in set(by_beam.values())
    }
    values = {name: _mean(name, ranks[by_beam[name]]) for name in also}
    names = [name for name in dict.fromkeys((*SHOWN_METRICS, select)) if name != "auc" or not by_beam[select]]
    return {**values, **{name: _mean(name, ranks[by_beam[select]]) for name in names}}


def _settled_by_beam(name: str, negatives: int) -> bool:
    """Whether the best items that a beam finds settle a metric."""
    metric = read_metric(name)
    return not metric.needs_all_ranks and metric.ranks_needed(negatives) <= VALIDATION_BEAM


def _mean(name: str, ranks: CaseRanks) -> float:
    above = np.where(ranks.censored, ranks.negatives, ranks.above)  # not found: beyond every Top-K that is asked for
    return float(np.mean(metric_of_ranks(name, above, ranks.ties, ranks.negatives)))
