"""Metrics as tables: one layout, which a terminal shows (console/terminal.py), and Markdown in a file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recbench.grids import Grid
from recbench.reporting.markup import escaped

COLUMN_TITLES = {
    "kept": "seen items kept",
    "best": "best possible, seen kept",
    "excluded": "seen items excluded",
    "best_excluded": "best possible, seen excluded",
    "exact_kept": "exact sample, seen kept",
    "exact_excluded": "exact sample, seen excluded",
}


def number(value: Any) -> str:
    """A number for people: four decimals for fractions, thousands separated in counts, a dash for undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 10 or value == 0 else f"{value:.4g}"


def interval(cell: Any) -> str:
    """`value [low, high]` of a metric with an interval, or the number alone."""
    if not isinstance(cell, Mapping):
        return number(cell)
    if cell.get("low") is None or cell.get("high") is None:
        return number(cell["value"])
    return f"{number(cell['value'])} [{number(cell['low'])}, {number(cell['high'])}]"


def signed(value: float | None, form: str = ".4f") -> str:
    """A number with its sign, a dash for undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:+{form}}"


def signed_interval(low: float | None, high: float | None, form: str = ".4f") -> str:
    """`[low, high]` with signs."""
    return f"[{signed(low, form)}, {signed(high, form)}]"


def percent(value: float | None, digits: int = 2) -> str:
    """A number that is in percent already, with its sign."""
    return "–" if value is None or math.isnan(value) else f"{value:+.{digits}f}%"


def mean_and_deviation(value: Mapping[str, Any], deviation: str = "std") -> str:
    """`mean ± deviation` (n - 1) of a metric over seeds, the mean alone where there is one seed."""
    spread = value.get(deviation)
    known = spread is not None and not math.isnan(spread)
    return f"{number(value.get('mean'))} ± {spread:.4f}" if known else number(value.get("mean"))


def p_value(value: float | None) -> str:
    """A p-value with four decimals; `< 0.0001` for smaller ones, which nobody should compare."""
    if value is None or math.isnan(value):
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def ordered(known: Mapping[str, str], part: Mapping[str, Any]) -> dict[str, Any]:
    """`part` in the order of `known`, what is not in there last; metrics.json has its keys by the alphabet."""
    return {key: part[key] for key in sorted(part, key=lambda key: [*known, key].index(key))}


def metric_grids(metrics: Mapping[str, Any], leave_out: Sequence[str] = ()) -> list[Grid]:
    """The tables of one run: metrics with intervals, kept and excluded, each beside its best; then every other number.

    `leave_out` names first-level keys that are not shown.
    """
    from recbench.metrics.table import metric_order  # imports NumPy, which --cfg need not wait for

    keys = sorted(metrics, key=lambda key: [*COLUMN_TITLES, key].index(key))  # the known ones first, in that order
    measured = {key: metrics[key] for key in keys if _is_measured(metrics[key])}
    if _is_measured(metrics):  # score: the metrics themselves, without a heading over them
        measured = {"value": metrics}
    rows = sorted({name for part in measured.values() for name in part}, key=metric_order)
    if isinstance(metrics.get("best"), Mapping) and set(metrics["best"]) & set(rows):
        measured["best"] = metrics["best"]
    grids = []
    if measured:
        titles = [COLUMN_TITLES.get(key, key) for key in measured]
        grids.append(
            Grid(
                "metrics, with 95% bootstrap intervals",
                ["metric", *titles],
                [
                    [name, *(interval(part[name]) if name in part else "" for part in measured.values())]
                    for name in rows
                ],
            )
        )
    rest = {key: part for key, part in metrics.items() if key not in measured and key not in leave_out}
    if "value" not in measured and rest:
        grids.append(Grid("", ["", "value"], [[key, number(value)] for key, value in flatten(rest).items()]))
    return grids


def flatten(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested metrics under dotted keys; a metric with an interval counts as its value; lists are left out."""
    flat: dict[str, Any] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= {prefix + key: value["value"]} if "value" in value else flatten(value, f"{prefix}{key}.")
        elif not isinstance(value, list | tuple):
            flat[prefix + key] = value
    return flat


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that stand for a run in a table over runs: those with seen items kept, or all of the first level."""
    from recbench.metrics.table import metric_order, shown_over_runs  # imports NumPy, which --cfg need not wait for

    if isinstance(metrics.get("validation"), Mapping) and "best" in metrics["validation"]:  # of a train run
        best = flatten(metrics["validation"]["best"])
        return {f"validation {key}": best[key] for key in sorted(best, key=metric_order)}
    if isinstance(metrics.get("kept"), Mapping):
        kept = flatten(metrics["kept"])
        return {key: kept[key] for key in sorted(kept, key=metric_order) if shown_over_runs(key)}
    return {key: value for key, value in flatten(metrics).items() if isinstance(value, int | float) and "." not in key}


def comparison_grid(title: str, named: Iterable[tuple[str, Mapping[str, Any]]], first: str = "") -> Grid:
    """A row a run: its name and its headline numbers; a blank where a run lacks one."""
    rows = [(name, headline(metrics)) for name, metrics in named]
    keys = list(dict.fromkeys(key for _, numbers in rows for key in numbers))
    cells = [[name, *(number(numbers[key]) if key in numbers else "" for key in keys)] for name, numbers in rows]
    return Grid(title, [first, *keys], cells)


def markdown(grid: Grid) -> str:
    """The table in GitHub's Markdown; numbers to the right, the best in bold, the second in italics.

    Cells show as they are written, unless they are a Markup.
    """
    left = [grid.prose or column < grid.names for column in range(len(grid.columns))]
    lines = [_row([escaped(title) for title in grid.columns]), _row(["---" if one else "---:" for one in left])]
    signs = {"best": "**", "second": "*"}
    for row, cells in enumerate(grid.rows):
        around = [signs.get(grid.emphasis.get((row, column), ""), "") for column in range(len(cells))]
        behind = [f" {grid.marks[row, column]}" if (row, column) in grid.marks else "" for column in range(len(cells))]
        lines.append(_row([sign + escaped(cell) + sign + mark for sign, cell, mark in zip(around, cells, behind)]))
    return "\n".join(lines) + "\n"


def titled(grid: Grid) -> list[str]:
    """The lines of a table in a report: its title, if it has one, as a sentence, the table, and its note."""
    title = [escaped(f"{grid.title[0].upper()}{grid.title[1:]}."), ""] if grid.title else []
    emphasis = "Best in bold, second in italics. " if grid.emphasis else ""
    note = [emphasis + "\n".join(map(escaped, grid.note.split("\n"))), ""] if emphasis or grid.note else []
    return [*title, markdown(grid), *note]


def _is_measured(part: Any) -> bool:
    return isinstance(part, Mapping) and any(isinstance(cell, Mapping) and "value" in cell for cell in part.values())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
