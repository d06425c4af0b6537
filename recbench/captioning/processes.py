"""One caption run by several processes of `accelerate launch` or torchrun, which find and wait for each other by files.

Process 0 makes the run, prepares the captioner and merges the shards; every process captions the shards whose number
modulo the number of processes is its own. No process talks to another: a launcher on several machines needs nothing
but a shared folder of runs. When one fails, the launcher ends the others, and the run can be resumed.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from recbench.captioning.shards import FOLDER
from recbench.errors import UserError
from recbench.runs import Run, write_json

POLL = 0.2  # seconds between looks
PATIENCE = 600.0  # seconds until process 0 must have made the run: all start together


def rank() -> int:
    """This process's number among those that share the work; 0 alone."""
    return _number("RANK", 0)


def world_size() -> int:
    """How many processes share the work."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """This process's number on its machine, by which it takes its GPU."""
    return _number("LOCAL_RANK", 0)


@contextmanager
def announced(run: Run) -> Iterator[None]:
    """While the block runs, tell the other processes of this launch which run is theirs; nothing for one alone."""
    if world_size() == 1:
        yield
        return
    file = _meeting_point(run.path.parent.parent)
    write_json(file, {"run": str(run.path.resolve())})
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_announced(stage_folder: Path) -> Run:
    """The run that process 0 of this launch has made; `stage_folder` is the one that holds the caption runs.

    Raises:
        UserError: there is none after ten minutes.
    """
    file = _meeting_point(stage_folder)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if file.is_file():
            run = Run(Path(json.loads(file.read_text(encoding="utf-8"))["run"]))
            if run.status == "running":  # else what a launch that was killed has left
                return run
        time.sleep(POLL)
    raise UserError(
        f"process {rank()} waited {PATIENCE:g} seconds for the run of process 0 under {stage_folder}: all processes "
        "need the same runs folder, and process 0 must be running"
    )


def say_prepared(run: Run) -> None:
    """Tell the other processes that data and captioner are made, so that all can begin."""
    write_json(_mark(run, "prepared"), {"processes": world_size()})


def wait_for(run: Run, ready: Callable[[], bool]) -> bool:
    """Wait until something is ready; False when the run has ended before."""
    while not ready():
        if Run(run.path).status != "running":
            return ready()
        time.sleep(POLL)
    return True


def is_prepared(run: Run) -> bool:
    """Whether process 0 has said so, in this attempt of the run."""
    return _mark(run, "prepared").is_file()


def say_finished(run: Run) -> None:
    """Tell process 0 that this process has no shard left."""
    write_json(_mark(run, f"finished-{rank()}"), {})


def all_finished(run: Run, others: Sequence[int]) -> bool:
    """Whether each of these processes has said that it has no shard left."""
    return all(_mark(run, f"finished-{other}").is_file() for other in others)


def _mark(run: Run, name: str) -> Path:
    """A file by which processes tell each other something; a resumed run has others than the attempt before."""
    return run.path / FOLDER / f"{name}-{run.manifest.get('resumed', 0)}.json"


def _meeting_point(stage_folder: Path) -> Path:
    """A file that all processes of one launch, and of no other at the same time, name alike."""
    names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")
    launch = json.dumps([os.environ.get(name, "") for name in names])
    return stage_folder / f".processes-{hashlib.sha256(launch.encode()).hexdigest()[:12]}.json"


def _number(name: str, default: int) -> int:
    """A launcher's environment variable.

    Raises:
        UserError: it is no whole number.
    """
    text = os.environ.get(name, "")
    if text and not text.isdecimal():
        raise UserError(f"the environment variable {name} is {text!r}: expected a whole number, or none")
    return int(text) if text else default
