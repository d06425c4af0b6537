"""The report of `recbench laboratory`: claims, the window matrices with their picture, every metric, and the cost.

metrics.json holds

    order       arms as they were trained
    metrics     names
    aims        arm -> metric
    arms        arm -> metric -> mean, std over seeds, per_seed; but for sft, gain over it: value, low, high,
                low_over_seeds, high_over_seeds, std
    claims, matrices, anchors   `Claim`, `Matrix`, `AnchorCurves` of recbench.laboratory.claims
    users       how many

and the manifest `cost`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recbench.grids import Grid
from recbench.metrics.fpr_window import shortened
from recbench.reporting.anchor_plot import plot_anchors
from recbench.reporting.tables import mean_and_deviation, number, signed, signed_interval, titled
from recbench.reporting.window_plot import plot_window_matrices
from recbench.runs import Run, atomic_path

PICTURE, ANCHORS = "windows.png", "anchors.png"
SHOWN_LEADS = 3  # of a claim that compares with many arms: the closest ones decide
COST_COLUMNS = {
    "arm": "arm",
    "candidates": "candidates a step",
    "no_effect": "contexts without effect",
    "scored": "items scored a context",
    "seconds_a_step": "ms a step",
    "group_seconds_a_step": "of that for groups, ms",
}


def laboratory_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """Claims, gains over SFT of every arm, and the metrics' means over seeds."""
    return [_claims(metrics), _gains(metrics), _means(metrics)]


def laboratory_sections(run: Run) -> list[str]:
    """The results of a laboratory run in Markdown; draws its picture."""
    metrics = run.metrics
    lines = ["## Claims", "", *titled(_claims(metrics))]
    if metrics["matrices"]:
        with atomic_path(run.path / PICTURE) as partial:
            plot_window_matrices(partial, metrics["matrices"])
        lines += ["## Trained on a window, measured on a window", "", f"![Gains over SFT]({PICTURE})", ""]
    if curves := metrics.get("anchors"):
        with atomic_path(run.path / ANCHORS) as partial:
            plot_anchors(partial, curves)
        lines += ["## Top-K against the anchor", "", f"![Gains over SFT by anchor]({ANCHORS})", ""]
    lines += ["## Metrics", "", *titled(_gains(metrics)), *titled(_means(metrics))]
    cost = run.manifest.get("cost", [])
    if cost:
        rows = [[_cost(key, entry[key]) for key in COST_COLUMNS] for entry in cost]
        lines += ["## Cost", "", *titled(Grid("", list(COST_COLUMNS.values()), rows))]
    return lines


def _claims(metrics: Mapping[str, Any]) -> Grid:
    rows = [[claim["claim"], claim["holds"], _numbers(claim)] for claim in metrics["claims"]]
    note = (
        f"Expectations over the true next item on {metrics['users']:,} users, the same for every arm; paired "
        "differences with 95% intervals over users and, behind a semicolon, over users and seeds, whose markets and "
        "policies are draws, too (of one seed there is none). undecided: an interval holds zero."
    )
    return Grid("what the method leads one to expect", ["claim", "holds", "numbers"], rows, prose=True, note=note)


def _numbers(claim: Mapping[str, Any]) -> str:
    leads: Sequence[Mapping[str, Any]] = claim["leads"]
    if not leads:
        return ", ".join(shortened(name) for name in claim["metrics"])
    shown = [f"{signed(lead['value'])} {_intervals(lead)} over {lead['over']}" for lead in leads[:SHOWN_LEADS]]
    more = [f"and more over {len(leads) - SHOWN_LEADS} others"] if len(leads) > SHOWN_LEADS else []
    return f"{shortened(claim['metrics'][0])}: " + "; ".join([*shown, *more])


def _intervals(lead: Mapping[str, Any]) -> str:
    """`[low, high]` over users, and, where there are several seeds, `[low, high; low, high]`."""
    over_users = signed_interval(lead["low"], lead["high"])
    if lead.get("low_over_seeds") is None or math.isnan(lead["low_over_seeds"]):
        return over_users
    return f"{over_users[:-1]}; {signed_interval(lead['low_over_seeds'], lead['high_over_seeds'])[1:]}"


def _gains(metrics: Mapping[str, Any]) -> Grid:
    names = metrics["metrics"]
    shown = [shortened(name) for name in names]
    rows = [[arm, *(_gain(metrics["arms"][arm][name]["gain"]) for name in names)] for arm in metrics["order"][1:]]
    emphasis = {}
    for column, name in enumerate(names, start=1):
        values = [metrics["arms"][arm][name]["gain"]["value"] for arm in metrics["order"][1:]]
        emphasis[values.index(max(values)), column] = "best"
    note = "Hundredths of the metric; ± is half of the 95% interval over users, the seeds' mean."
    if any("/" in cell for row in rows for cell in row[1:]):
        note += " Behind the stroke: half of that over users and seeds, each with a market and a policy of its own."
    return Grid("gain over sft", ["arm", *shown], rows, emphasis=emphasis, note=note)


def _gain(gain: Mapping[str, Any]) -> str:
    text = f"{signed(100 * gain['value'], '.2f')} ± {50 * (gain['high'] - gain['low']):.2f}"
    if gain.get("low_over_seeds") is None or math.isnan(gain["low_over_seeds"]):
        return text
    return f"{text} / {50 * (gain['high_over_seeds'] - gain['low_over_seeds']):.2f}"


def _means(metrics: Mapping[str, Any]) -> Grid:
    names = metrics["metrics"]
    arms = [*metrics["order"], "best possible"]
    rows = [[arm, *(mean_and_deviation(metrics["arms"][arm][name]) for name in names)] for arm in arms]
    return Grid("mean ± standard deviation (n - 1) over seeds", ["arm", *map(shortened, names)], rows)


def _cost(key: str, value: Any) -> str:
    if key.endswith("_a_step"):
        return f"{1000 * value:.1f}"
    return (
        f"{value:.1%}" if key == "no_effect" else f"{value:,.0f}" if key in ("candidates", "scored") else number(value)
    )
