"""What a part found, a row a kind, and the table of all parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Row:
    """One kind of attempt: how many there were, and how they ended."""

    kind: str
    tried: int = 0
    handled: int = 0  # as it should: the right numbers in the end, or one line that says what is wrong
    tracebacks: int = 0  # a traceback or a foreign exception on the screen
    silent: int = 0  # wrong, and nothing was said
    leaked: int = 0  # a secret, or something of this machine, came where it must not; or a page or screen obeys data
    lost: int = 0  # work that was whole before is gone, or a status is not true
    examples: list[str] = field(default_factory=list)  # of what went wrong, each in one line

    @property
    def bad(self) -> bool:
        """Whether anything was not handled."""
        return self.handled < self.tried

    def add(self, outcome: str, example: str = "") -> Self:
        """Count one attempt that ended as `outcome`: handled, tracebacks, silent, leaked or lost."""
        self.tried += 1
        setattr(self, outcome, getattr(self, outcome) + 1)
        if outcome != "handled":
            self.examples.append(f"{outcome}: {' '.join(example.split())[:300]}")
        return self


COUNTS = ("tried", "handled", "tracebacks", "silent", "leaked", "lost")


def table(rows: Sequence[Row]) -> str:
    """The rows with their sum, and below them what went wrong."""
    total = Row("all")
    for row in rows:
        for name in COUNTS:
            setattr(total, name, getattr(total, name) + getattr(row, name))
    width = max(len(row.kind) for row in [*rows, total]) + 2
    lines = [" " * width + "".join(f"{name:>12}" for name in COUNTS)]
    lines += [
        f"{row.kind:<{width}}" + "".join(f"{getattr(row, name):>12}" for name in COUNTS) for row in [*rows, total]
    ]
    lines += [f"{row.kind}: {example}" for row in rows for example in row.examples]
    return "\n".join(lines)
