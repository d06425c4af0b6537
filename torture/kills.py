"""SIGKILL at random moments of every kind of run, and at every step of a checkpoint's replacement; then a resume.

Each kill is followed by what a user would type: `--resume latest` where the run had begun, else the same command again.
The numbers must be those of the run that nobody killed, and no status may be untrue at any time.
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from recbench.runs.files import ASIDE, WHOLE
from torture.commands import Outcome, command, preload
from torture.results import Row

KILLS, SWAPS = 60, 20
MARKET = ["data=bazaar", "data.options.size=tiny", "threads=1"]
POLICY = ["policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=8"]
SFT = ["algo.epochs=12", "algo.evaluate_every=3", "algo.batch_size=16"]
RL = ["algo.steps=9", "algo.evaluate_every=3", "algo.batch_size=16", "algo.group_size=8", "sft.epochs=4"]
CAPTIONER = ["image_size=16", "patch_size=8", "vision_layers=1", "language_layers=1", "width=32", "heads=2"]
CAPTIONER += ["epochs=8", "training_batch=16", "least_steps=0", "checkpoint_steps=3", "max_tokens=8", "shard_size=8"]
CAPTIONS = [f"captioner.{setting}" for setting in CAPTIONER]
CLICKS = ["ctr.embedding_size=4", "ctr.hidden=[8]", "ctr.batch_size=256", "ctr.epochs=3", "latency_repeats=0"]


class Kind(NamedTuple):
    """A command, and the files of its run that must be the same whether it was killed or not."""

    arguments: list[str]
    files: tuple[str, ...] = ("metrics.json",)
    resumes: bool = True  # by --resume; else by the same command

    @property
    def stage(self) -> str:
        """The command's name, and that of its runs."""
        return self.arguments[0]


POLICY_FILES = ("metrics.json", "policy/model.safetensors")
KINDS = {
    "train, SFT": Kind(["train", "--algo=sft", *MARKET, *POLICY, *SFT], POLICY_FILES),
    "train, GRPO after its SFT": Kind(["train", "--neg=beam", *MARKET, *POLICY, *RL], POLICY_FILES),
    "caption": Kind(["caption", *MARKET, *CAPTIONS]),
    "ctr after captions": Kind(["ctr", *MARKET, *CAPTIONS, *CLICKS, "--seeds", "0,1"]),
    "bench": Kind(
        ["bench", *MARKET, *POLICY, *RL, "eval.bootstrap=50", "--seeds", "0", "--arms", "sft,grpo_beam"], resumes=False
    ),
}


def run(scratch: Path, seed: int) -> list[Row]:
    """All kills, as many at a time as there are processors; a row a kind."""
    preload()
    rows = {name: Row(f"kill: {name}") for name in [*KINDS, "checkpoint swap"]}
    context = multiprocessing.get_context("fork")
    with context.Pool(os.cpu_count()) as pool:
        whole = dict(zip(KINDS, pool.starmap(_unbroken, [(scratch, name) for name in KINDS], chunksize=1), strict=True))
        calls = pool.apply(_count_calls, (scratch,))
        generator = random.Random(seed)
        jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        for number in range(KILLS):
            name = list(KINDS)[number % len(KINDS)]
            moment = generator.uniform(0.02, 1.0) * whole[name][1]
            jobs.append((_killed_at, (scratch / f"kill-{number}", name, moment, whole[name][0])))
        for number in range(SWAPS):
            call = 1 + number * (calls - 1) // (SWAPS - 1)
            jobs.append((_killed_in_swap, (scratch / f"swap-{number}", call, whole["train, SFT"][0])))
        for name, outcome, example in pool.imap_unordered(_job, jobs):
            rows[name].add(outcome, example)
    return list(rows.values())


def _job(job: tuple[Callable[..., Any], tuple[Any, ...]]) -> tuple[str, str, str]:
    function, arguments = job
    result: tuple[str, str, str] = function(*arguments)
    return result


def _unbroken(scratch: Path, name: str) -> tuple[dict[str, bytes], float]:
    """What the command makes when nobody kills it, and its seconds."""
    folder = scratch / f"whole {name}"
    outcome = command(KINDS[name].arguments, folder)
    if outcome.code:
        raise RuntimeError(f"{name} fails without a kill: {outcome.err}")
    made = _made(folder, KINDS[name])
    assert made is not None
    shutil.rmtree(folder)
    return made, outcome.seconds


def _killed_at(folder: Path, name: str, moment: float, whole: dict[str, bytes]) -> tuple[str, str, str]:
    killed = command(KINDS[name].arguments, folder, kill_after=moment)
    return (name, *_go_on(folder, KINDS[name], killed, whole, f"killed after {moment:.2f} s"))


def _killed_in_swap(folder: Path, call: int, whole: dict[str, bytes]) -> tuple[str, str, str]:
    kind = KINDS["train, SFT"]
    killed = command(kind.arguments, folder, before=lambda: _watch_checkpoints(call))
    if gone := _lost_checkpoints(folder):
        return "checkpoint swap", "lost", f"killed at call {call}: {gone} was whole before"
    return ("checkpoint swap", *_go_on(folder, kind, killed, whole, f"killed at call {call}"))


