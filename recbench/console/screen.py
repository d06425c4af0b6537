"""How wide what is printed may be, and texts broken to fit."""

import os
import shutil
import sys
from textwrap import wrap

IN_A_PIPE = 120  # letters of a line in a file or a pipe


def terminal_width() -> int | None:
    """Letters of a line of the terminal that standard output is, or that COLUMNS says; None in a file or a pipe."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(20, shutil.get_terminal_size().columns)
    return None


def screen_width() -> int:
    """Letters of a line on standard output: the terminal's, or 120 in a file or a pipe."""
    return terminal_width() or IN_A_PIPE


def wrapped(text: str, width: int, indent: str = "", further: str | None = None) -> list[str]:
    """Lines of at most `width` letters, broken between words alone, all with `indent`; those after the first `further`.

    >>> wrapped("lower the learning-rate", 10, "  ")
    ['  lower', '  the', '  learning-rate']
    """
    more = indent if further is None else further
    return wrap(
        text, width, initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )
