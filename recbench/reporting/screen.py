"""How wide what is printed may be."""

import os
import shutil
import sys

IN_A_PIPE = 120  # letters of a line in a file or a pipe


def screen_width() -> int:
    """Letters of a line on standard output: the terminal's; COLUMNS, or else 120, where there is none."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(20, shutil.get_terminal_size().columns)
    return IN_A_PIPE
