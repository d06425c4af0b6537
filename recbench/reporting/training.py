"""The report of a training: what its validations measured, step by step, and the results as a table."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbench.metrics.fpr_window import shortened
from recbench.reporting.roc_plot import BLUE, GREY, INK, ORANGE
from recbench.reporting.tables import metric_grids, titled
from recbench.runs import Run, atomic_path

CURVE_PICTURE = "curve.png"


def training_sections(run: Run) -> list[str]:
    """The results of a training in Markdown, and `curve.png` beside it where there were several validations."""
    metrics = run.metrics
    lines = ["## Results", ""]
    for grid in metric_grids(metrics, leave_out=("judged",)):
        lines += titled(grid)
    names = measured(metrics)
    if not names:
        return lines
    with atomic_path(run.path / CURVE_PICTURE) as partial:
        plot_curves(partial, metrics, names)
    return [
        *lines,
        "## Validations",
        "",
        f"![Validation metrics by step]({CURVE_PICTURE})",
        "",
        f"Each panel is a metric of {metrics['validation']['cases']:,} validation cases; the mark is the checkpoint "
        f"that {shortened(metrics['selected_by'])} picked.",
        "",
    ]


def measured(metrics: Mapping[str, Any]) -> list[str]:
    """The metrics that every validation has, the one that picks first; none where there were fewer than two."""
    curve: Sequence[Mapping[str, Any]] = metrics.get("curve", [])
    chosen = str(metrics.get("selected_by"))
    if len(curve) < 2 or chosen not in curve[0]:
        return []
    others = [name for name in curve[0] if name not in ("step", chosen)]
    return [name for name in (chosen, *others) if all(_finite(point.get(name)) for point in curve)]


def plot_curves(path: Path, metrics: Mapping[str, Any], names: Sequence[str]) -> None:
    """Draw a panel a metric over steps, and write a PNG to `path`; the same metrics draw the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    curve, best = metrics["curve"], metrics["best_step"]
    steps = [point["step"] for point in curve]
    columns = min(len(names), 2)
    rows = math.ceil(len(names) / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(7.2, 2.3 * rows), dpi=160, layout="constrained", squeeze=False, sharex=True
    )
    for place, panel in enumerate(axes.flat):
        if place >= len(names):
            panel.set_visible(False)
            continue
        values = [point[names[place]] for point in curve]
        panel.plot(steps, values, color=BLUE if place == 0 else GREY, lw=1.8, marker=".", ms=4)
        panel.axhline(values[0], color=GREY, lw=0.8, ls=":")
        if best in steps:
            panel.plot(best, values[steps.index(best)], "o", color=ORANGE, ms=8, mec="white", mew=1.2, zorder=3)
        title = shortened(names[place]) + (", which picks" if place == 0 else "")
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#e4e6ea", lw=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
    for panel in axes[-1]:
        panel.set_xlabel("step", fontsize=9)
    figure.savefig(path, metadata={"Software": None})  # no version in the file: the same run draws the same bytes
    plt.close(figure)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
