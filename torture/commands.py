"""recbench commands in processes of their own, forked from one that has imported everything: they start at once."""

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SLOW = (
    "matplotlib.pyplot",
    "recbench.dispatch",
    "recbench.reporting.report",
    "transformers.models.llama.modeling_llama",
)


class Outcome(NamedTuple):
    """How a command ended: its exit status (negative: a signal), its screen, and the seconds that it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def has_traceback(self) -> bool:
        """Whether the screen shows one."""
        return "Traceback (most recent call last)" in self.out + self.err


def preload() -> None:
    """Import what the commands import."""
    from recbench.stage_table import ROWS

    for name in [*(row.run.partition(":")[0] for row in ROWS), *SLOW]:
        importlib.import_module(name)


def command(
    arguments: Sequence[str],
    folder: Path,
    *,
    kill_after: float | None = None,
    before: Callable[[], None] = lambda: None,
) -> Outcome:
    """`recbench ARGUMENTS` in `folder`, killed by SIGKILL after so many seconds if it still runs then.

    `before` is called in the new process first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    screen = [folder / "stdout.txt", folder / "stderr.txt"]
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(arguments, folder, screen, before)
    deadline = None if kill_after is None else started + kill_after
    status = _wait(child, deadline)
    out, err = (file.read_text(encoding="utf-8", errors="replace") for file in screen)
    return Outcome(os.waitstatus_to_exitcode(status), out, err, time.monotonic() - started)


def _run(arguments: Sequence[str], folder: Path, screen: Sequence[Path], before: Callable[[], None]) -> None:
    """The child: never returns."""
    code = 70
    try:
        for number, file in enumerate(screen, start=1):
            os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
        os.chdir(folder)
        from recbench import cli

        before()
        code = cli.main(list(arguments))
    except BaseException:  # as an interpreter would show it
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _wait(child: int, deadline: float | None) -> int:
    while deadline is not None and time.monotonic() < deadline:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return status
        time.sleep(min(0.002, max(0.0, deadline - time.monotonic())))
    if deadline is not None:
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
