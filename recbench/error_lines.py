"""Any error of a command in one line, and the exit status that it leaves with."""

import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import typer
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from recbench.console.progress import say
from recbench.console.visible import visible
from recbench.errors import StorageError, UserError
from recbench.explanations import explain, is_of_a_path, where
from recbench.redaction import redacted

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
_kept: ContextVar[list[str] | None] = ContextVar("_kept", default=None)


@contextmanager
def kept_lines() -> Iterator[list[str]]:
    """The lines of errors within, which are kept here and not printed: for calls from Python."""
    lines: list[str] = []
    token = _kept.set(lines)
    try:
        yield lines
    finally:
        _kept.reset(token)


@contextmanager
def one_line_errors(stage: str = "", debug: bool = False) -> Iterator[None]:
    """Tell any error in one line and leave with its status: 2 for a user's mistake, 1 for ours, 130 for an interrupt.

    A termination signal counts as an interrupt, so that a scheduler's kill marks the run as one that can be resumed.
    """
    try:
        with _termination_interrupts():
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as problem:
        if debug:
            typer.echo(visible(redacted(traceback.format_exc()), keep_lines=True), err=True, nl=False)
        mistake = isinstance(problem, UserError | HydraException | OmegaConfBaseException) or is_of_a_path(problem)
        hint = "" if mistake or debug or isinstance(problem, StorageError) else "; --debug shows where"
        line = f"{explain(problem, stage)}{where(problem)}{hint}"
        kept = _kept.get()
        say(f"error: {line}") if kept is None else kept.append(line)
        raise typer.Exit(MISTAKE if mistake else FAILED) from problem


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