def _go_on(folder: Path, kind: Kind, killed: Outcome, whole: dict[str, bytes], how: str) -> tuple[str, str]:
    """Check the statuses, go on as a user would, and compare: the outcome, and what was wrong."""
    if killed.code not in (0, -signal.SIGKILL) or killed.has_traceback:
        return ("tracebacks" if killed.has_traceback else "lost"), f"{how}: status {killed.code}: {killed.err[-300:]}"
    if wrong := _untrue(folder):
        return "lost", f"{how}: {wrong}"
    if killed.code != 0:
        begun = _asked_for(folder, kind.stage, "interrupted") if kind.resumes else None
        again = command([kind.stage, "--resume", "latest"] if begun else kind.arguments, folder)
        if again.has_traceback:
            return "tracebacks", f"{how}: {again.err[-300:]}"
        if again.code:
            return "lost", f"{how}: it does not go on: {again.err[-300:]}"
    if wrong := _untrue(folder):
        return "lost", f"{how}, after going on: {wrong}"
    made = _made(folder, kind)
    if made is None:
        return "lost", f"{how}: no finished run"
    if different := [name for name, content in whole.items() if made[name] != content]:
        return "lost", f"{how}: {', '.join(different)} differ from the unbroken run's"
    shutil.rmtree(folder)
    return "handled", ""


def _untrue(folder: Path) -> str:
    """A run whose status is not true: running though its process is gone, done without its files, or unreadable."""
    from recbench.runs import find_runs

    found = find_runs(folder / "runs")
    folders = [path for path in (folder / "runs").glob("*/*/*") if path.is_dir() and not path.name.startswith(".")]
    if len(found) != len(folders):
        return f"{len(folders)} run folders, {len(found)} of them readable"
    for run in found:
        if run.status not in ("done", "interrupted"):
            return f"{run.stage} run is {run.status}"
        missing = [name for name in run.manifest.get("artifacts", []) if not (run.path / name).is_file()]
        if run.status == "done" and (missing or not (run.path / "metrics.json").is_file()):
            return f"{run.stage} run is done without {missing or 'metrics.json'}"
    return ""


def _asked_for(folder: Path, stage: str, status: str) -> Any:
    from recbench.runs import find_runs

    fitting = [run for run in find_runs(folder / "runs", stage) if run.status == status and run.made_for is None]
    return fitting[-1] if fitting else None


def _made(folder: Path, kind: Kind) -> dict[str, bytes] | None:
    """The content of the files that must not differ, of the run that was asked for."""
    run = _asked_for(folder, kind.stage, "done")
    return None if run is None else {name: (run.path / name).read_bytes() for name in kind.files}


# ---- kills inside the replacement of a checkpoint


CHECKPOINTS = "runs/train/*/*/checkpoints"
SEEN = "seen.json"  # the files of each checkpoint that was whole before the kill


def _watch_checkpoints(kill_at: int, count_to: Path | None = None) -> None:
    """Kill this process at the n-th call that renames or removes something of a checkpoint; or count such calls."""
    calls, inside = [0], [False]
    seen: dict[str, list[str]] = {}

    def tick() -> None:
        calls[0] += 1
        if count_to is not None:
            count_to.write_text(str(calls[0]))
        for folder in Path().glob(f"{CHECKPOINTS}/*"):
            if not folder.name.startswith("."):
                seen.setdefault(folder.name, sorted(os.listdir(folder)))
        if calls[0] == kill_at:
            Path(SEEN).write_text(json.dumps(seen))
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **keys: Any) -> Any:
            if inside[0] or "checkpoints" in str(path):
                tick()
            return real(path, *arguments, **keys)

        return call

    def removing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **keys: Any) -> Any:
            inside[0] = "checkpoints" in str(path)
            try:
                return real(path, *arguments, **keys)
            finally:
                inside[0] = False

        return call

    shutil.rmtree = removing(shutil.rmtree)  # type: ignore[assignment]
    for name in ("rename", "replace", "unlink", "rmdir"):
        setattr(os, name, watched(getattr(os, name)))


def _lost_checkpoints(folder: Path) -> str:
    """The checkpoint that was whole before the kill and is nowhere whole now, neither old nor new."""
    file = folder / SEEN
    for name, files in json.loads(file.read_text()).items() if file.is_file() else ():
        places = [place for prefix in ("", WHOLE, ASIDE) for place in folder.glob(f"{CHECKPOINTS}/{prefix}{name}")]
        if not any(set(files) <= set(os.listdir(place)) for place in places):
            return str(name)
    return ""


def _count_calls(scratch: Path) -> int:
    file = scratch / "calls.txt"
    outcome = command(
        KINDS["train, SFT"].arguments, scratch / "count", before=lambda: _watch_checkpoints(-1, count_to=file)
    )
    if outcome.code:
        raise RuntimeError(outcome.err)
    return int(file.read_text())
