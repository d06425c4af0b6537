"""What a person sees while a stage runs, all of it on standard error: a bar on a terminal, plain lines in a file."""

import logging
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recbench.console.visible import for_people

SECONDS_BETWEEN_LINES = 10.0  # in a file: often enough to see life, rare enough to read

_console: Any = None
_bars: Any = None  # the one live display; bars inside bars share it
_open_bars = 0
_lines_only = False


def console() -> Any:
    """The rich console of standard error, made once for each stream that standard error is."""
    global _console
    if _console is None or _console.file is not sys.stderr:
        from rich.console import Console

        _console = Console(file=sys.stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
    return _console


def say(text: str) -> None:
    """Print one plain line on standard error, above a progress bar if there is one; `for_people` says what is left."""
    console().print(for_people(text))


def lines_only() -> None:
    """Print lines from now on even on a terminal: the bars of several processes would overwrite each other."""
    global _lines_only
    _lines_only = True


@contextmanager
def short_warnings(log: logging.Logger | None = None) -> Iterator[None]:
    """Show recbench's own warnings in one line; log all, others' too, which a user need not see."""
    package = Path(__file__).resolve().parents[1]

    def show(message: Warning | str, category: type[Warning], filename: str, *_: Any) -> None:
        if log is not None:
            log.warning("%s: %s (%s)", category.__name__, message, Path(filename).name)
        if Path(filename).resolve().is_relative_to(package):
            say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield


class Progress:
    """A count towards `total` with rate and time left; a context manager.

    On a terminal it is a bar; elsewhere a line at most every ten seconds, and at the end. Values given to `advance` are
    shown beside the count, and go to the log.
    """

    def __init__(self, description: str, total: float, log: logging.Logger | None = None) -> None:
        self.description, self.total, self.log = for_people(description, 200), total, log
        self.done = 0.0
        self.values: dict[str, float] = {}
        self._left_out = 0.0
        self._task: Any = None

    def __enter__(self) -> Self:
        global _bars, _open_bars
        self._began = self._last_line = time.monotonic()
        if console().is_terminal and not _lines_only:
            if _open_bars == 0:
                _bars = _make_bars()
                _bars.start()
            _open_bars += 1
            self._task = _bars.add_task(self.description, total=self.total, values="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _bars, _open_bars
        if self._task is None:
            self._line()
            return
        _bars.stop_task(self._task)
        _open_bars -= 1
        if _open_bars == 0:
            _bars.stop()
            _bars = None

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def move_to(self, done: float) -> None:
        """Go on from `done`: what a resumed run or an early stop leaves out does not count towards the rate."""
        self._left_out += done - self.done
        self.done = done
        if self._task is not None:
            _bars.update(self._task, completed=done)

    def advance(self, amount: float = 1, **values: float) -> None:
        """Count `amount` more; `values` (loss=0.31, ...) replace those shown under the same names."""
        self.done += amount
        self.values.update(values)
        if self._task is not None:
            _bars.update(self._task, advance=amount, values=_shown(self.values))
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._line()

    def _line(self) -> None:
        self._last_line = time.monotonic()
        rate = (self.done - self._left_out) / max(self.seconds, 1e-9)
        parts = [f"{self.description}: {self.done:g} of {self.total:g}", f"{rate:.3g}/s"]
        if 0 < self.done < self.total and rate > 0:
            parts.append(f"{_clock((self.total - self.done) / rate)} left")
        else:
            parts.append(f"{_clock(self.seconds)} taken")
        line = ", ".join([*parts, *([_shown(self.values)] if self.values else [])])
        say(line)
        if self.log is not None:
            self.log.info(line)


class Steps:
    """Where a command of several steps is: "stage 3 of 6: click models, about 2 minutes left", said as each begins.

    `expected` says for every step, in order, how long it takes relative to the others. What finished steps took tells
    the pace; until one has been made nothing is said of the time left.
    """

    def __init__(self, kind: str, expected: Mapping[str, float], log: logging.Logger | None = None) -> None:
        self.kind, self.expected, self.log = kind, dict(expected), log
        self.begun = 0
        self._seconds, self._weight = 0.0, 0.0  # of the steps that were made
        self._since, self._began = time.monotonic(), datetime.now(UTC)

    def begin(self) -> None:
        """Say which step begins now."""
        name = list(self.expected)[self.begun]
        left = self.seconds_left()
        self.begun += 1
        line = f"== {self.kind} {self.begun} of {len(self.expected)}: {name}"
        line += f", {about(left)} left" if left is not None else ""
        say(line)
        if self.log is not None:
            self.log.info(line)
        self._since, self._began = time.monotonic(), datetime.now(UTC)

    def end(self, run_ended: datetime) -> None:
        """The step that began last is done, by a run that ended then: one that was there before tells no pace."""
        if run_ended >= self._began:
            self._seconds += time.monotonic() - self._since
            self._weight += list(self.expected.values())[self.begun - 1]

    def seconds_left(self) -> float | None:
        """Seconds that the steps which have not begun take by the pace of those made, or None before any was."""
        if self._weight <= 0:
            return None
        return self._seconds / self._weight * sum(list(self.expected.values())[self.begun :])


def about(seconds: float) -> str:
    """A duration as roughly as it is known: half minutes below five, minutes below ninety, then half hours."""
    if seconds < 15:
        return "a few seconds"
    if seconds < 300:
        halves = max(1, round(seconds / 30))
        if halves == 1:
            return "about half a minute"
        return f"about {halves / 2:g} minute{'s' if halves > 2 else ''}"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 1800) / 2:g} hours"


def _make_bars() -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}", style="dim", markup=False),
        console=console(),
    )


def _shown(values: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items() if value == value)  # NaN: not computed


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
