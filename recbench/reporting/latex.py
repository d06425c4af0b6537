"""Tables in LaTeX: booktabs, every character of a cell as it reads, ready for \\input."""

import re
from collections.abc import Sequence

from recbench.console.visible import LONGEST_CELL, for_people
from recbench.grids import Grid

PREAMBLE = "% \\usepackage{booktabs} in the preamble"
CHARACTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "*": r"\textasteriskcentered{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "–": "--",
    "×": r"$\times$",
}
EMPHASIS = {"best": r"\textbf", "second": r"\underline"}


def latex(grid: Grid) -> str:
    """The table as a `table` environment: caption above, numbers to the right, the best bold, the second underlined.

    Marks overhang to the right, so that digits stay below digits; a negative number has a minus, not a hyphen.
    """
    caption = f"{grid.title[:1].upper()}{grid.title[1:]}." if grid.title else ""
    note = ("Best in bold, second underlined. " if grid.emphasis else "") + grid.note.replace("\n", " ")
    named = len(grid.columns) if grid.prose else grid.names
    lines = [r"\begin{table}", r"  \centering", r"  \small"]
    lines += [rf"  \caption{{{escaped(' '.join(filter(None, (caption, note.strip()))))}}}"] if caption or note else []
    lines += [
        rf"  \begin{{tabular}}{{{'l' * named}{'r' * (len(grid.columns) - named)}}}",
        r"    \toprule",
        _row([escaped(title) for title in grid.columns]),
        r"    \midrule",
    ]
    for row, cells in enumerate(grid.rows):
        shown = []
        for column, cell in enumerate(cells):
            text = _number(escaped(cell)) if column >= named else escaped(cell)
            command = EMPHASIS.get(grid.emphasis.get((row, column), ""))
            text = f"{command}{{{text}}}" if command else text
            mark = grid.marks.get((row, column))
            shown.append(rf"{text}\rlap{{$^{{{'{*}' * len(mark)}}}$}}" if mark else text)
        lines.append(_row(shown))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]) + "\n"


def escaped(text: str) -> str:
    """`text` as LaTeX prints it letter by letter.

    >>> print(escaped("wpauc_50% & more"))
    wpauc\\_50\\% \\& more
    """
    return "".join(CHARACTERS.get(letter, letter) for letter in for_people(text, LONGEST_CELL))


def _number(text: str) -> str:
    return re.sub(r"(?<![\w$-])([+-])(?=\d)", r"$\1$", text)


def _row(cells: Sequence[str]) -> str:
    """A row; a first cell that begins with a bracket would be read as an argument of the line break before it."""
    first = "{[}" + cells[0][1:] if cells[0].startswith("[") else cells[0]
    return "    " + " & ".join([first, *cells[1:]]) + r" \\"
