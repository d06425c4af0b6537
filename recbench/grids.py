"""A table of texts, whatever shows it: a terminal, Markdown, LaTeX."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Cell = tuple[int, int]  # row and column, from 0


@dataclass(frozen=True)
class Grid:
    """A titled table of texts; the first column, or the first `names`, name the rows, the others hold numbers, or texts
    where `prose`.

    `emphasis` names cells that are a column's "best" or "second", `marks` what stands behind a cell, such as `**`;
    `note` is what a reader must know to read the table.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    prose: bool = False
    emphasis: Mapping[Cell, str] = field(default_factory=dict)
    marks: Mapping[Cell, str] = field(default_factory=dict)
    note: str = ""
    names: int = 1


def folded(grid: Grid, width: int = 120) -> list[Grid]:
    """The table in parts that show in `width` letters each, where its columns allow: names again, title and note once.

    >>> [part.columns for part in folded(Grid("", ["arm", "auc", "hr@10"], [["sft", "0.5000", "0.1000"]]), width=16)]
    [['arm', 'auc'], ['arm', 'hr@10']]
    """
    table = [grid.columns, *grid.rows]
    places = [
        max(len(cells[column]) for cells in table)
        + max((len(mark) for (_, place), mark in grid.marks.items() if place == column), default=0)
        + 2  # between columns
        for column in range(len(grid.columns))
    ]
    named = list(range(grid.names))
    parts = [named.copy()]
    for column in range(grid.names, len(grid.columns)):
        if sum(places[one] for one in [*parts[-1], column]) > width and len(parts[-1]) > grid.names:
            parts.append(named.copy())
        parts[-1].append(column)
    return [
        replace(
            grid,
            title="" if part is not parts[0] else grid.title,
            columns=[grid.columns[column] for column in part],
            rows=[[cells[column] for column in part] for cells in grid.rows],
            emphasis={(row, part.index(c)): kind for (row, c), kind in grid.emphasis.items() if c in part},
            marks={(row, part.index(c)): mark for (row, c), mark in grid.marks.items() if c in part},
            note="" if part is not parts[-1] else grid.note,
        )
        for part in parts
    ]
