"""The results of a run as tables for a terminal and as sections of its report: each stage has its own."""

from collections.abc import Mapping
from typing import Any

from recbench.dotted import named
from recbench.grids import Grid
from recbench.reporting.tables import metric_grids, titled
from recbench.reporting.verdicts import verdict
from recbench.runs import Run
from recbench.stage_table import STAGES


def headline(run: Run) -> list[str]:
    """Lines on top of a run's results, on a terminal and in its report: what was found, of what, and what is odd."""
    finished = run.status == "done" and (run.path / "metrics.json").is_file()
    return [*(verdict(run.stage, run.metrics) if finished else []), *run.manifest.get("headline", [])]


def result_grids(stage: str, metrics: Mapping[str, Any]) -> list[Grid]:
    """The tables that a finished run's metrics are shown as on a terminal."""
    if stage in STAGES and (grids := STAGES[stage].grids):
        return list(named(grids)(metrics))
    return metric_grids(metrics, leave_out=("trained", "judged"))  # the report has what was trained, too


def result_sections(run: Run) -> list[str]:
    """The sections of a run's report that hold its results, in Markdown; none where it has no metrics."""
    if not (run.path / "metrics.json").is_file():
        return []
    if run.status == "done" and run.stage in STAGES and (sections := STAGES[run.stage].sections):
        return list(named(sections)(run))
    lines = ["## Results", ""]
    for grid in metric_grids(run.metrics, leave_out=("judged",)):  # stands on top, in words
        lines += titled(grid)
    return lines
