"""The order of runs: by what ended last, whatever the clock says, and what was asked for before what was only needed.

A run starts before the inputs that it makes for itself, so that starts, and ids with them, order nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbench.runs.run import Run

STEP = timedelta(microseconds=1)
UNKNOWN = datetime.min.replace(tzinfo=UTC)


def now() -> datetime:
    """This moment with its offset from UTC: local times alone go back an hour every autumn."""
    return datetime.now().astimezone()


def end_of(manifest: Mapping[str, Any], run_id: str) -> datetime:
    """When a run ended; of one that has not, or was killed, when it started.

    `order` stands before `finished` where the clock was behind when the run ended. Times without an offset, as older
    manifests have them, are local ones.
    """
    for text in (manifest.get("order"), manifest.get("finished"), manifest.get("reopened")):
        if isinstance(text, str) and (moment := _moment(text)) is not None:
            return moment
    try:
        return datetime.strptime(run_id[:22], "%Y%m%d-%H%M%S-%f").astimezone()
    except (ValueError, OverflowError):
        return UNKNOWN


def in_order(runs: Sequence["Run"]) -> list["Run"]:
    """The runs, what ended first first; one that used another comes after it, also where times say otherwise.

    Times in older manifests are in whole seconds, and clocks are set back.
    """
    known = {run.id: run for run in runs}
    inputs = {name: [entry["id"] for entry in run.manifest["inputs"]] for name, run in known.items()}
    keys: dict[str, tuple[datetime, int]] = {}
    for name in _inputs_first(inputs):
        if name in known:
            last = (end_of(known[name].manifest, name), 0)
            keys[name] = max([last, *((keys[other][0], keys[other][1] + 1) for other in inputs[name] if other in keys)])
    return sorted(runs, key=lambda run: (*keys[run.id], run.id, run.path.as_posix()))


def _inputs_first(inputs: Mapping[str, Sequence[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(inputs).static_order())
    except CycleError:  # a manifest that someone has edited
        return list(inputs)


def by_preference(runs: Sequence["Run"], stage: str | None) -> list["Run"]:
    """The runs, the one to take first: those that were asked for before those made for another, each newest first.

    Of data runs the newest is first, whoever asked: they are told apart by their whole config, and one that was made
    anew for another run has read the files last.
    """
    newest = in_order(runs)[::-1]
    if stage == "data":
        return newest
    return sorted(newest, key=lambda run: run.made_for is not None)  # stable


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None
