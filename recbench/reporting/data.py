"""The report of `recbench data`: the numbers of the data set, and how its files were read."""

import json
from collections.abc import Mapping
from typing import Any

from recbench.grids import Grid
from recbench.reporting.tables import metric_grids, number, titled
from recbench.runs import Run

DESCRIPTION = "description.json"
LONGEST = 60  # letters of a value


def data_sections(run: Run) -> list[str]:
    """The results of a data run in Markdown."""
    lines = ["## Results", ""]
    for grid in metric_grids(run.metrics):
        lines += titled(grid)
    path = run.path / DESCRIPTION
    reading = json.loads(path.read_text(encoding="utf-8")).get("reading", []) if path.is_file() else []
    if reading:
        lines += ["## How the files were read", ""]
    for one in reading:
        for grid in reading_grids(one):
            lines += titled(grid)
    return lines


def reading_grids(reading: Mapping[str, Any]) -> list[Grid]:
    """How one file was read, and its first rows as they were understood."""
    rows = [
        ["rows", number(reading["rows"])],
        ["format", reading["format"] + ("" if reading["header"] else ", no header")],
        ["columns", ", ".join(f"{name}: {column}" for name, column in reading["columns"])],
    ]
    if time := reading.get("time"):
        span = f"; from {time['first']} to {time['last']} UTC" if "first" in time else ""
        rows.append(["time", f"{time['written']}{span}; kept in {time['kept_in']}"])
    rows += [
        [
            f"{keys['of']}s that meet",
            f"{number(keys['met'])} of the log's {number(keys['in_log'])} are in {keys['file']}",
        ]
        for keys in reading.get("keys", [])
    ]
    rows += [["left out", f"{number(count)}: {reason}"] for reason, count in reading["left_out"].items()]
    rows += [["note", note] for note in reading["notes"]]
    grids = [Grid(f"the file {reading['file']}, {reading['holds']}", ["", "as read"], rows, prose=True)]
    first = reading["first_rows"]
    if first["rows"]:
        cells = [["–" if value is None else value[:LONGEST] for value in row] for row in first["rows"]]
        grids.append(Grid("its first rows as they were understood", first["names"], cells, prose=True))
    return grids
