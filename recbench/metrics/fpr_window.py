"""A window of false positive rates as people write it, `0.01,0.05`: this module alone knows its syntax.

Without NumPy, so that a command line is checked at once. What a window measures is in `windows.py`.
"""

import math
import re
from collections.abc import Sequence

from recbench.errors import UserError

Window = tuple[float, float]
WHOLE: Window = (0.0, 1.0)  # the window of AUC


def parse_window(text: str, told: str | None = None) -> Window:
    """The window that a text has: two numbers with a comma between, 0 <= a < b <= 1.

    Raises:
        UserError: it is something else; the line begins with `told`, or with the window.

    >>> parse_window("0.01,0.05")
    (0.01, 0.05)
    """
    return check_window(text.split(","), told)


def check_window(window: Sequence[float | str], told: str | None = None) -> Window:
    """The window (a, b) as two floats.

    Raises:
        UserError: they are not two numbers with 0 <= a < b <= 1; the line begins with `told`, or with the window.
    """
    try:
        ends = [float(end) for end in window]
    except (TypeError, ValueError):
        ends = []
    if len(ends) != 2 or not 0 <= ends[0] < ends[1] <= 1 or any(map(math.isnan, ends)):
        told = told or f"window {','.join(map(str, window))}"
        raise UserError(f"{told}: expected two false positive rates a,b, 0 <= a < b <= 1, such as 0.01,0.05")
    return ends[0], ends[1]


def window_text(window: Sequence[float]) -> str:
    """The ends as names of metrics have them: as %g prints them, or in full where %g would lose digits.

    >>> window_text((0.01, 0.05)), window_text((0, 0.0123456789))
    ('0.01,0.05', '0,0.0123456789')
    """
    return ",".join(f"{end:g}" if float(f"{end:g}") == end else repr(end) for end in check_window(window))


def shortened(name: str) -> str:
    """A metric's name with the ends of its window to three digits.

    >>> shortened("wpauc(0,0.01067378252168112)"), shortened("hr@10")
    ('wpauc(0,0.0107)', 'hr@10')
    """
    return re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.3g}", name)
