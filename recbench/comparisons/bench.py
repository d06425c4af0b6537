"""recbench bench: arms from one SFT checkpoint a seed, on one data set or several, and tables over them."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from recbench.comparisons.compare import compare_runs
from recbench.comparisons.evaluations import arm_label
from recbench.comparisons.experiments import changeable, composed, design, pick_of, training, written
from recbench.comparisons.naming import as_picked
from recbench.comparisons.shared_metrics import METRICS
from recbench.console.progress import Steps, say
from recbench.errors import UserError
from recbench.execution import differences, execute, prepare
from recbench.metrics.crossed import CrossedMean, crossed_interval, mean_of_independent, users_interval
from recbench.quoting import quote
from recbench.rl.rules import RULES, rule_of
from recbench.runs import Run, find_runs, passing_over
from recbench.runs.order import end_of
from recbench.schema import with_defaults
from recbench.schema.experiments import SCRATCH, SFT
from recbench.upstream import find, is_sft_for, obtain, require, require_sft, values_of

REFERENCE = "grpo_beam"  # whose step the others' cost is relative to


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
    runs, picks = _Runs(config, run), list(config.pick) or [None]
    made: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    problems: list[Exception] = []

    def failed(problem: Exception, **where: Any) -> None:
        error = " ".join(str(problem).split())
        error = error if isinstance(problem, UserError) else f"{type(problem).__name__}: {error}"
        say("failed: " + ", ".join(f"{key} {value}" for key, value in where.items()) + f": {error}")
        run.log.error("failed: %s", where, exc_info=problem)
        failures.append({**where, "error": error, "mistake": isinstance(problem, UserError)})
        problems.append(problem)

    steps = Steps("arm", _expected(config), run.log)
    for seed, data, arm in _arms_of(config):
        steps.begin()
        try:
            trained = runs.trained(data, arm, seed)
            scored = [runs.scored(data, arm, seed, place) for place in range(len(picks))]
        except Exception as problem:  # whatever an arm dies of, the next one runs
            failed(problem, data=data, arm=arm, seed=seed)
            continue
        assert trained is not None
        steps.end(end_of(trained.manifest, trained.id))
        for pick, one in zip(picks, scored, strict=True):
            assert one is not None
            made.append({"data": data, "name": arm, "seed": seed, "train": trained, "eval": one, "pick": pick})
    found: dict[str | None, dict[str, dict[str, Any]]] = {}
    for pick, data in itertools.product(picks, map(str, config.on)):
        try:
            if some := [one for one in made if (one["pick"], one["data"]) == (pick, data)]:
                found.setdefault(pick, {})[data] = _comparison(config, data, some, run)
        except UserError as problem:
            failed(problem, data=data)
    if not found:
        raise problems[0]
    comparisons = next(iter(found.values()))
    if len(config.on) == 1:
        run.record(data_fingerprint=made[0]["eval"].data_fingerprint)
    run.record(
        evaluations=[
            {
                **{key: one[key] for key in ("data", "seed")},
                "arm": _label(config, one),
                "data_folder": one["eval"].data_name,
                "train": one["train"].id,
                "eval": one["eval"].id,
                **({"pick": one["pick"]} if one["pick"] is not None else {}),
            }
            for one in made
        ],
        cost=[
            row
            for pick, data in itertools.product(picks, config.on)
            for row in _cost(config, [one for one in made if (one["pick"], one["data"]) == (pick, data)])
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


def _numbers(config: DictConfig, comparisons: dict[str, dict[str, Any]]) -> dict[str, Any]:
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
        "rows", in the order in which a bench goes: seed, data, arm, the ids of its train and eval run (None where there
        is none yet) and the estimated minutes of what is missing (None where no finished run is of its kind); their sum
        "minutes", and how many runs are "there", "missing" and of "unknown" duration.
    """
    config = design(overrides, **choices)
    runs, seconds = _Runs(config, None), _seconds_by_kind(Path(config.runs))
    rows: list[dict[str, Any]] = []
    wanted = 0
    estimates: list[float | None] = []
    arms = dict.fromkeys((data, arm) for _, data, arm in _arms_of(config, with_starts=True))
    kinds = {(data, arm): _kinds(config, data, arm) for data, arm in arms}
    for seed, data, arm in _arms_of(config, with_starts=True):
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


