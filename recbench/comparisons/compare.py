"""recbench compare: evaluations of several arms side by side, read from their run folders alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.comparisons.evaluations import (
    Evaluation,
    arm_label,
    arm_labels,
    check_same_cases,
    read_evaluations,
    trained_run,
)
from recbench.comparisons.naming import equal_arms, with_start
from recbench.comparisons.shared_metrics import (
    check_metrics,
    counts_for,
    known_metrics,
    scored_exactly,
    shared_metrics,
)
from recbench.console.progress import say
from recbench.errors import UserError
from recbench.metrics.comparison import paired_differences, run_means, spread_over_seeds
from recbench.metrics.crossed import crossed_interval
from recbench.metrics.significance import holm
from recbench.metrics.summary import metric_of_ranks
from recbench.metrics.table import read_metric
from recbench.result_shapes import ArmRow, ComparedRun, Comparison, Difference
from recbench.runs import Run, require_finished, resolve_run

SAMPLES = 1000  # of the bootstrap


def compare(
    root: Path,
    names: Sequence[str],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    excluded: bool = False,
) -> list[Comparison]:
    """Compare the eval runs that `names` stand for (a path, the beginning of an id, `latest`), one data set at a time.

    `baseline` is an arm, such as `grpo beam` or `grpo_beam`, or names one run of it, which joins the others if it is
    not among them. Returns what `compare_runs` says of each data set, in the order of their first runs; data sets of
    one name have the beginning of their fingerprint behind it. Runs whose training is gone or damaged are left out and
    named. Raises UserError for a name that stands for no finished eval run, where no run is left, and where a data set
    lacks the baseline's arm.
    """
    named_runs = [require_finished(resolve_run(root, name, "eval")) for name in names]
    runs = {run.path.resolve(): run for run in _with_arms(named_runs)}
    groups = _by_data(runs.values())
    labels = [arm_labels(group) for group in groups]
    arms = {_plain(arm): arm for found in labels for arm in found.values()}
    base = arms.get(_plain(baseline)) if baseline is not None else None
    if baseline is not None and base is None:
        try:
            named = require_finished(resolve_run(root, baseline, "eval"))
        except UserError as problem:
            known = ", ".join(dict.fromkeys(arms.values()))
            raise UserError(f"--baseline {baseline}: none of the arms ({known}), and {problem}") from problem
        runs.setdefault(named.path.resolve(), named)
        groups = _by_data(runs.values())
        labels = [arm_labels(group) for group in groups]
        base = next(found[named.id] for found in labels if named.id in found)
    compared = [
        compare_runs(group, baseline=base, metrics=metrics, excluded=excluded, labels=found)
        for group, found in zip(groups, labels, strict=True)
    ]
    for one, group, found in zip(compared, groups, labels, strict=True):
        one["runs"] = [_about(run, found[run.id]) for run in group]
    called = [one["data"] for one in compared]
    for one in compared:
        if called.count(one["data"]) > 1:
            one["data"] += f" {str(one['data_fingerprint'])[:8]}"
        if len(one["arms"]) == 1:
            say(f"note: {one['data']} has one arm, {one['baseline']}: there is nothing to hold it against")
    return compared


def _with_arms(runs: Sequence[Run]) -> list[Run]:
    """The runs whose training can be read, which says what arm they are of; the others are named, once."""
    found: list[Run] = []
    for run in runs:
        try:
            arm_labels([run])
        except UserError as problem:
            if run is runs[-1] and not found:
                raise
            say(f"note: eval run {run.id} is left out: {problem}")
        else:
            found.append(run)
    return found


def compare_runs(
    runs: Sequence[Run],
    *,
    baseline: Run | str | None = None,
    metrics: Sequence[str] | None = None,
    strict: bool = True,
    excluded: bool = False,
    labels: Mapping[str, str] | None = None,
    note: Callable[[str], None] = lambda text: say(f"note: {text}"),
) -> Comparison:
    """Group finished eval runs on one data set into arms, average over seeds, hold every arm against the baseline.

    Ranks from a beam cannot tell every metric. Those that they cannot are of the cases that every run has scored
    exactly (`exact_sample`); where there are none such, they are left out and named by `note`.

    Args:
        baseline: the arm of that name, or of that run. None: SFT, or the first arm where SFT is not there.
        metrics: names. None: the usual ones, and the windows and cut-offs asked for, if all runs have them.
        excluded: whether items that a user has seen are left out of the negatives.
        labels: what an arm is called, by the eval run's id; else it is read from the training's config.
        strict: whether cut-offs beyond the catalogue are refused; else they are left out, and named by `note`.

    Returns:
        The numbers, as `recbench.result_shapes` has them.

    Raises:
        UserError: runs of different data, splits or cases, the same arm and seed twice, an unknown metric or baseline.
    """
    if metrics is not None:
        check_metrics(metrics)
    evaluations = read_evaluations(runs, excluded, labels)
    check_same_cases(evaluations)
    names = shared_metrics(evaluations, note) if metrics is None else check_metrics(metrics)
    names, sampled = known_metrics(names, evaluations, note, strict and metrics is not None)
    sample = scored_exactly(evaluations)
    first = evaluations[0]
    arms: dict[str, dict[int, NDArray[np.float64]]] = {}
    for one in evaluations:
        if one.seed in arms.setdefault(one.arm, {}):
            other = next(e for e in evaluations if (e.arm, e.seed) == (one.arm, one.seed))
            raise UserError(
                f"eval runs {other.run.id} and {one.run.id} are both of arm {one.arm!r} with seed {one.seed}: "
                "compare one of them"
            )
        arms[one.arm][one.seed] = _values(one, names, sampled, sample)
    base = _baseline(evaluations, baseline)
    rows: list[ArmRow] = []
    for arm, values in arms.items():
        spread = spread_over_seeds(values)
        means = {str(seed): run_means(values[seed]) for seed in sorted(values)}
        row: ArmRow = {
            "arm": arm,
            "seeds": sorted(values),
            "values": {
                name: {
                    "mean": spread.mean[column],
                    "deviation": spread.deviation[column],
                    "per_seed": {seed: mean[column] for seed, mean in means.items()},
                }
                for column, name in enumerate(names)
            },
        }
        if arm != base and not set(values) & set(arms[base]):
            note(f"{arm} and {base} have no seed in common: they are not held against each other")
        elif arm != base:
            row["difference"] = _difference(values, arms[base], names, first.users)
        rows.append(row)
    comparison: Comparison = {
        "data": first.run.data_name,
        "data_fingerprint": first.run.data_fingerprint,
        "split": str(first.run.config.split),
        "seen_items": "excluded" if excluded else "kept",
        "cases": len(first.users),
        "users": len(np.unique(first.users)),
        "samples": SAMPLES,
        "baseline": base,
        "metrics": names,
        "comparisons": _correct(rows),
        "arms": rows,
        "headline": equal_arms(evaluations),
    }
    if sampled:
        comparison["sampled"] = {"metrics": sampled, "cases": int(sample.sum())}
    if smaller := [name for name in names if read_metric(name).metric.smaller_is_better]:
        comparison["smaller_is_better"] = smaller
    if best := _best(evaluations, names, "best_excluded" if excluded else "best"):
        comparison["best"] = best
    return comparison


def _about(run: Run, arm: str) -> ComparedRun:
    """Which run an arm's numbers of one seed come from."""
    trained = trained_run(run)
    seed = int(trained.config.seed)
    return {"arm": arm, "seed": seed, "eval": run.id, "train": trained.id, "policy": with_start(trained)}


