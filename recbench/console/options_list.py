"""Lists with descriptions: of options, as `--help-config` prints them, and of configs, as `recbench ls` does."""

from collections.abc import Iterable, Sequence

from recbench.console.screen import wrapped
from recbench.errors import UserError
from recbench.schema import did_you_mean

OptionRow = tuple[str, str, str, str]  # key, default, what it takes, help


def beginning_with(rows: Sequence[OptionRow], prefixes: Sequence[str]) -> list[OptionRow]:
    """The rows whose keys begin with one of `prefixes`, or all where there are none; raises UserError for a wrong one.

    >>> beginning_with([("algo.steps", "0", "", ""), ("seed", "0", "", "")], ["algo"])
    [('algo.steps', '0', '', '')]
    """
    keys = [row[0] for row in rows]
    known = list(dict.fromkeys([*keys, *(key.rpartition(".")[0] for key in keys if "." in key)]))
    wanted = [prefix.partition("=")[0].lstrip("+~") for prefix in prefixes]
    for prefix in wanted:
        if not any(key.startswith(prefix) for key in keys):
            raise UserError(f"--help-config {prefix}: no option begins so{did_you_mean(prefix, known)}")
    return [row for row in rows if not wanted or row[0].startswith(tuple(wanted))]


def option_lines(rows: Iterable[OptionRow], width: int) -> list[str]:
    """Lines of at most `width` letters, but for what cannot be broken.

    >>> print(*option_lines([("seed", "0", "at least 0", "seed of everything random")], 80), sep="\\n")
    seed=0  (at least 0)
        seed of everything random
    """
    lines = []
    for key, default, takes, what in rows:
        first = f"{key}={default}  ({takes})" if takes else f"{key}={default}"
        for text, indent, further in ((first, "", "        "), (what, "    ", "    ")):
            lines += wrapped(text, width, indent, further)
    return lines


def described_lines(rows: Sequence[tuple[str, str]], width: int, least: int = 12) -> list[str]:
    """A name and what it is on one line each, the names below one another; what does not fit goes on below.

    What it is has at least `least` letters a line.

    >>> print(*described_lines([("din", "attention over clicks"), ("lr", "")], 20), sep="\\n")
    din  attention over
         clicks
    lr
    """
    place = max((len(name) for name, _ in rows), default=0) + 2
    lines = []
    for name, what in rows:
        parts = wrapped(what, max(width - place, least)) or [""]
        lines += [f"{first:<{place}}{part}".rstrip() for first, part in zip([name, *[""] * len(parts)], parts)]
    return lines
