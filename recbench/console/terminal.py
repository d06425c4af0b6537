"""Results on standard output, as wide as there is room: numbers and names stay whole, however narrow it is.

A table that does not fit is shown in parts, its names again in each; where not even one column fits beside them, or no
text can be broken between words, every row is a block of lines.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from recbench.console.screen import screen_width, wrapped
from recbench.console.visible import LONGEST_CELL, for_people
from recbench.grids import Grid, folded
from recbench.plain_json import json_text

BETWEEN = 2  # places between two columns, and around the table


def print_json(value: Any) -> None:
    """One JSON object on standard output; NaN is null."""
    sys.stdout.write(json_text(value))


def show_lines(lines: Sequence[str]) -> None:
    """Print lines that stand above tables on standard output; nothing for none."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def show(grids: Sequence[Grid]) -> None:
    """Print tables on standard output, as wide as `screen_width` says."""
    from rich.console import Console

    width = screen_width()
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for grid in grids:
        for part in [grid] if grid.prose else folded(grid, width):
            if _least_width(part) <= width:
                _show_table(console, part, width)
            else:
                show_lines([*stacked(part, width), ""])
            if part.note:
                for line in part.note.split("\n"):
                    show_lines(wrapped(for_people(line), width) or [""])
                show_lines([""])


def stacked(grid: Grid, width: int) -> list[str]:
    """A row as a block of lines: its names, then what is in each column, below them and indented.

    >>> stacked(Grid("", ["arm", "auc", "hr@10"], [["sft", "0.5000", "0.1000"]]), width=10)
    ['arm: sft', '  auc: 0.5000', '  hr@10: 0.1000']
    """
    lines = wrapped(for_people(grid.title), width) if grid.title else []
    for row, cells in enumerate(grid.rows):
        for column, cell in enumerate(cells):
            title = for_people(grid.columns[column], LONGEST_CELL)
            text = f"{title}: {for_people(cell, LONGEST_CELL)}" if title else for_people(cell, LONGEST_CELL)
            text = f"{text} {grid.marks.get((row, column), '')}".rstrip()
            indent = "  " if column >= grid.names else ""
            lines += wrapped(text, width, indent, indent * 2) if grid.prose else [indent + text]
    return lines


def _least_width(grid: Grid) -> int:
    """Places that a table takes with every number and name whole, and texts broken between words only."""
    return sum(_least_of_column(grid, column) for column in range(len(grid.columns))) + BETWEEN * len(grid.columns)


def _least_of_column(grid: Grid, column: int) -> int:
    texts = _texts(grid, column)
    if grid.prose and column >= grid.names:
        texts = (word for text in texts for word in text.split())
    marks = max((len(mark) for (_, place), mark in grid.marks.items() if place == column), default=0)
    return max((_places(text) for text in texts), default=0) + marks


def _texts(grid: Grid, column: int) -> Iterator[str]:
    yield from (for_people(cells[column], LONGEST_CELL) for cells in [grid.columns, *grid.rows])


def _places(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _show_table(console: Any, grid: Grid, width: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=for_people(grid.title) or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_header=any(grid.columns),
        collapse_padding=True,
        pad_edge=False,
    )
    room: dict[int, int] = {}  # places that marks take behind the numbers of a column
    for (_, column), mark in grid.marks.items():
        room[column] = max(room.get(column, 0), len(mark))
    for index, name in enumerate(grid.columns):
        left = grid.prose or index < grid.names
        table.add_column(
            for_people(name, LONGEST_CELL) + " " * room.get(index, 0),
            justify="left" if left else "right",
            no_wrap=not grid.prose or index < grid.names,
            min_width=_least_of_column(grid, index),
            overflow="fold",
        )
    styles = {"best": "bold", "second": "underline"}
    for row, cells in enumerate(grid.rows):
        texts = [
            Text(for_people(cell, LONGEST_CELL), styles.get(grid.emphasis.get((row, c), ""), ""))
            for c, cell in enumerate(cells)
        ]
        for place, width_of_marks in room.items():  # marks stand behind numbers that end in one line
            texts[place].append(f"{grid.marks.get((row, place), ''):<{width_of_marks}}", "not bold not underline")
        table.add_row(*texts)
    console.width = width
    console.print(table)