def _by_data(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs on the same data together, by its fingerprint."""
    groups: dict[str | None, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.data_fingerprint, []).append(run)
    return list(groups.values())


def _plain(arm: str) -> str:
    """`arm` so that grpo_beam, as `recbench bench --arms` has it, is grpo beam."""
    return arm.replace("_", " ")


def _values(
    evaluation: Evaluation, names: Sequence[str], sampled: Sequence[str], sample: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Every metric of every case, float64 [C, M]; NaN where a case has no negatives, as `recbench eval` has it.

    Those in `sampled` are of the cases [C] in `sample` alone, NaN for the others.
    """
    values = np.full((len(evaluation.users), len(names)), np.nan)
    for column, name in enumerate(names):
        counts = evaluation.exact if name in sampled else counts_for(evaluation, name)
        defined = (counts[2] > 0) & sample if name in sampled else counts[2] > 0
        values[defined, column] = metric_of_ranks(name, *counts[:, defined])
    return values


def _baseline(evaluations: Sequence[Evaluation], given: Run | str | None) -> str:
    arms = list(dict.fromkeys(one.arm for one in evaluations))
    if isinstance(given, Run):
        return next(one.arm for one in evaluations if one.run.path.resolve() == given.path.resolve())
    if given is not None and given not in arms:
        data = evaluations[0].run.data_name
        raise UserError(f"baseline {given!r} is no arm on {data}, which has {', '.join(arms)}: evaluate it there, too")
    if given is not None:
        return given
    plain = [one.arm for one in evaluations if arm_label(one.trained.config) == "sft"]
    return (plain or arms)[0]


def _difference(
    arm: Mapping[int, NDArray[np.float64]],
    base: Mapping[int, NDArray[np.float64]],
    names: Sequence[str],
    users: NDArray[np.object_],
) -> Difference:
    found = paired_differences(arm, base, users, samples=SAMPLES)
    crossed = [crossed_interval(one) for one in found.crossed]
    relative = [crossed_interval(one) for one in found.crossed_relative]
    return {
        "seeds": found.seeds,
        "values": {
            name: {
                "difference": found.mean[column],
                "low": found.low[column],
                "high": found.high[column],
                "relative_percent": found.relative[column],
                "standard_error": found.standard_error[column],
                "detectable": found.detectable[column],
                "p_t": found.p_t[column],
                "p_wilcoxon": found.p_wilcoxon[column],
                "p_bootstrap": found.p_bootstrap[column],
                "users_and_seeds_error": crossed[column].error,
                "users_and_seeds_low": crossed[column].low,
                "users_and_seeds_high": crossed[column].high,
                "p_users_and_seeds": crossed[column].p,
                "relative_users_and_seeds_low": relative[column].low,
                "relative_users_and_seeds_high": relative[column].high,
                "relative_variance": found.crossed_relative[column]._asdict(),
            }
            for column, name in enumerate(names)
        },
    }


def _correct(rows: Sequence[ArmRow]) -> int:
    """Give every difference its p_holm, of users and of users and seeds; return how many comparisons the first is for.

    Those are all whose test over users is defined.
    """
    tested = [value for row in rows if "difference" in row for value in row["difference"]["values"].values()]
    raw = [value["p_t"] for value in tested]
    for value, p in zip(tested, holm(raw), strict=True):
        value["p_holm"] = p
    for value, p in zip(tested, holm([value["p_users_and_seeds"] for value in tested]), strict=True):
        value["p_users_and_seeds_holm"] = p
    return int(np.count_nonzero(~np.isnan(raw)))


def _best(evaluations: Sequence[Evaluation], names: Sequence[str], key: str) -> dict[str, float]:
    """The best possible values that an evaluation reports; all have the same cases, so the first one's do."""
    known: dict[str, Any] = next((one.run.metrics[key] for one in evaluations if key in one.run.metrics), {})
    return {name: known[name]["value"] for name in names if name in known}
