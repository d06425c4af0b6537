"""Finding runs: which there are, in which order, and which one a name or a need stands for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from recbench.errors import UserError
from recbench.runs.order import by_preference, in_order
from recbench.runs.run import Run


def find_runs(root: Path | str, stage: str | None = None, data: str | None = None) -> list[Run]:
    """Every run under `root`, of one stage and data set if given, what ended last last; none without such a folder."""
    paths = Path(root).glob(f"{stage or '*'}/{data or '*'}/*/manifest.json")
    return in_order([Run(path.parent) for path in paths])


def newest(
    root: Path | str, stage: str, match: Callable[[Run], bool], data: str | None = None, status: str = "done"
) -> Run | None:
    """The newest run of `stage` that has this status and for which `match` holds, or None.

    One that was made as another's input is taken only where no run that was asked for fits.
    """
    runs = by_preference(find_runs(root, stage, data), stage)
    return next((run for run in runs if run.status == status and match(run)), None)


def resolve_run(
    root: Path | str, text: str, stage: str | None = None, statuses: Sequence[str] = ("done",), data: str | None = None
) -> Run:
    """The run that a user named: a path, a unique prefix of an id, or `latest`.

    `latest` is the newest of `stage`, on data set `data`, whose status is in `statuses`, and one made as another's
    input only where nothing else is there; a path or a prefix may have any status. Raises UserError when there is none,
    when a prefix fits several, or when the run is of another stage.
    """
    kind = f"{stage} run" if stage else "run"
    if text == "latest":
        runs = by_preference(find_runs(root, stage, data), stage)
        newest = next((run for run in runs if run.status in statuses), None)
        if newest is None:
            place = f"under {root}" if data is None else f"on data {data} under {root}"
            raise UserError(f"no {' or '.join(statuses)} {kind} {place}; 'recbench runs' lists what is there")
        return newest
    if (Path(text) / "manifest.json").is_file():
        found = [Run(Path(text))]
    else:
        found = [run for run in find_runs(root) if text and run.id.startswith(text)]
    if not found:
        raise UserError(
            f"no run {text!r} under {root}: give a path, the beginning of an id, or latest ('recbench runs' lists them)"
        )
    if len(found) > 1:
        raise UserError(
            f"{text!r} begins {len(found)} run ids, for instance {found[0].id} and {found[-1].id}: give more of it"
        )
    if stage is not None and found[0].stage != stage:
        raise UserError(f"{text!r} is a {found[0].stage} run, and a {kind} is needed here")
    return found[0]


def require_finished(run: Run) -> Run:
    """`run` itself when it is done; a UserError that names its status otherwise."""
    if run.status != "done":
        raise UserError(f"{run.stage} run {run.id} is {run.status}, not done: name another, or make it again")
    return run


def origin(run: Run) -> str:
    """Words to put behind a run that nobody asked for: what it was made for; empty for others."""
    return "" if run.made_for is None else f", made for {run.made_for['stage']} run {run.made_for['id']}"
