"""recbench bench: every arm from one SFT checkpoint, with equal steps and candidates, and one table over them."""

from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError
from recbench.execution import compose, execute, prepare
from recbench.reporting.progress import say
from recbench.runs import Run
from recbench.schema import did_you_mean
from recbench.stages.compare import METRICS, arm_label, check_metrics, compare_runs
from recbench.stages.upstream import require, require_sft, reuse

# What each arm trains with; the yaml files under conf/algo give all of them the same steps, batches and group size.
ARMS: dict[str, list[str]] = {
    "sft": [],  # the checkpoint itself
    "more_sft": ["algo=more_sft"],
    "grpo_random": ["algo=grpo", "negatives=random"],
    "grpo_beam": ["algo=grpo", "negatives=beam"],
    "tawin": ["algo=tawin"],
}
AIM = "algo.top_k=10"  # tawin's, where the user gives neither a window nor a top-k
TAWIN_KEYS = ("window", "top_k", "window_shape", "window_temperature", "ranks", "threshold_beam")
BENCH_KEYS = {  # what a bench sets itself, and how the user asks for it
    "algo": "--arms",
    "algo.name": "--arms",
    "negatives": "--arms",
    "negatives.kind": "--arms",
    "seed": "--seeds",
    "input": "'recbench train input=RUN'",
    "resume": "'recbench train --resume RUN'",
    "force": "--force",
}


def bench(
    overrides: Sequence[str],
    *,
    seeds: Sequence[int] = (0, 1),
    arms: Sequence[str] = tuple(ARMS),
    metrics: Sequence[str] = METRICS,
    excluded: bool = False,
    force: bool = False,
) -> Run:
    """Train and evaluate every arm with every seed, compare them, and return the finished bench run.

    `overrides` are of `recbench train` and go to every arm, those of tawin's windows to tawin only; `eval.KEY=VALUE`
    goes to the evaluations. Finished runs of just the same config are reused, unless `force` makes them anew, so that a
    bench that was interrupted makes what is missing. Raises UserError for arms that are not known, seeds given twice,
    and overrides that a bench sets itself.
    """
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UserError(f"--seeds {','.join(map(str, seeds))}: expected different whole numbers, as in 0,1")
    for arm in arms:
        if arm not in ARMS:
            raise UserError(f"--arms {arm}: expected some of {', '.join(ARMS)}{did_you_mean(arm, list(ARMS))}")
    if not arms:
        raise UserError(f"--arms is empty: expected some of {', '.join(ARMS)}")
    names = check_metrics(metrics)
    keys = [_key(override) for override in overrides]
    for key in keys:
        if key in BENCH_KEYS:
            raise UserError(f"{key} is what a bench sets itself: leave it out, and use {BENCH_KEYS[key]}")
    common = [text for text, key in zip(overrides, keys) if not key.startswith("eval.")]
    of_tawin = [text for text in common if _key(text) in {f"algo.{name}" for name in TAWIN_KEYS}]
    shared = [text for text in common if text not in of_tawin]
    aimed = any(_key(text) in ("algo.window", "algo.top_k") for text in of_tawin)
    training = {
        arm: [*ARMS[arm], *shared, *((of_tawin if aimed else [AIM, *of_tawin]) if arm == "tawin" else [])]
        for arm in dict.fromkeys(arms)
    }
    for arm in training:  # a mistake shows before anything is trained
        config = prepare("train", compose("train", training[arm]), training[arm])
        if arm != "sft" and config.algo.interactions == "reserved" and config.reserved == 0:
            raise UserError(f"reserved=0 keeps no interactions from SFT for {arm} to train on: give reserved=1")
    base = compose("train", [*ARMS["grpo_beam"], *shared])
    kept = ("runs", "threads", "device")
    evaluation = [text for text in shared if _key(text) in kept]
    evaluation += [text.replace("eval.", "", 1) for text, key in zip(overrides, keys) if key.startswith("eval.")]
    prepare("eval", compose("eval", evaluation), evaluation)
    config = OmegaConf.create(
        {
            **{key: base[key] for key in base if key not in ("algo", "negatives", "input", "resume")},
            "seed": seeds[0],
            "seeds": list(seeds),
            "force": force,
            "arms": training,
            "evaluation": evaluation,
            "metrics": names,
            "excluded": excluded,
        }
    )
    asked = [f"--seeds {','.join(map(str, seeds))}", f"--arms {','.join(training)}"]
    asked += [f"--metrics {','.join(names)}"] if names != list(METRICS) else []
    asked += ["--excluded"] if excluded else []
    return execute("bench", config, [*asked, *overrides])


def run(config: DictConfig, run: Run) -> dict[str, Any]:
    """The stage: data, then for each seed the SFT checkpoint, each arm from it, and its evaluation.

    Returns:
        The numbers of `compare_runs`.
    """
    arms: dict[str, list[str]] = OmegaConf.to_container(config.arms)  # type: ignore[assignment]
    to_evaluate: list[str] = OmegaConf.to_container(config.evaluation)  # type: ignore[assignment]
    data = require("data", config, run)
    run.record(data_fingerprint=data.data_fingerprint)
    evaluated, made = [], []
    for seed in config.seeds:
        say(f"== seed {seed}: the SFT checkpoint")
        start = require_sft(OmegaConf.merge(config, {"seed": seed}), run, strict=True)  # type: ignore[arg-type]
        for arm, overrides in arms.items():
            say(f"== seed {seed}: {arm}")
            trained = start
            if arm != "sft":
                trained = reuse("train", [*overrides, f"seed={seed}", f"input={start.id}"], run, force=config.force)
            scored = reuse("eval", [*to_evaluate, f"seed={seed}", f"input={trained.id}"], run, force=config.force)
            evaluated.append(scored)
            made.append((trained, {"seed": seed, "train": trained.id, "eval": scored.id}))
    comparison = compare_runs(evaluated, metrics=config.metrics, excluded=config.excluded, note=run.note)
    run.record(
        evaluations=[{"arm": arm_label(trained.config), **ids} for trained, ids in made],
        cost=_cost([trained for trained, _ in made]),
    )
    return comparison


def _cost(trained: Sequence[Run]) -> list[dict[str, Any]]:
    """What each arm was given: steps (and the one that validation kept), contexts, candidates with gradient, time.

    Steps and seconds are means over seeds.
    """
    configs = [one.config for one in trained]
    labels = [arm_label(config) for config in configs]
    cost = []
    for label in dict.fromkeys(labels):
        runs = [one for one, other in zip(trained, labels) if other == label]
        algo = configs[labels.index(label)].algo
        cost.append(
            {
                "arm": label,
                "steps": _mean_of(runs, lambda one: one.metrics["steps"]),
                "kept": ", ".join(str(one.metrics["best_step"]) for one in runs),
                "contexts": int(algo.batch_size),
                "candidates": "all" if algo.name == "sft" else int(algo.group_size),
                "seconds": _mean_of(runs, lambda one: one.manifest["training_seconds"]),
            }
        )
    return cost


def _mean_of(runs: Sequence[Run], value: Callable[[Run], float]) -> int:
    return round(sum(value(one) for one in runs) / len(runs))


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