class _Runs:
    """The runs of an experiment, each once: those that are there, and, given the bench run, new ones where none is."""

    def __init__(self, config: DictConfig, run: Run | None) -> None:
        self.config, self.run = config, run
        self._known: dict[tuple[Any, ...], Run | None | Exception] = {}

    def trained(self, data: str, arm: str, seed: int) -> Run | None:
        """The training of an arm; None where it, or what it starts from, is not there and is not to be made."""
        return self._once(("train", data, arm, seed), lambda: self._trained(data, arm, seed))

    def scored(self, data: str, arm: str, seed: int, place: int = 0) -> Run | None:
        """The evaluation of an arm, of the checkpoint that the bench's picker at `place` picked, likewise."""
        pick = pick_of(self.config, data, arm, place)
        return self._once(("eval", data, arm, seed, pick), lambda: self._scored(data, arm, seed, pick))

    def _once(self, key: tuple[Any, ...], get: Callable[[], Run | None]) -> Run | None:
        if key not in self._known:
            try:
                self._known[key] = get()
            except Exception as problem:  # arms that start from a failed one fail like it, and it is not tried again
                self._known[key] = problem
        known = self._known[key]
        if isinstance(known, Exception):
            raise known
        return known

    def _data(self, data: str) -> Run | None:
        base = changeable(training(self.config, data, SFT)[0])
        base.force = self.config.force
        return find("data", base, match=lambda _: True) if self.run is None else require("data", base, self.run)

    def _trained(self, data: str, arm: str, seed: int) -> Run | None:
        source = self._once(("data", data), lambda: self._data(data))
        fingerprint = source.data_fingerprint if source is not None else None
        start = self.config.arms[arm].start if arm != SFT else None
        checkpoint = self.trained(data, start, seed) if start not in (None, SCRATCH) else None
        if checkpoint is None and start not in (None, SCRATCH):
            return None
        shared, overrides = training(self.config, data, arm)
        made = changeable(shared)
        made.seed = seed
        if arm == SFT:
            if self.run is None:
                return find("train", made, match=is_sft_for(made), fingerprint=fingerprint)
            made.force = self.config.force
            return require_sft(made, self.run, strict=True, fingerprint=fingerprint)
        overrides = [*overrides, f"seed={seed}"]
        if checkpoint is None:  # its data are given as a node, which the overrides do not tell
            overrides = differences("train", made) if self.run is not None else overrides
        else:
            made.input = checkpoint.id
            overrides.append(f"input={checkpoint.id}")
        return self._get("train", made, overrides, fingerprint)

    def _scored(self, data: str, arm: str, seed: int, pick: str | None) -> Run | None:
        trained = self.trained(data, arm, seed)
        if trained is None:
            return None
        overrides = [*written(self.config.evaluation), *([f"pick={quote(pick)}"] if pick is not None else [])]
        made = changeable(composed("eval", overrides))
        made.seed, made.input = seed, trained.id
        return self._get("eval", made, [*overrides, f"seed={seed}", f"input={trained.id}"], None)

    def _get(self, stage: str, made: DictConfig, overrides: list[str], fingerprint: str | None) -> Run | None:
        settled = prepare(stage, made, overrides)
        if self.run is None:
            return find(stage, settled, fingerprint=fingerprint)
        return obtain(stage, settled, overrides, self.run, force=self.config.force, fingerprint=fingerprint)


def _arms_of(config: DictConfig, with_starts: bool = False) -> Iterator[tuple[int, str, str]]:
    """(seed, data, arm) in the order in which they are made; with those that only others start from, if asked for."""
    for seed in config.seeds:
        for data in map(str, config.on):
            others = [arm for arm in config.arms if arm not in config.chosen] if with_starts else []
            for arm in [*others, *config.chosen]:
                yield int(seed), data, str(arm)


def _label(config: DictConfig, one: Mapping[str, Any]) -> str:
    """What an arm is called in tables: by an experiment's name for it, else by its rule."""
    return str(one["name"] if config.experiment is not None else arm_label(one["train"].config))


def _comparison(config: DictConfig, data: str, made: Sequence[Mapping[str, Any]], run: Run) -> dict[str, Any]:
    settings: dict[str, Any] = {"excluded": config.excluded, "note": run.note, "strict": config.metrics_asked}
    settings["metrics"] = list(config.metrics) if config.metrics_asked or config.experiment is not None else None
    evaluated = [one["eval"] for one in made]
    if config.experiment is None:
        return compare_runs(evaluated, **settings)
    base = config.baseline if config.baseline in [one["name"] for one in made] else None
    if base is None:
        run.note(f"{data}: the baseline {config.baseline} is not there, and another stands in for it")
    labels = {one["eval"].id: str(one["name"]) for one in made}
    # two sets of an experiment may be one data set, by other settings: they go by the experiment's names for them
    return {**compare_runs(evaluated, baseline=base, labels=labels, **settings), "data": data}


