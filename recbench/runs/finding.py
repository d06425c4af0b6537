"""Finding runs: which there are, in which order, and which one a name or a need stands for."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException

from recbench.errors import UserError
from recbench.runs.order import by_preference, in_order
from recbench.runs.reading import DamagedRunError
from recbench.runs.run import Run

ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{6}")
NO_STAGE = "multirun"  # whose folders lie as runs do, and hold tables over runs
_told: set[Path] = set()  # damaged runs that this process has named


def run_folders(root: Path | str, stage: str | None = None, data: str | None = None) -> list[Path]:
    """The folders under `root` that are runs by their place and name, or by a manifest; whatever is in them."""
    found = []
    for stage_folder in _folders(Path(root)) if stage is None else [Path(root) / stage]:
        if stage_folder.name == NO_STAGE:
            continue
        for data_folder in _folders(stage_folder) if data is None else [stage_folder / data]:
            for folder in _folders(data_folder):
                if ID.fullmatch(folder.name) or os.path.lexists(folder / "manifest.json"):
                    found.append(folder)
    return found


def read_runs(
    root: Path | str, stage: str | None = None, data: str | None = None
) -> tuple[list[Run], list[DamagedRunError]]:
    """Every run under `root`, what ended last last, and what is wrong with those that cannot be read."""
    runs, damaged = [], []
    for folder in run_folders(root, stage, data):
        try:
            run = Run(folder)
            place = (folder.parent.parent.name, folder.parent.name)
            if (run.stage, run.data_name) != place:
                raise DamagedRunError(
                    folder, f"manifest.json is of {run.stage}/{run.data_name}, not of {'/'.join(place)}"
                )
            runs.append(run)
        except DamagedRunError as problem:
            damaged.append(problem)
    return in_order(runs), damaged


def find_runs(root: Path | str, stage: str | None = None, data: str | None = None) -> list[Run]:
    """Every run under `root`, of one stage and data set if given, what ended last last; none without such a folder.

    Those that cannot be read are left out, and named once.
    """
    runs, damaged = read_runs(root, stage, data)
    for problem in damaged:
        _tell(problem)
    return runs


@contextmanager
def passing_over(run: Run) -> Iterator[None]:
    """Leave the block where what `run` says of itself cannot be read, and name it once."""
    try:
        yield
    except DamagedRunError as problem:
        _tell(problem)
    except OmegaConfBaseException as problem:  # a key that is not there, an interpolation that leads nowhere
        _tell(DamagedRunError(run.path, f"config.yaml: {problem}"))


def newest(
    root: Path | str, stage: str, match: Callable[[Run], bool], data: str | None = None, status: str = "done"
) -> Run | None:
    """The newest run of `stage` that has this status and for which `match` holds, or None.

    One that was made as another's input is taken only where no run that was asked for fits.
    """
    for run in by_preference(find_runs(root, stage, data), stage):
        with passing_over(run):
            if run.status == status and match(run):
                return run
    return None


def resolve_run(
    root: Path | str, text: str, stage: str | None = None, statuses: Sequence[str] = ("done",), data: str | None = None
) -> Run:
    """The run that a user named: a path, a unique prefix of an id, or `latest`.

    `latest` is the newest of `stage`, on data set `data`, whose status is in `statuses`, and one made as another's
    input only where nothing else is there; a path or a prefix may have any status. Raises UserError when there is none,
    when a prefix fits several, when it cannot be read, or when it is of another stage.
    """
    kind = f"{stage} run" if stage else "run"
    if text == "latest":
        runs = by_preference(find_runs(root, stage, data), stage)
        newest = next((run for run in runs if run.status in statuses), None)
        if newest is None:
            place = f"under {root}" if data is None else f"on data {data} under {root}"
            raise UserError(f"no {' or '.join(statuses)} {kind} {place}; 'recbench runs' lists what is there")
        return newest
    if text and any(os.path.lexists(Path(text) / name) for name in ("manifest.json", "config.yaml")):
        found = [Path(text)]
    else:
        found = sorted(folder for folder in run_folders(root) if text and folder.name.startswith(text))
    if not found:
        raise UserError(
            f"no run {text!r} under {root}: give a path, the beginning of an id, or latest ('recbench runs' lists them)"
        )
    if len(found) > 1:
        raise UserError(
            f"{text!r} begins {len(found)} run ids, for instance {found[0].name} and {found[-1].name}: give more of it"
        )
    run = Run(found[0])
    if stage is not None and run.stage != stage:
        raise UserError(f"{text!r} is a {run.stage} run, and a {kind} is needed here")
    return run


def require_finished(run: Run) -> Run:
    """`run` itself when it is done and its files are those that it wrote; else a UserError that says what it is."""
    if run.status != "done":
        raise UserError(f"{run.stage} run {run.id} is {run.status}, not done: name another, or make it again")
    run.require_intact()
    return run


def origin(run: Run) -> str:
    """Words to put behind a run that nobody asked for: what it was made for; empty for others."""
    return "" if run.made_for is None else f", made for {run.made_for['stage']} run {run.made_for['id']}"


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder but the hidden ones, by name; none where it is none, or cannot be opened."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        return [folder / name for name in names if (folder / name).is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        _tell(DamagedRunError(folder, f"it cannot be opened: {problem.strerror}"))
        return []


def _tell(problem: DamagedRunError) -> None:
    from recbench.console.progress import say

    folder = problem.folder.absolute()
    if folder not in _told:
        _told.add(folder)
        say(f"note: {problem.folder} is left out: {problem.reason}")
