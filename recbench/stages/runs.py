"""recbench runs: what has been run, the newest first."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbench.comparisons.naming import described
from recbench.console.screen import wrapped
from recbench.console.visible import for_people, shortened
from recbench.errors import UserError
from recbench.reporting.tables import headline, number
from recbench.runs import DamagedRunError, Run, read_runs
from recbench.runs.reading import check_config

LONGEST_IN_A_PIPE = 240  # letters of a run's line in a file or a pipe
JUDGED = "policy: "  # what the line of an evaluation's report begins with that says what it judged
IN_LABELS = ("algo=", "policy=", "negatives=", "seed=", "input=", "algo.top_k=", "algo.anchor=")
SHOWN_METRICS = 3  # numbers a row; `recbench report RUN` has all of them


def run_rows(root: Path, stage: str | None = None, data: str | None = None) -> list[dict[str, Any]]:
    """One dict a run, what ended last first: id, label, stage, data, status, started, seconds, overrides, main metrics.

    Runs that cannot be read come first, with status `unreadable` and a reason. `made_for` is the id of the run that had
    this one made as its input.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}: run something first, or name the folder with --runs FOLDER")
    runs, damaged = read_runs(root, stage, data)
    rows = []
    for run in runs:
        try:
            rows.append(_row(run))
        except DamagedRunError as problem:
            damaged.append(problem)
    return [*(_damaged_row(problem) for problem in damaged), *reversed(rows)]


def _row(run: Run) -> dict[str, Any]:
    check_config(run.path)
    finished = run.status == "done" or os.path.lexists(run.path / "metrics.json")
    return {
        "id": run.id,
        "label": label_of_run(run),
        "stage": run.stage,
        "data": run.data_name,
        "status": run.status,
        "started": run.manifest["started"],
        "seconds": run.manifest.get("seconds"),
        "overrides": run.overrides,
        "metrics": headline(run.metrics) if finished else {},
        **({"made_for": run.made_for["id"]} if run.made_for is not None else {}),
    }


def label_of_run(run: Run) -> str:
    """What a training is called, or what an evaluation judged; of other runs, nothing."""
    if run.stage == "train":
        return described(run.config)
    judged = next((line for line in run.manifest.get("headline", []) if line.startswith(JUDGED)), "")
    return str(judged).removeprefix(JUDGED).partition(" (run ")[0] if run.stage == "eval" else ""


def spoken_size(size: int) -> str:
    """Bytes in a unit that suits them.

    >>> spoken_size(999), spoken_size(1_234_567)
    ('999 B', '1.2 MB')
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} B"


def _damaged_row(problem: DamagedRunError) -> dict[str, Any]:
    """A row in the same columns for a run that cannot be read, with the reason in place of its overrides."""
    folder = problem.folder
    place = {"id": folder.name, "stage": folder.parent.parent.name, "data": folder.parent.name}
    return {**place, "status": "unreadable", "started": None, "seconds": None, "overrides": [], "metrics": {}} | {
        "reason": problem.reason
    }


def left_out(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What overrides begin with that a line leaves out: a label says it, or another run asked for it in full."""
    of_another = ("data.",) if "made_for" in row else ()
    return ("runs=", *(IN_LABELS if row.get("label") else ()), *of_another)


def run_lines(rows: list[dict[str, Any]], width: int | None = None) -> list[str]:
    """The rows as lines in columns, with the first few metrics of each run and what was asked for.

    width: letters of a line, as on a terminal; what has no room goes on below, first of all what was asked for, then
    how long it took, then the data. None: a run is one line, its overrides shortened (--json has all).
    """
    table = [["run", "stage", "data", "status", "took"]]
    rest = [("metrics", "overrides")]
    for row in rows:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f} s"
        table.append([for_people(row[key]) for key in ("id", "stage", "data", "status")] + [seconds])
        metrics = ", ".join(f"{key} {number(value)}" for key, value in list(row["metrics"].items())[:SHOWN_METRICS])
        asked = " ".join(text for text in row["overrides"] if not text.startswith(left_out(row)))
        rest.append((metrics, for_people("  ".join(filter(None, [row.get("label"), row.get("reason") or asked])))))
    places = [max(map(len, column)) for column in zip(*table, strict=True)]
    shown = list(range(len(places)))
    for column in (4, 2, 1):  # what goes below where a line has no room
        if width is not None and sum(places[one] + 2 for one in shown) - 2 > width:
            shown.remove(column)
    lines = []
    for cells, texts in zip(table, rest, strict=True):
        below = [f"{table[0][one]} {cells[one]}" for one in range(len(cells)) if one not in shown and cells[one]]
        below = [table[0][one] for one in range(len(cells)) if one not in shown] if cells is table[0] else below
        line = "  ".join(cells[one].ljust(places[one]) for one in shown)
        text = "  ".join(filter(None, [", ".join(below), *texts]))
        if width is None:
            lines.append(f"{line}  {shortened(text, max(LONGEST_IN_A_PIPE - len(line), 80))}".rstrip())
        elif len(line) + 2 + len(text) <= width:
            lines.append(f"{line}  {text}".rstrip())
        else:
            lines.append(line.rstrip())
            lines += wrapped(text, width, "    ")
    return lines
