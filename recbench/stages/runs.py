"""recbench runs: what has been run, oldest first."""

from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.reporting.tables import Grid, headline, number
from recbench.runs import find_runs

SHOWN_METRICS = 3  # numbers a row; `recbench report RUN` has all of them


def run_rows(root: Path, stage: str | None = None, data: str | None = None) -> list[dict[str, Any]]:
    """One dict a run: id, stage, data, status, started, seconds, overrides, metrics (the headline numbers)."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}: run something first, or name the folder with --runs FOLDER")
    rows = []
    for run in find_runs(root, stage, data):
        finished = (run.path / "metrics.json").is_file()
        rows.append(
            {
                "id": run.id,
                "stage": run.stage,
                "data": run.data_name,
                "status": run.status,
                "started": run.manifest["started"],
                "seconds": run.manifest.get("seconds"),
                "overrides": run.overrides,
                "metrics": headline(run.metrics) if finished else {},
            }
        )
    return rows


def run_grid(rows: list[dict[str, Any]]) -> Grid:
    """The rows as a table, with the first few metrics of each run."""
    cells = []
    for row in rows:
        metrics = ", ".join(f"{key} {number(value)}" for key, value in list(row["metrics"].items())[:SHOWN_METRICS])
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f} s"
        overrides = " ".join(text for text in row["overrides"] if not text.startswith("runs="))
        cells.append([row["id"], row["stage"], row["data"], row["status"], seconds, metrics, overrides])
    return Grid("", ["run", "stage", "data", "status", "took", "metrics", "overrides"], cells, prose=True)
