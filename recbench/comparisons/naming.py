"""What a trained policy is called where it is judged: rule, negatives, seed, its run, and what it started from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from recbench.comparisons.evaluations import Evaluation, arm_label
from recbench.errors import UserError
from recbench.policy.kinds import policy_kind
from recbench.rl.rules import rule_of
from recbench.runs import Run
from recbench.runs.manifest import InputRun
from recbench.schema import label_of


def described(config: DictConfig) -> str:
    """A training in words: `grpo, beam negatives, seed 0`; `sasrec, tawin at Top-10, window negatives, seed 1`."""
    kind, algo = policy_kind(config.policy), config.algo
    words = [] if kind.unnamed else [kind.called(config.policy)]
    if kind.rule is None:
        rule, name = rule_of(algo), label_of("algo", algo)
        more = arm_label(config).endswith("more sft")
        words.append("more sft" if more else f"{name}{rule.aim_in_words(algo)}")
        words += [f"{label_of('negatives', config.negatives)} negatives"] if rule.trains_negatives else []
    return ", ".join([*words, f"seed {config.seed}"])


def with_start(trained: Run) -> str:
    """`described`, with the run and every run that it goes on from: `..., seed 0 (run ID), from sft (run ID)`."""
    text, run = f"{described(trained.config)} (run {trained.id})", trained
    while (entry := _start_entry(run)) is not None:
        source = run.input_run("train")
        if source is None or source.id == run.id:
            return f"{text}, from run {entry['id']}, which is gone"
        text, run = f"{text}, from {arm_label(source.config)} (run {source.id})", source
    return text


def judged(trained: Run, metrics: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same for metrics.json, without ids, so that equal runs give equal bytes; `metrics` as in `start_kept`."""
    source, config = trained.input_run("train"), trained.config
    return {
        "policy": policy_kind(config.policy).called(config.policy),
        "algorithm": label_of("algo", config.algo),
        "described": described(config),
        "seed": int(config.seed),
        "from": arm_label(source.config) if source is not None else None,
        "is_its_start": start_kept(trained, metrics) is not None,
    }


def policy_by(trained: Run, metric: str) -> Path:
    """The folder of the policy that a metric of `also_select_by` picked, other than that of `select_by`."""
    return trained.path / f"policy_by_{metric}"


def as_picked(trained: Run, pick: str | None) -> tuple[Path, dict[str, Any]]:
    """The policy that `pick`, one of `also_select_by`, has picked in a training; of None, that of `select_by`.

    Returns its folder and the training's metrics, in which `selected_by` and `best_step` are those of this policy.
    Raises UserError where the training has not kept it.
    """
    metrics = trained.metrics
    if pick is None:
        return trained.path / "policy", metrics
    kept = metrics.get("also_selected", {})
    if pick not in kept:
        able = f"has kept what {', '.join(kept)} picked" if kept else "has kept no other checkpoint"
        raise UserError(
            f"pick={pick}: train run {trained.id} {able}, and its own is by {metrics.get('selected_by')}: leave it "
            f"out, or train with algo.also_select_by=[{pick}]"
        )
    metric = str(kept[pick]["metric"])
    folder = trained.path / "policy" if metric == metrics["selected_by"] else policy_by(trained, metric)
    return folder, {**metrics, "selected_by": metric, "best_step": kept[pick]["best_step"]}


def start_kept(trained: Run, metrics: dict[str, Any] | None = None) -> str | None:
    """What to say of a training whose best checkpoint is its start; None of others.

    `metrics` are those of a training that has not finished yet, or of another of its checkpoints.
    """
    found = trained.metrics if metrics is None else metrics
    if found.get("best_step") != 0 or not found.get("steps"):
        return None
    if _start_entry(trained) is None:
        return "this policy is untrained: no step was better on validation"
    source = trained.input_run("train")
    label = arm_label(source.config) if source is not None else None
    name = "policy that it started from" if label is None else "SFT policy" if label == "sft" else f"policy of {label}"
    if trained.config.algo.get("continues") == "training":
        return f"this is the {name}, as its training stood at its end: no step was better on validation"
    return f"this is the {name}: no step was better on validation"


def equal_arms(evaluations: Sequence[Evaluation]) -> list[str]:
    """A line for each arm and seed that is another arm to the last bit, because validation kept its start or not."""
    lines = []
    for place, one in enumerate(evaluations):
        kept = _start_kept(one)
        if kept is not None:
            lines.append(f"{one.arm}, seed {one.seed}: {kept}")
            continue
        for other in evaluations[:place]:
            same = one.seed == other.seed and one.arm != other.arm and _start_kept(other) is None
            if same and np.array_equal(one.counts, other.counts) and np.array_equal(one.exact, other.exact):
                lines.append(f"{one.arm}, seed {one.seed}: equal to {other.arm} to the last bit in every case")
                break
    return lines


def _start_kept(one: Evaluation) -> str | None:
    return start_kept(one.trained, as_picked(one.trained, one.run.config.get("pick"))[1])


def _start_entry(run: Run) -> InputRun | None:
    return next((entry for entry in reversed(run.manifest["inputs"]) if entry["stage"] == "train"), None)
