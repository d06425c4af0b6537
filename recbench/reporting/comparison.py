"""Arms side by side: the tables of `recbench compare` and the report of `recbench bench`."""

from collections.abc import Mapping
from typing import Any

from recbench.reporting.tables import (
    Grid,
    markdown,
    mean_and_deviation,
    number,
    percent,
    signed,
    signed_interval,
    titled,
)
from recbench.runs import Run

COST_COLUMNS = {  # key in the manifest -> title
    "arm": "arm",
    "steps": "steps",
    "kept": "kept at step, a seed",
    "contexts": "contexts a step",
    "candidates": "candidates a context",
    "seconds": "training seconds, mean",
}


def comparison_grids(comparison: Mapping[str, Any], per_seed: bool = False) -> list[Grid]:
    """Means over seeds, differences from the baseline and, if asked for, every seed: from `compare_runs`' numbers."""
    names = comparison["metrics"]
    seeds = {tuple(arm["seeds"]) for arm in comparison["arms"]}
    title = f"{comparison['split']}, {comparison['cases']:,} cases, seen items {comparison['seen_items']}: mean"
    title += " ± standard deviation over seeds" if any(len(some) > 1 for some in seeds) else ""
    rows = [
        [arm["arm"], _listed(arm["seeds"]), *(mean_and_deviation(arm["values"][name], "deviation") for name in names)]
        for arm in comparison["arms"]
    ]
    if "best" in comparison:
        best = comparison["best"]
        rows.append(["best possible", "", *(number(best[name]) if name in best else "" for name in names)])
    grids = [Grid(title, ["arm", "seeds", *names], rows)]
    if per_seed and any(len(some) > 1 for some in seeds):
        rows = [
            [arm["arm"], str(seed), *(number(arm["values"][name]["per_seed"][str(seed)]) for name in names)]
            for arm in comparison["arms"]
            for seed in arm["seeds"]
        ]
        grids.append(Grid("every seed", ["arm", "seed", *names], rows))
    held = [arm for arm in comparison["arms"] if "difference" in arm]
    if held:
        columns = ["metric", "arm", "difference", "95% interval", "relative", "detectable"]
        rows = [[name, arm["arm"], *_difference(arm["difference"]["values"][name])] for name in names for arm in held]
        users = f"paired bootstrap over {comparison['users']:,} users; * interval without zero"
        grids.append(Grid(f"difference from {comparison['baseline']} ({users})", columns, rows))
    return grids


def bench_sections(run: Run) -> list[str]:
    """The results of a bench run in Markdown: tables and what they mean, the arms' cost, links to their reports."""
    metrics, manifest = run.metrics, run.manifest
    lines = ["## Results", ""]
    for grid in comparison_grids(metrics, per_seed=True):
        lines += titled(grid)
    lines += [
        "Differences are of each user's metric, averaged over the seeds that both arms have. *Detectable* is 2.8 "
        "standard errors of the difference: the smallest true one that this test had an 80% chance to find at the 5% "
        "level. More seeds do not reduce the sampling error of users.",
        "",
    ]
    cost = [[number(entry[key]) for key in COST_COLUMNS] for entry in manifest["cost"]]
    lines += ["## What the arms were given", "", markdown(Grid("", list(COST_COLUMNS.values()), cost))]
    lines += [
        "Every arm but sft itself went on from the SFT checkpoint of its seed; what validation kept at step 0 is that "
        "checkpoint. Candidates are those that receive gradient a context; the seconds count all else, too.",
        "",
    ]
    lines += ["## Runs", ""]
    linked = []
    for entry in manifest["evaluations"]:
        folder = f"../../../eval/{run.data_name}/{entry['eval']}"
        there = f"[report.md]({folder}/report.md), [roc_head.png]({folder}/roc_head.png)"
        linked.append([entry["arm"], str(entry["seed"]), f"`{entry['train']}`", f"`{entry['eval']}`", there])
    return [*lines, markdown(Grid("", ["arm", "seed", "train run", "eval run", "there"], linked, prose=True))]


def _difference(value: Mapping[str, Any]) -> list[str]:
    low, high = value["low"], value["high"]
    clear = low is not None and high is not None and (low > 0 or high < 0)
    return [
        signed(value["difference"]) + (" *" if clear else ""),
        signed_interval(low, high),
        percent(value["relative_percent"], digits=1),
        number(value["detectable"]),
    ]


def _listed(seeds: list[int]) -> str:
    """0-2 for several in a row, else 0,2,5."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
