"""recbench runs show, diff, rm and prune: what one run is, how two differ, and what may go to free a disk."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from recbench.errors import UserError
from recbench.grids import Grid
from recbench.metrics.table import metric_order
from recbench.reporting.results import headline
from recbench.reporting.tables import flatten, number
from recbench.runs import Run, read_runs, resolve_run
from recbench.runs.files import PARTIAL
from recbench.stages.runs import label_of_run, spoken_size

ANY = ("done", "failed", "interrupted")
WHERE = ("runs", "threads", "device", "force", "resume")  # keys that say where a run was made, not what it is


def show(root: Path, name: str) -> tuple[list[str], dict[str, Any]]:
    """A run in some lines, what was found first; and the same as a dict.

    Raises:
        UserError: there is no such run.
    """
    run = resolve_run(root, name, statuses=ANY)
    size, seconds = size_of(run.path), run.manifest.get("seconds")
    found = headline(run)
    inputs = [f"{entry['stage']} {entry['id']}" for entry in run.manifest["inputs"]]
    used_by = [other.id for other in users_of(run, read_runs(run.root)[0])]
    about = {
        "run": run.id,
        "path": str(run.path),
        "stage": run.stage,
        "data": run.data_name,
        "status": run.status,
        "label": label_of_run(run),
        "headline": found,
        "seconds": seconds,
        "bytes": size,
        "inputs": inputs,
        "used_by": used_by,
        "overrides": run.overrides,
    }
    took = "" if seconds is None else f", {seconds:,.0f} s"
    lines = [f"{run.stage} run {run.id} on {run.data_name}: {run.status}{took}, {spoken_size(size)}"]
    lines += [f"  {line}" for line in found or [label_of_run(run)] if line]
    for word, names in (("asked for", run.overrides), ("made from", inputs), ("used by", used_by)):
        lines += [f"  {word}: {' '.join(names) if word == 'asked for' else ', '.join(names)}"] if names else []
    return [*lines, f"  {run.path}"], about


def diff(root: Path, first: str, second: str) -> tuple[list[Grid], dict[str, Any]]:
    """How two runs differ: keys of their configs, inputs, versions and machine, then numbers; and the same as a dict.

    Raises:
        UserError: there is no such run.
    """
    runs = [resolve_run(root, name, statuses=ANY) for name in (first, second)]
    configs = [_config(run) for run in runs]
    made = [_made(run) for run in runs]
    numbers = [_numbers(run) for run in runs]
    found = {
        "config": _different(*configs),
        "made_with": _different(*made),
        "metrics": _different(*numbers),
    }
    names = [run.id for run in runs]
    grids = [
        Grid(title, ["", *names], [[key, *map(number, values)] for key, values in found[part].items()], prose=True)
        for part, title in (("config", "settings that differ"), ("made_with", "made from and with"))
        if found[part]
    ]
    if found["metrics"]:
        ordered = sorted(found["metrics"], key=lambda key: metric_order(key.rpartition(".")[2]))
        grids.append(Grid("numbers", ["", *names], [[key, *map(number, found["metrics"][key])] for key in ordered]))
    return grids or [Grid("nothing differs", ["", *names], [], prose=True)], {"runs": names, **found}


@dataclass(frozen=True)
class Removal:
    """A folder that may go, and why."""

    path: Path
    bytes: int
    why: str


def removals(root: Path, names: Sequence[str], force: bool = False) -> list[Removal]:
    """The folders of runs that a user wants to be rid of.

    Raises:
        UserError: there is no such run, one is running, or, without `force`, others were made from it.
    """
    every = read_runs(root)[0]
    chosen = list(
        {run.path.resolve(): run for run in (resolve_run(root, name, statuses=ANY) for name in names)}.values()
    )
    leaving = {run.id for run in chosen}
    for run in chosen:
        if run.status == "running":
            raise UserError(f"{run.stage} run {run.id} is running: end it first")
        users = [other.id for other in users_of(run, every) if other.id not in leaving]
        if users and not force:
            more = f" and {len(users) - 1} more" if len(users) > 1 else ""
            raise UserError(
                f"{run.stage} run {run.id} is what run {users[0]}{more} was made from: name those, too, or give --force"
            )
    return [Removal(run.path, size_of(run.path), run.stage) for run in chosen]


def prunable(root: Path) -> list[Removal]:
    """What can go: failed runs, and checkpoints of finished trainings, which only `continues=training` goes on from.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}: name the folder with --runs FOLDER")
    found = []
    for run in read_runs(root)[0]:
        checkpoints = run.path / "checkpoints"
        if run.status == "failed":
            found.append(Removal(run.path, size_of(run.path), "failed"))
        elif run.status == "done" and run.stage == "train" and checkpoints.is_dir():
            found.append(Removal(checkpoints, size_of(checkpoints), "checkpoints of a finished training"))
    return found


def remove(found: Sequence[Removal]) -> None:
    """Delete the folders, each first under another name, so that none is left half there."""
    for one in found:
        aside = one.path.with_name(f"{PARTIAL}{os.getpid()}-{one.path.name}")
        os.replace(one.path, aside)
        shutil.rmtree(aside)


def users_of(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Those of `runs` that were made from `run`."""
    return [other for other in runs if any(entry["id"] == run.id for entry in other.manifest["inputs"])]


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def _config(run: Run) -> dict[str, Any]:
    container: Any = OmegaConf.to_container(run.config)
    return {key: value for key, value in _flat(container) if key not in WHERE}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _made(run: Run) -> dict[str, Any]:
    inputs = {f"input {entry['stage']}": entry["content_hash"][:12] for entry in run.manifest["inputs"]}
    return inputs | {"data": run.data_fingerprint} | dict(run.manifest["versions"]) | dict(run.manifest["hardware"])


def _numbers(run: Run) -> dict[str, Any]:
    return flatten(run.metrics) if (run.path / "metrics.json").is_file() else {}


def _different(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Key -> both values, where these differ."""
    keys = dict.fromkeys([*first, *second])
    return {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}
