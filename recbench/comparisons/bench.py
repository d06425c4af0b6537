"""recbench bench: arms from one SFT checkpoint a seed, on one data set or several, and tables over them."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from recbench.comparisons.arm_runs import ArmRun, ArmRuns, arms_of
from recbench.comparisons.compare import compare_runs
from recbench.comparisons.cost import arm_name, cost_of
from recbench.comparisons.durations import expected_seconds, kinds_of, seconds_by_kind
from recbench.comparisons.experiments import design, pick_of
from recbench.comparisons.gains import relative_gains
from recbench.comparisons.shared_metrics import METRICS
from recbench.console.progress import Steps, say
from recbench.errors import UserError
from recbench.execution import execute
from recbench.result_shapes import Comparison, OverDataSets
from recbench.runs import Run
from recbench.runs.manifest import EvaluationEntry, Failure, Where
from recbench.runs.order import end_of


def bench(overrides: Sequence[str], **choices: Any) -> Run:
    """Train and evaluate every arm with every seed on every data set, compare them, and return the finished bench run.

    `overrides` and `choices` are those of `design`. Finished runs of just the same config are reused, unless `force`
    makes them anew, so that a bench that was interrupted makes what is missing. An arm that fails is named in the
    manifest's `failures`, and the others go on. Raises UserError as `design` does, and what the first arm failed of
    when nothing could be evaluated.
    """
    config = design(overrides, **choices)
    asked = [f"--seeds {','.join(map(str, config.seeds))}", f"--arms {','.join(config.chosen)}"]
    asked += [f"--on {','.join(map(str, config.on))}"] if config.summary is not None else []
    asked += [f"--metrics {','.join(config.metrics)}"] if list(config.metrics) != list(METRICS) else []
    asked += [f"--split {choices['split']}"] if choices.get("split") is not None else []
    asked += [f"--pick {','.join(config.pick)}"] if choices.get("pick") is not None else []
    asked += ["--excluded"] if config.excluded else []
    return execute("bench", config, [*asked, *overrides])


def run(config: DictConfig, run: Run) -> dict[str, Any]:
    """The stage: seed by seed, so that an interrupted one has whole seeds, each arm's training and its evaluation.

    Returns:
        The numbers of `compare_runs`; for an experiment over data sets, their names in order ("data_sets"), those
        numbers for each ("by_data") and the gains over the baseline on one metric ("summary"). They are of the
        checkpoints of the first picker; "also_picked" has the same of each other one.
    """
    runs, picks = ArmRuns(config, run), list(config.pick) or [None]
    made: list[ArmRun] = []
    failures: list[Failure] = []
    problems: list[Exception] = []

    def failed(problem: Exception, where: Where) -> None:
        error = " ".join(str(problem).split())
        error = error if isinstance(problem, UserError) else f"{type(problem).__name__}: {error}"
        say("failed: " + ", ".join(f"{key} {value}" for key, value in where.items()) + f": {error}")
        run.log.error("failed: %s", where, exc_info=problem)
        failures.append({**where, "error": error, "mistake": isinstance(problem, UserError)})
        problems.append(problem)

    steps = Steps("arm", expected_seconds(config), run.log)
    for seed, data, arm in arms_of(config):
        steps.begin()
        try:
            trained = runs.trained(data, arm, seed)
            scored = [runs.scored(data, arm, seed, place) for place in range(len(picks))]
        except Exception as problem:  # whatever an arm dies of, the next one runs
            failed(problem, {"data": data, "arm": arm, "seed": seed})
            continue
        assert trained is not None
        steps.end(end_of(trained.manifest, trained.id))
        for pick, one in zip(picks, scored, strict=True):
            assert one is not None
            made.append(ArmRun(data, arm, seed, trained, one, pick))
    found: dict[str | None, dict[str, Comparison]] = {}
    for pick, data in itertools.product(picks, map(str, config.on)):
        try:
            if some := [one for one in made if (one.pick, one.data) == (pick, data)]:
                found.setdefault(pick, {})[data] = _comparison(config, data, some, run)
        except UserError as problem:
            failed(problem, {"data": data})
    if not found:
        raise problems[0]
    comparisons = next(iter(found.values()))
    if len(config.on) == 1:
        run.record(data_fingerprint=made[0].scored.data_fingerprint)
    run.record(
        evaluations=[_entry(config, one) for one in made],
        cost=[
            row
            for pick, data in itertools.product(picks, config.on)
            for row in cost_of(config, [one for one in made if (one.pick, one.data) == (pick, data)])
        ],
        pick=list(config.pick),
        failures=failures,
        headline=[
            line if len(comparisons) == 1 else f"{data}: {line}"
            for data, comparison in comparisons.items()
            for line in comparison["headline"]
        ],
    )
    first, *others = found
    return {
        **_numbers(config, comparisons),
        **({"also_picked": {str(pick): _numbers(config, found[pick]) for pick in others}} if others else {}),
    }


def _entry(config: DictConfig, one: ArmRun) -> EvaluationEntry:
    entry: EvaluationEntry = {
        "data": one.data,
        "seed": one.seed,
        "arm": arm_name(config, one),
        "data_folder": one.scored.data_name,
        "train": one.trained.id,
        "eval": one.scored.id,
    }
    if one.pick is not None:
        entry["pick"] = one.pick
    return entry


def _numbers(config: DictConfig, comparisons: dict[str, Comparison]) -> Comparison | OverDataSets:
    """What a bench returns of the comparisons on its data sets."""
    if config.summary is None:
        return next(iter(comparisons.values()))
    return {
        "data_sets": list(comparisons),
        "by_data": comparisons,
        "summary": relative_gains(comparisons, config.summary, config.baseline),
    }


def plan(overrides: Sequence[str], **choices: Any) -> dict[str, Any]:
    """What a bench would reuse and what it would make, and about how long that takes; runs nothing.

    Returns:
        "rows" in the order in which a bench goes. Each has seed, data and arm, the ids of its train and its eval run
        (None where there is none yet), and the estimated minutes of what is missing (None where no finished run is of
        its kind). Then their sum "minutes", and how many runs are "there", "missing", and of "unknown" duration.
    """
    config = design(overrides, **choices)
    runs, seconds = ArmRuns(config, None), seconds_by_kind(Path(config.runs))
    rows: list[dict[str, Any]] = []
    wanted = 0
    estimates: list[float | None] = []
    arms = dict.fromkeys((data, arm) for _, data, arm in arms_of(config, with_starts=True))
    kinds = {(data, arm): kinds_of(config, data, arm) for data, arm in arms}
    for seed, data, arm in arms_of(config, with_starts=True):
        trained = None if config.force else runs.trained(data, arm, seed)
        shown = arm in config.chosen
        places = {pick_of(config, data, arm, place): place for place in range(max(1, len(config.pick)))}
        scored = [
            None if config.force or trained is None else runs.scored(data, arm, seed, place)
            for place in (places.values() if shown else ())
        ]
        wanted += 1 + len(scored)
        of_training, of_evaluation = kinds[data, arm]
        wanting = [of_training] if trained is None else []
        wanting += [of_evaluation] * scored.count(None)
        missing = [seconds.get(kind) for kind in wanting]
        estimates += missing
        known = [value for value in missing if value is not None]
        rows.append(
            {
                "seed": seed,
                "data": data,
                "arm": arm,
                "train": trained.id if trained is not None else None,
                "eval": ", ".join(one.id for one in scored if one is not None) if scored and all(scored) else None,
                "evaluated": shown,
                "minutes": round(sum(known) / 60, 1) if len(known) == len(missing) else None,
            }
        )
    return {
        "rows": rows,
        "there": wanted - len(estimates),
        "missing": len(estimates),
        "unknown": estimates.count(None),
        "minutes": round(sum(value for value in estimates if value is not None) / 60, 1),
    }


def _comparison(config: DictConfig, data: str, made: Sequence[ArmRun], run: Run) -> Comparison:
    settings: dict[str, Any] = {"excluded": config.excluded, "note": run.note, "strict": config.metrics_asked}
    settings["metrics"] = list(config.metrics) if config.metrics_asked or config.experiment is not None else None
    evaluated = [one.scored for one in made]
    if config.experiment is None:
        return compare_runs(evaluated, **settings)
    base = config.baseline if config.baseline in [one.name for one in made] else None
    if base is None:
        run.note(f"{data}: the baseline {config.baseline} is not there, and another stands in for it")
    labels = {one.scored.id: one.name for one in made}
    # two sets of an experiment may be one data set, by other settings: they go by the experiment's names for them
    return {**compare_runs(evaluated, baseline=base, labels=labels, **settings), "data": data}
