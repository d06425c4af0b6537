"""How wide what is printed may be."""

import os
import shutil
import sys

IN_A_PIPE = 120  # letters of a line in a file or a pipe


def terminal_width() -> int | None:
    """Letters of a line of the terminal that standard output is, or that COLUMNS says; None in a file or a pipe."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(20, shutil.get_terminal_size().columns)
    return None


def screen_width() -> int:
    """Letters of a line on standard output: the terminal's, or 120 in a file or a pipe."""
    return terminal_width() or IN_A_PIPE
