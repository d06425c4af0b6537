"""How long the trainings and evaluations of a bench take, by what finished runs of their kinds took."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from recbench.comparisons.arm_runs import arms_of
from recbench.comparisons.experiments import composed, training, written
from recbench.rl.rules import RULES
from recbench.runs import find_runs, passing_over
from recbench.schema import with_defaults
from recbench.schema.experiments import SFT
from recbench.upstream import values_of


def expected_seconds(config: DictConfig) -> dict[str, float]:
    """How long each arm takes with each seed, by what finished runs of its kind took; else as long as the others."""
    seconds = seconds_by_kind(Path(config.runs))
    known: dict[str, list[float]] = {}
    for seed, data, arm in arms_of(config):
        kinds = kinds_of(config, data, arm)
        known[f"seed {seed}: {data}: {arm}"] = [seconds[kind] for kind in kinds] if seconds.keys() >= {*kinds} else []
    usual = statistics.mean([sum(parts) for parts in known.values() if parts] or [1.0])
    return {name: sum(parts) or usual for name, parts in known.items()}


def seconds_by_kind(root: Path) -> dict[tuple[Any, ...], float]:
    """The median of the seconds that finished runs of a kind took."""
    taken: dict[tuple[Any, ...], list[float]] = {}
    for stage, kind in (("train", _train_kind), ("eval", _eval_kind)):
        for run in find_runs(root, stage):
            with passing_over(run):
                if run.status == "done":
                    taken.setdefault(kind(values_of(run)), []).append(float(run.manifest.get("seconds", 0)))
    return {kind: statistics.median(seconds) for kind, seconds in taken.items()}


def kinds_of(config: DictConfig, data: str, arm: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Of what kinds an arm's training and its evaluation are."""
    made, _ = training(config, data, arm)
    evaluation = with_defaults("eval", composed("eval", written(config.evaluation)))
    kind = _train_kind(_values_of("train", made, SFT if arm == SFT else None))
    return kind, _eval_kind({**evaluation, "data": {"name": made.data.name}})


def _values_of(stage: str, config: DictConfig, rule: str | None = None) -> dict[str, Any]:
    values = with_defaults(stage, config)
    return {**values, "algo": values[rule]} if rule is not None else values


def _train_kind(values: Mapping[str, Any]) -> tuple[Any, ...]:
    algo = values["algo"]
    rule = (algo["name"], algo["interactions"], algo["steps"], algo["epochs"], algo["batch_size"])
    grouped = algo["name"] not in RULES or RULES[algo["name"]].grouped
    groups = (algo["group_size"], values["negatives"]["kind"]) if grouped else ()
    return ("train", values["data"]["name"], values["policy"]["kind"], *rule, *groups)


def _eval_kind(values: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = ("split", "ranks", "beam_width", "exact_sample", "max_cases")
    return ("eval", values["data"]["name"], *(values[key] for key in keys))
