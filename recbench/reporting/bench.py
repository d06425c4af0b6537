"""`recbench bench`: its tables, its report, what --plan prints, and the folder that finished results are kept in."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from recbench.errors import UserError
from recbench.grids import Cell, Grid, folded
from recbench.reporting.comparison import BOTH, comparison_grids, legend, mark, terminal_grids
from recbench.reporting.comparison_tables import write_tables
from recbench.reporting.gain_plot import Gain, plot_gains
from recbench.reporting.markup import Markup, code, escaped, link
from recbench.reporting.tables import markdown, number, percent, signed_interval, titled
from recbench.result_shapes import Comparison
from recbench.runs import Run, atomic_path, write_json

COST_COLUMNS = {  # key in the manifest -> title
    "arm": "arm",
    "steps": "steps",
    "kept": "kept at step, a seed",
    "picked": "picked by",
    "contexts": "contexts a step",
    "candidates": "candidates a context",
    "seconds": "training seconds, mean",
    "seconds_a_step": "seconds a step",
    "relative": "relative to grpo_beam's",
}
MAIN = ("ndcg@10", "hr@10", "ndcg@5", "hr@5", "auc")
GAINS_PICTURE = "arm_gains.png"  # not gains.png, which a demo has of its click models
WITHOUT_EFFECT = ("runs", "threads", "device", "force")  # overrides that say where a run was made


def comparisons_of(metrics: Mapping[str, Any]) -> dict[str, Comparison]:
    """The comparison on each data set, in order; one without a name for a bench on one."""
    if "by_data" not in metrics:
        return {"": cast(Comparison, metrics)}
    return {data: metrics["by_data"][data] for data in metrics["data_sets"]}


def bench_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """The tables of every data set, then, of several, the summary over them, as wide as a terminal has room for."""
    grids = [grid for one in comparisons_of(metrics).values() for grid in terminal_grids(one)]
    grids += [part for grid in summary_grids(metrics) for part in folded(grid)]
    for pick, other in metrics.get("also_picked", {}).items():
        grids += [replace(grid, title=f"picked by {pick}: {grid.title}") for grid in bench_grids(other)]
    return grids


def summary_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """Gains over the baseline on one metric over data sets; nothing where there is one."""
    data_sets = metrics.get("data_sets", [])
    if len(data_sets) < 2 or not metrics["summary"]["arms"]:
        return []
    summary = metrics["summary"]
    rows, marks = [], dict[Cell, str]()
    for row, arm in enumerate(summary["arms"]):
        gains = [arm["gains"].get(data) for data in data_sets]
        shown = [percent(gain["relative_percent"], digits=1) if gain else "–" for gain in gains]
        for column, gain in enumerate(gains, start=1):
            if gain and (sign := mark(gain.get("p_holm"))):
                marks[row, column] = sign
        kinds = ("users_and_seeds_", "")
        ends = [signed_interval(arm.get(f"{kind}low"), arm.get(f"{kind}high"), ".1f") for kind in kinds]
        rows.append([arm["arm"], *shown, percent(arm["mean"], digits=1), *ends, f"{arm['above']} of {arm['sets']}"])
    title = f"{summary['metric']}: relative gain over {summary['baseline']}"
    columns = ["arm", *data_sets, "mean", f"95%, {BOTH}", "95%, users", "sets above"]
    note = next((text for one in metrics["by_data"].values() if (text := legend(one))), "")
    lines = [f"{note} The number of comparisons is that of each set's own table."] if marks else []
    lines.append(f"95%: of the mean over these data sets, whose users are others'; {BOTH}: both as draws.")
    note = "\n".join(lines)
    return [Grid(title, columns, rows, marks=marks, note=note)]


def bench_sections(run: Run) -> list[str]:
    """The results of a bench run in Markdown: tables and what they mean, the arms' cost, links to their reports."""
    metrics, manifest = run.metrics, run.manifest
    several = "by_data" in metrics
    picks = manifest.get("pick", [])
    lines = ["## Results", "", *_picture(run), _picked(picks[0] if picks else None), "", *_tables(metrics)]
    for pick, other in metrics.get("also_picked", {}).items():
        lines += [f"## Results, picked by {escaped(pick)}", "", _picked(pick), "", *_tables(other)]
    lines += [
        "Differences are of each user's metric, averaged over the seeds that both arms have. *Detectable* is 2.8 "
        "standard errors of the difference: the smallest true one that this test had an 80% chance to find at the 5% "
        "level, before Holm's correction. More seeds do not reduce the sampling error of users. Tests and intervals "
        "over users take the seeds as they are; the interval over users and seeds says what other seeds would have "
        "changed, too, as far as a few of them can tell.",
        "",
    ]
    if failures := manifest.get("failures"):
        rows = [
            [str(entry.get(key, "all")) for key in ("data", "arm", "seed")] + [entry["error"]] for entry in failures
        ]
        lines += ["## What is missing", "", markdown(Grid("", ["data", "arm", "seed", "why"], rows, prose=True))]
    lines += ["## What the arms were given", ""]
    columns = {**({"data": "data"} if several else {}), **COST_COLUMNS}
    cost = [[number(entry.get(key)) for key in columns] for entry in manifest["cost"]]
    lines += [markdown(Grid("", list(columns.values()), cost))]
    lines += [
        "Every arm but sft itself and those from scratch went on from the SFT checkpoint of its seed; what validation "
        "kept at step 0 is that checkpoint. Candidates are those that receive gradient a context; training seconds "
        "count all else, too, seconds a step neither validation nor the choice of the checkpoint.",
        "",
    ]
    lines += ["## Runs", ""]
    linked = []
    for entry in manifest["evaluations"]:
        folder = f"../../../eval/{entry.get('data_folder', run.data_name)}/{entry['eval']}"
        there = Markup(", ".join(link(name, f"{folder}/{name}") for name in ("report.md", "roc_head.png")))
        named = [entry["data"]] if several else []
        linked.append([*named, entry["arm"], str(entry["seed"]), code(entry["train"]), code(entry["eval"]), there])
    columns_of_runs = [*(["data"] if several else []), "arm", "seed", "train run", "eval run", "there"]
    return [*lines, markdown(Grid("", columns_of_runs, linked, prose=True))]


