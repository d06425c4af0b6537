"""recbench report: write the report of a run again, from its files."""

from pathlib import Path

from recbench.reporting.report import write_report
from recbench.runs import resolve_run


def report(root: Path, name: str) -> Path:
    """Write report.md and the picture of the run that `name` stands for; returns the report's path."""
    return write_report(resolve_run(root, name, statuses=("done", "failed", "interrupted")).path)