def relative_gains(comparisons: Mapping[str, Mapping[str, Any]], metric: str, baseline: str) -> dict[str, Any]:
    """Each arm's relative gain over the baseline on one metric, data set by data set.

    Returns:
        "metric", "baseline" and "arms", in order: "arm", "gains" (data set -> relative_percent, difference, low, high,
        and p_holm where it was tested; a set on which the arm or the baseline is not there is left out), "mean" of the
        gains in percent, and the number of sets where the arm is "above" the baseline, of how many ("sets"). The mean's
        "low" and "high" have users as draws, "users_and_seeds_low" and "_high" seeds, too: equation (30) of
        docs/methods.md, the data sets fixed. NaN where two of them are one data set, whose users are the same, and the
        latter where a set has a single seed.
    """
    parts: dict[str, dict[str, CrossedMean]] = {}
    gains: dict[str, dict[str, dict[str, Any]]] = {}
    for data, comparison in comparisons.items():
        for arm in comparison["arms"] if comparison["baseline"] == baseline else []:
            held = arm.get("difference", {}).get("values", {}).get(metric)
            if held is not None:
                both = ("relative_users_and_seeds_low", "relative_users_and_seeds_high", "p_users_and_seeds_holm")
                keys = ("relative_percent", "difference", "low", "high", "p_holm", *both)
                gains.setdefault(arm["arm"], {})[data] = {key: held[key] for key in keys if key in held}
                parts.setdefault(arm["arm"], {})[data] = CrossedMean(**held["relative_variance"])
    arms = []
    for name, found in gains.items():
        percents = [gain["relative_percent"] for gain in found.values()]
        above = sum(gain["difference"] > 0 for gain in found.values())
        mean = {"mean": statistics.mean(percents), "above": above, "sets": len(found)}
        prints = [comparisons[data]["data_fingerprint"] for data in found]
        ends = _mean_ends(list(parts[name].values()), independent=len(set(prints)) == len(prints))
        arms.append({"arm": name, "gains": found, **mean, **ends})
    return {"metric": metric, "baseline": baseline, "arms": arms}


def _mean_ends(gains: Sequence[CrossedMean], independent: bool) -> dict[str, float]:
    """Ends of the intervals of the mean of relative gains over data sets; NaN unless they are `independent`."""
    mean = mean_of_independent(gains)
    known = [*users_interval(mean)[2:4], *crossed_interval(mean)[2:4]] if independent else [math.nan] * 4
    return dict(zip(("low", "high", "users_and_seeds_low", "users_and_seeds_high"), known, strict=True))


def _cost(config: DictConfig, made: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each arm was given on one data set: steps (and the one kept, by what metric), contexts, candidates, time.

    Steps and seconds are means over seeds; those a step are medians over steps, without validation, and relative to
    GRPO with beam negatives. None where it cannot be told.
    """
    a_step = {arm: _seconds_a_step([one["train"] for one in made if one["name"] == arm]) for arm in config.chosen}
    reference = a_step.get(REFERENCE)
    cost = []
    for arm in dict.fromkeys(one["name"] for one in made):
        some = [one for one in made if one["name"] == arm]
        trained = [one["train"] for one in some]
        picked = [as_picked(one["train"], one["eval"].config.pick)[1] for one in some]
        algo = trained[0].config.algo
        seconds = a_step[arm]
        cost.append(
            {
                "data": some[0]["data"],
                "arm": _label(config, some[0]),
                "steps": round(statistics.mean(one.metrics["steps"] for one in trained)),
                "kept": ", ".join(str(one["best_step"]) for one in picked),
                "picked": ", ".join(dict.fromkeys(str(one["selected_by"]) for one in picked)),
                "contexts": int(algo.batch_size) if rule_of(algo).takes_steps else None,
                "candidates": rule_of(algo).candidates(algo),
                "seconds": round(statistics.mean(one.manifest["training_seconds"] for one in trained)),
                "seconds_a_step": seconds,
                "relative": seconds / reference if seconds is not None and reference else None,
            }
        )
    return cost


def _seconds_a_step(trained: Sequence[Run]) -> float | None:
    known = [float(one.manifest["step_seconds"]) for one in trained if "step_seconds" in one.manifest]
    return statistics.mean(known) if known else None  # runs without steps, and older ones, have none


# ---- how long runs take


def _expected(config: DictConfig) -> dict[str, float]:
    """How long each arm takes with each seed, by what finished runs of its kind took; else as long as the others."""
    seconds = _seconds_by_kind(Path(config.runs))
    known: dict[str, list[float]] = {}
    for seed, data, arm in _arms_of(config):
        kinds = _kinds(config, data, arm)
        known[f"seed {seed}: {data}: {arm}"] = [seconds[kind] for kind in kinds] if seconds.keys() >= {*kinds} else []
    usual = statistics.mean([sum(parts) for parts in known.values() if parts] or [1.0])
    return {name: sum(parts) or usual for name, parts in known.items()}


def _seconds_by_kind(root: Path) -> dict[tuple[Any, ...], float]:
    """The median of the seconds that finished runs of a kind took."""
    taken: dict[tuple[Any, ...], list[float]] = {}
    for stage, kind in (("train", _train_kind), ("eval", _eval_kind)):
        for run in find_runs(root, stage):
            with passing_over(run):
                if run.status == "done":
                    taken.setdefault(kind(values_of(run)), []).append(float(run.manifest.get("seconds", 0)))
    return {kind: statistics.median(seconds) for kind, seconds in taken.items()}


def _kinds(config: DictConfig, data: str, arm: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
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
