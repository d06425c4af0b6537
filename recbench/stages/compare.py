"""recbench compare: evaluations of several arms side by side, read from their run folders alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError
from recbench.metrics.comparison import paired_differences, run_means, spread_over_seeds
from recbench.metrics.significance import holm
from recbench.metrics.summary import metric_of_ranks, window_text
from recbench.reporting.progress import say
from recbench.runs import Run, require_finished, resolve_run

METRICS = ("auc", "wpauc(0,0.01)", "wpauc(0.01,0.05)", "hr@1", "hr@10", "hr@50", "ndcg@10")
SAMPLES = 1000  # of the bootstrap
# What may differ between runs of one arm: the seed and what follows from it, and what changes no number.
NOT_OF_AN_ARM = ("seed", "input", "runs", "threads", "device", "upstream", "force", "resume", "data", "sft")
ONE_RULE = {"popularity": "popularity", "item_knn": "item-knn", "bpr_mf": "bpr-mf"}  # policies that need no more
PUBLISHED = {  # other rules' labels, and the negatives that go without saying
    "softmax_negatives": ("softmax negatives", "random"),
    "dns": ("dns", "dns"),
    "llpauc": ("llpauc", "random"),
    "sdpo": ("s-dpo", "random"),
    "rere": ("rere", "beam"),
}


class Evaluation(NamedTuple):
    """One eval run of an arm: which arm and seed it is of, and what its ranks.parquet says."""

    run: Run
    trained: Run
    arm: str
    seed: int
    users: NDArray[np.object_]  # of each case, [C]
    positions: NDArray[np.int64]  # of the case among the user's interactions, [C]
    counts: NDArray[np.int64]  # negatives above, ties, negatives of each case, [3, C]
    exact: NDArray[np.int64]  # the same of the cases that were scored exactly, -1 for others, [3, C]
    items: int  # of the catalogue
    found: float  # ranks up to which counts are right: infinite when exact


def compare(
    root: Path,
    names: Sequence[str],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] = METRICS,
    excluded: bool = False,
) -> list[dict[str, Any]]:
    """Compare the eval runs that `names` stand for (a path, the beginning of an id, `latest`), one data set at a time.

    `baseline` is an arm, such as `grpo beam` or `grpo_beam`, or names one run of it, which joins the others if it is
    not among them. Returns what `compare_runs` says of each data set, in the order of their first runs; data sets of
    one name have the beginning of their fingerprint behind it. Raises UserError for a name that stands for no finished
    eval run, and where a data set lacks the baseline's arm.
    """
    runs = {run.path.resolve(): run for run in (require_finished(resolve_run(root, name, "eval")) for name in names)}
    groups = _by_data(runs.values())
    labels = [_labels(group) for group in groups]
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
        labels = [_labels(group) for group in groups]
        base = next(found[named.id] for found in labels if named.id in found)
    compared = [
        compare_runs(group, baseline=base, metrics=metrics, excluded=excluded, labels=found)
        for group, found in zip(groups, labels, strict=True)
    ]
    called = [one["data"] for one in compared]
    for one in compared:
        if called.count(one["data"]) > 1:
            one["data"] += f" {str(one['data_fingerprint'])[:8]}"
        if len(one["arms"]) == 1:
            say(f"note: {one['data']} has one arm, {one['baseline']}: there is nothing to hold it against")
    return compared


def compare_runs(
    runs: Sequence[Run],
    *,
    baseline: Run | str | None = None,
    metrics: Sequence[str] = METRICS,
    excluded: bool = False,
    labels: Mapping[str, str] | None = None,
    note: Callable[[str], None] = lambda text: say(f"note: {text}"),
) -> dict[str, Any]:
    """Group finished eval runs on one data set into arms, average over seeds, hold every arm against the baseline.

    The baseline is the arm of that name or of that run, by default SFT, without one the first arm. With `excluded`,
    items that a user has seen are no negatives. `labels` says what each run's arm is called, by the eval run's id; by
    default it is read from the training's config. Metrics that ranks from a beam cannot tell are those of the cases
    that every run has scored exactly (`exact_sample`), or are left out, and named by `note`.

    Returns:
        Numbers for JSON: "data", "data_fingerprint", "split", "seen_items", "cases", "users", "samples", "baseline",
        "metrics" (the names), "sampled" (the metrics of cases scored exactly, and how many), "best" (name -> best
        possible value, where known), "comparisons" (how many p-values Holm's correction is for) and "arms", in order:
        "arm", "seeds", "values" (name -> mean, deviation, per_seed) and, but for the baseline, "difference": "seeds"
        and "values" (name -> difference, low, high, relative_percent, standard_error, detectable, p_t, p_wilcoxon,
        p_bootstrap, and p_holm, which is p_t corrected for all arms and metrics). Section 5 of docs/methods.md.

    Raises:
        UserError: runs of different data, splits or cases, the same arm and seed twice, an unknown metric or baseline.
    """
    names = check_metrics(metrics)
    evaluations = _evaluations(runs, excluded, labels)
    _check_same_cases(evaluations)
    names, sampled = _known(names, evaluations, note)
    sample = _scored_exactly(evaluations)
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
    rows = []
    for arm, values in arms.items():
        spread = spread_over_seeds(values)
        means = {str(seed): run_means(values[seed]) for seed in sorted(values)}
        row: dict[str, Any] = {
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
    return {
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
        **({"sampled": {"metrics": sampled, "cases": int(sample.sum())}} if sampled else {}),
        **_best(evaluations, names, "best_excluded" if excluded else "best"),
    }


def arm_label(config: DictConfig) -> str:
    """What a training run is called among arms: sft, more sft, grpo beam, tawin 5-15 (ranks), tawin 0.01,0.05 (FPR).

    Of other policies than the LLM recommender: popularity, item-knn, bpr-mf, sasrec, and sasrec with a rule, as in
    sasrec tawin 5-15.
    """
    policy = str(config.policy.get("kind", "llama_small"))
    if policy in ONE_RULE:
        return ONE_RULE[policy]
    rule = _rule_label(config)
    if policy == "llama_small":
        return rule
    return policy if rule == "sft" else f"{policy} {rule}"


def _rule_label(config: DictConfig) -> str:
    algo, kind = config.algo, config.negatives.kind
    if algo.name == "sft":
        return "more sft" if config.input is not None or algo.interactions == "reserved" else "sft"
    if algo.name == "grpo":
        return f"grpo {kind}"
    if algo.name in PUBLISHED:
        label, usual = PUBLISHED[algo.name]
        return label if kind == usual else f"{label} {kind}"
    if algo.top_k is not None:
        aim = f"{algo.top_k // 2}-{-(-3 * algo.top_k // 2)}"
    else:
        aim = algo.weights if algo.window is None else window_text(algo.window)
    return f"tawin {aim}" if kind == "window" else f"tawin {aim} {kind}"


def check_metrics(metrics: Sequence[str]) -> list[str]:
    """The names, each once; raises UserError for none, or for one that is no metric."""
    for name in metrics:
        metric_of_ranks(name, [0], [0], [1])  # an unknown one raises
    if not metrics:
        raise UserError("no metric is given: name some, as in --metrics auc,ndcg@10")
    return list(dict.fromkeys(metrics))


def _by_data(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs on the same data together, by its fingerprint."""
    groups: dict[str | None, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.data_fingerprint, []).append(run)
    return list(groups.values())


def _plain(arm: str) -> str:
    """`arm` so that grpo_beam, as `recbench bench --arms` has it, is grpo beam."""
    return arm.replace("_", " ")


def _evaluations(runs: Sequence[Run], excluded: bool, labels: Mapping[str, str] | None) -> list[Evaluation]:
    found = _labels(runs) if labels is None else labels
    return [_read(run, _trained(run), found[run.id], excluded) for run in runs]


def _trained(run: Run) -> Run:
    source = run.input_run("train")
    if source is None:
        raise UserError(f"the train run that eval run {run.id} scored is gone: its arm cannot be told")
    return source


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    """The arm of each eval run, by its id; settings in which runs of one name differ are added to it."""
    configs = [_trained(run).config for run in runs]
    names = [arm_label(config) for config in configs]
    settings = [dict(_leaves(OmegaConf.to_container(config, resolve=True))) for config in configs]
    labels = {}
    for run, name, mine in zip(runs, names, settings, strict=True):
        alike = [theirs for other, theirs in zip(names, settings, strict=True) if other == name]
        shared = [key for key in mine if all(key in theirs for theirs in alike)]  # others are of another version
        varied = [key for key in shared if any(theirs[key] != mine[key] for theirs in alike)]
        labels[run.id] = " ".join([name, *(f"{key}={mine[key]}" for key in varied)])
    return labels


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if not prefix and key in NOT_OF_AN_ARM:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _read(run: Run, trained: Run, arm: str, excluded: bool) -> Evaluation:
    file = run.path / "ranks.parquet"
    if not file.is_file():
        raise UserError(f"eval run {run.id} has no ranks.parquet: evaluate again")
    table = _table(file, excluded)
    above, ties, negatives = counts = _counts(table, excluded)
    exact, found = counts, np.inf
    if run.metrics["ranks"] != "exact":
        # A positive that the beam did not find counts as ranked last: right as far as the beam went.
        censored = table["censored"].to_numpy()
        found = float(above[censored].min(initial=run.config.beam_width))
        counts = np.stack([np.where(censored, negatives, above), ties, negatives])
        exact = _exact_counts(run.path / "exact_ranks.parquet", table, excluded)
    return Evaluation(
        run=run,
        trained=trained,
        arm=arm,
        seed=int(trained.config.seed),
        users=table["user"].to_numpy(),
        positions=table["case"].to_numpy().astype(np.int64),
        counts=counts,
        exact=exact,
        items=int(table["n"].to_numpy().max(initial=0)) + 1,
        found=found,
    )


def _table(file: Path, excluded: bool) -> pa.Table:
    columns = dict.fromkeys(["user", "case", "censored", "n", *_columns(excluded)])
    return pq.read_table(file, columns=list(columns)).sort_by([("user", "ascending"), ("case", "ascending")])


def _columns(excluded: bool) -> list[str]:
    return [f"{name}_excluded" if excluded else name for name in ("above", "ties", "n")]


def _counts(table: pa.Table, excluded: bool) -> NDArray[np.int64]:
    return np.stack([table[name].to_numpy().astype(np.int64) for name in _columns(excluded)])


def _exact_counts(file: Path, cases: pa.Table, excluded: bool) -> NDArray[np.int64]:
    """Counts [3, C] of the `cases` that the sample in `file` has, -1 for the others; no case without a file."""
    counts = np.full((3, cases.num_rows), -1, dtype=np.int64)
    if file.is_file():
        sample = _table(file, excluded)
        row = {case: index for index, case in enumerate(_keys(cases))}
        counts[:, [row[case] for case in _keys(sample)]] = _counts(sample, excluded)
    return counts


def _keys(table: pa.Table) -> Iterator[tuple[str, int]]:
    return zip(table["user"].to_pylist(), table["case"].to_pylist(), strict=True)


def _check_same_cases(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0]
    for other in evaluations[1:]:
        pair = f"eval runs {first.run.id} and {other.run.id}"
        mine, theirs = first.run.data_fingerprint, other.run.data_fingerprint
        if mine != theirs:
            shown = f"{first.run.data_name} {str(mine)[:12]} and {other.run.data_name} {str(theirs)[:12]}"
            raise UserError(f"{pair} are on different data ({shown}): compare runs on one data set")
        if first.run.config.split != other.run.config.split:
            shown = f"{first.run.config.split} and {other.run.config.split}"
            raise UserError(f"{pair} score different splits ({shown}): evaluate both on one, as in split=test")
        same = len(first.users) == len(other.users)
        if same and (first.users == other.users).all() and (first.positions == other.positions).all():
            continue
        cases = [set(zip(one.users, one.positions.tolist(), strict=True)) for one in (first, other)]
        limits = f"max_cases={first.run.config.max_cases} and {other.run.config.max_cases}"
        raise UserError(
            f"{pair} score different cases: {len(cases[0] - cases[1])} of {len(cases[0])} are in the first only, "
            f"{len(cases[1] - cases[0])} of {len(cases[1])} in the second only ({limits}): evaluate both alike"
        )


def _known(
    names: list[str], evaluations: Sequence[Evaluation], note: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """The metrics that every run's ranks can tell, and those of them that only cases scored exactly can."""
    most = int(max(one.counts[2].max(initial=0) for one in evaluations))
    found = min(one.found for one in evaluations)
    needed = {name: _ranks_needed(name, most) for name in names}
    for name in names:
        if "@" in name and needed[name] > evaluations[0].items:
            raise UserError(f"{name}: the catalogue has {evaluations[0].items} items; give a K of at most that")
    beyond = [name for name in names if needed[name] > found]
    if not beyond:
        return names, []
    beam = f"ranks come from a beam and are known up to {found:g}"
    if cases := int(_scored_exactly(evaluations).sum()):
        note(f"{beam}: {', '.join(beyond)} are of the {cases:,} cases that every run has scored exactly")
        return names, beyond
    if len(beyond) == len(names):
        raise UserError(f"{beam}, too few for {', '.join(names)}: evaluate with exact_sample=2000 or ranks=exact")
    note(f"{beam}: {', '.join(beyond)} left out")
    return [name for name in names if name not in beyond], []


def _scored_exactly(evaluations: Sequence[Evaluation]) -> NDArray[np.bool_]:
    """Which cases [C] every run has scored exactly."""
    return np.all([one.exact[2] >= 0 for one in evaluations], axis=0)


def _ranks_needed(name: str, negatives: int) -> float:
    if "@" in name:
        return int(name.partition("@")[2])
    return float(name.rstrip(")").partition(",")[2] or 1) * negatives


def _values(
    evaluation: Evaluation, names: Sequence[str], sampled: Sequence[str], sample: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Every metric of every case, float64 [C, M]; NaN where a case has no negatives, as `recbench eval` has it.

    Those in `sampled` are of the cases [C] in `sample` alone, NaN for the others.
    """
    values = np.full((len(evaluation.users), len(names)), np.nan)
    for column, name in enumerate(names):
        counts = evaluation.exact if name in sampled else evaluation.counts
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
) -> dict[str, Any]:
    found = paired_differences(arm, base, users, samples=SAMPLES)
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
            }
            for column, name in enumerate(names)
        },
    }


def _correct(rows: Sequence[dict[str, Any]]) -> int:
    """Give every difference its p_holm, and return how many comparisons it is for: all whose test is defined."""
    tested = [value for row in rows if "difference" in row for value in row["difference"]["values"].values()]
    raw = [value["p_t"] for value in tested]
    for value, p in zip(tested, holm(raw), strict=True):
        value["p_holm"] = p
    return int(np.count_nonzero(~np.isnan(raw)))


def _best(evaluations: Sequence[Evaluation], names: Sequence[str], key: str) -> dict[str, Any]:
    """The best possible values that an evaluation reports; all have the same cases, so the first one's do."""
    known: dict[str, Any] = next((one.run.metrics[key] for one in evaluations if key in one.run.metrics), {})
    best = {name: known[name]["value"] for name in names if name in known}
    return {"best": best} if best else {}
