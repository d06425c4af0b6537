"""The results of a run as tables for a terminal and as sections of its report: each stage has its own."""

from collections.abc import Callable, Mapping
from typing import Any

from recbench.grids import Grid
from recbench.reporting.bench import bench_grids, bench_sections
from recbench.reporting.captions import caption_grids, caption_sections, column_grids, column_sections
from recbench.reporting.clicks import click_grids, click_sections
from recbench.reporting.data import data_sections
from recbench.reporting.demo import demo_grids, demo_sections
from recbench.reporting.laboratory import laboratory_grids, laboratory_sections
from recbench.reporting.simulation import simulation_grids, simulation_sections
from recbench.reporting.tables import metric_grids, titled
from recbench.reporting.verdicts import verdict
from recbench.runs import Run

SECTIONS: dict[str, Callable[[Run], list[str]]] = {
    "bench": bench_sections,
    "caption": caption_sections,
    "ctr": click_sections,
    "data": data_sections,
    "demo": demo_sections,
    "laboratory": laboratory_sections,
    "simulate": simulation_sections,
    "tokenize": column_sections,
}
GRIDS: dict[str, Callable[[Mapping[str, Any]], list[Grid]]] = {
    "bench": bench_grids,
    "caption": caption_grids,
    "ctr": click_grids,
    "demo": demo_grids,
    "laboratory": laboratory_grids,
    "simulate": simulation_grids,
    "tokenize": column_grids,
}


def headline(run: Run) -> list[str]:
    """Lines on top of a run's results, on a terminal and in its report: what was found, of what, and what is odd."""
    finished = run.status == "done" and (run.path / "metrics.json").is_file()
    return [*(verdict(run.stage, run.metrics) if finished else []), *run.manifest.get("headline", [])]


def result_grids(stage: str, metrics: Mapping[str, Any]) -> list[Grid]:
    """The tables that a finished run's metrics are shown as on a terminal."""
    if stage in GRIDS:
        return GRIDS[stage](metrics)
    return metric_grids(metrics, leave_out=("trained", "judged"))  # the report has what was trained, too


def result_sections(run: Run) -> list[str]:
    """The sections of a run's report that hold its results, in Markdown; none where it has no metrics."""
    if not (run.path / "metrics.json").is_file():
        return []
    if run.stage in SECTIONS and run.status == "done":
        return SECTIONS[run.stage](run)
    lines = ["## Results", ""]
    for grid in metric_grids(run.metrics, leave_out=("judged",)):  # stands on top, in words
        lines += titled(grid)
    return lines