def main_metric(comparison: Comparison, asked: str | None = None) -> str:
    """The metric that a picture and a sentence are about: the one asked for, else the first of `MAIN` that is there."""
    names: list[str] = comparison["metrics"]
    return asked if asked in names else next((name for name in MAIN if name in names), names[0])


def gains_of(metrics: Mapping[str, Any]) -> tuple[str, list[Gain]]:
    """The metric of the forest plot, and a line an arm and data set: gains over the baseline in percent of its mean."""
    compared = comparisons_of(metrics)
    asked = metrics.get("summary", {}).get("metric")
    name = main_metric(next(iter(compared.values())), asked)
    gains = []
    for data, one in compared.items():
        if name not in one["metrics"]:
            continue
        base = next((arm["values"][name]["mean"] for arm in one["arms"] if "difference" not in arm), None) or math.nan
        group = data or f"over {one['baseline']}"
        for arm in one["arms"]:
            if "difference" in arm:
                gains.append(_gain(arm["difference"]["values"][name], group, arm["arm"], base))
    return name, gains


def _gain(value: Mapping[str, Any], group: str, label: str, base: float) -> Gain:
    def known(key: str) -> float:
        found = value.get(key)
        return math.nan if found is None else float(found)

    users = (100 * known("low") / base, 100 * known("high") / base)
    both = (known("relative_users_and_seeds_low"), known("relative_users_and_seeds_high"))
    return Gain(group, label, known("relative_percent"), users, both)


