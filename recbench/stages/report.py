"""recbench report: write the report of a run again, from its files."""

from pathlib import Path

from recbench.console.progress import say
from recbench.reporting.report import write_report
from recbench.runs import origin, resolve_run


def report(root: Path, name: str) -> Path:
    """Write report.md and the picture of the run that `name` stands for; returns the report's path."""
    run = resolve_run(root, name, statuses=("done", "failed", "interrupted"))
    if name == "latest" and origin(run):
        say(f"latest: {run.stage} run {run.id}{origin(run)}")
    if run.status == "done":
        run.require_intact()
    return write_report(run.path)