def _picture(run: Run) -> list[str]:
    """`gains.png` and where it stands in the report; nothing where no gain is known."""
    name, gains = gains_of(run.metrics)
    if not any(math.isfinite(gain.value) for gain in gains):
        return []
    title = f"{name}: gains over {next(iter(comparisons_of(run.metrics).values()))['baseline']}"
    with atomic_path(run.path / GAINS_PICTURE) as partial:
        plot_gains(partial, gains, title, "95%, users", "95%, users and seeds", of=name)
    return [f"![Relative gains in {escaped(name)} with their intervals]({GAINS_PICTURE})", ""]


def _picked(pick: str | None) -> str:
    """By what the checkpoints of a bench's tables were picked on validation."""
    where = "named under what the arms were given"
    if pick is None:
        return f"Checkpoints were picked on validation by each arm's own algo.select_by, {where}."
    said = f"by what each arm aims at, {where}" if pick == "target" else f"by {code(pick)}, every arm's alike"
    return f"Checkpoints were picked on validation {said}."


def _tables(metrics: Mapping[str, Any]) -> list[str]:
    """The comparisons on all data sets, and over them."""
    lines: list[str] = []
    for data, comparison in comparisons_of(metrics).items():
        lines += [f"### {escaped(data)}", ""] if "by_data" in metrics else []
        for grid in comparison_grids(comparison, per_seed=True):
            lines += titled(grid)
    for grid in summary_grids(metrics):
        lines += ["### Over data sets", "", *titled(grid)]
    return lines


def plan_grid(plan: Mapping[str, Any]) -> Grid:
    """What a bench would reuse and make, and for how long."""
    rows = [
        [
            str(row["seed"]),
            row["data"],
            row["arm"],
            row["train"] or "missing",
            (row["eval"] or "missing") if row["evaluated"] else "not asked for",
            "unknown" if row["minutes"] is None else f"{row['minutes']:.1f}",
        ]
        for row in plan["rows"]
    ]
    total = f"{plan['there']} runs are there, {plan['missing']} are missing"
    if plan["missing"]:
        total += f": about {plan['minutes']:,.0f} minutes of work"
        total += f", and {plan['unknown']} of a kind that has not run here yet" if plan["unknown"] else ""
    columns = ["seed", "data", "arm", "train run", "eval run", "minutes missing"]
    return Grid(total, columns, rows, prose=True)


def check_results_folder(folder: Path) -> None:
    """Raise UserError where results could not be kept in `folder`, before they are made."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--save {folder} is a file: give a folder")
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"--save {folder} cannot be written to; give another folder")


def write_results(folder: Path, run: Run) -> list[Path]:
    """Keep a bench run's tables (as `recbench compare --save` does, and summary.md) and its evaluations' numbers.

    Tables of further pickers go into a folder for each. evaluations.json has, for each, data set, arm, seed, run ids,
    overrides and metrics: neither when nor where they were made. Returns the paths of all files.
    """
    others = {folder / f"picked_by_{pick}": other for pick, other in run.metrics.get("also_picked", {}).items()}
    paths: list[Path] = []
    for place, metrics in {folder: run.metrics, **others}.items():
        paths += write_tables(place, list(comparisons_of(metrics).values()))
        for grid in summary_grids(metrics):
            paths.append(place / "summary.md")
            with atomic_path(paths[-1]) as partial:
                partial.write_text("\n".join(titled(grid)).rstrip() + "\n", encoding="utf-8")
    evaluations = []
    for entry in run.manifest["evaluations"]:
        scored = Run(run.root / "eval" / entry["data_folder"] / entry["eval"])
        trained = Run(run.root / "train" / entry["data_folder"] / entry["train"])
        evaluations.append(
            {
                **{key: value for key, value in entry.items() if key != "data_folder"},
                "train_overrides": _lasting(trained.overrides),
                "eval_overrides": _lasting(scored.overrides),
                "metrics": scored.metrics,
            }
        )
    paths.append(folder / "evaluations.json")
    write_json(paths[-1], evaluations)
    return paths


def _lasting(overrides: list[str]) -> list[str]:
    return [text for text in overrides if text.partition("=")[0] not in WITHOUT_EFFECT]
