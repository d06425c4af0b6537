"""One run folder: what it says of itself, and what a stage and the dispatcher write to it."""

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError
from recbench.redaction import redacted
from recbench.reporting.visible import LogFormatter, for_people
from recbench.runs.files import write_json
from recbench.runs.machine import library_versions, peak_memory_mb, processor
from recbench.runs.order import STEP, end_of, now

if TYPE_CHECKING:
    from recbench.reporting.progress import Progress

# Written by the machinery, or for people only: everything else in a run folder is an artifact.
NOT_ARTIFACTS = {"config.yaml", "overrides.yaml", "manifest.json", "metrics.json", "log.txt", "report.md"}


class Run:
    """One run folder, new or old: `runs/<stage>/<data name>/<time>-<hash>/`.

    A stage receives a running one and calls `use`, `note`, `record`, `progress` and `write_json`; anyone may open an
    old one by `Run(path)` and read `config`, `manifest` and `metrics`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.log = logging.Logger(f"recbench.{self.path.name}")  # outside logging's registry: it ends with the run
        self.log.addHandler(logging.NullHandler())
        self.manifest: dict[str, Any] = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        self._started = time.monotonic()

    @property
    def id(self) -> str:
        """The folder's name: time with microseconds, then six hexadecimal digits of the config's hash."""
        return self.path.name

    @property
    def root(self) -> Path:
        """The folder that holds the runs of every stage."""
        return self.path.parent.parent.parent

    @property
    def stage(self) -> str:
        """The command that made it: data, train, eval ..."""
        return str(self.manifest["stage"])

    @property
    def data_name(self) -> str:
        """The name of its data set."""
        return str(self.manifest["data"])

    @property
    def status(self) -> str:
        """running, done, failed or interrupted; a running one whose process is gone counts as interrupted."""
        status = str(self.manifest["status"])
        return "interrupted" if status == "running" and not _is_locked(self.path / "log.txt") else status

    @property
    def made_for(self) -> dict[str, str] | None:
        """Stage, data and id of the run that needed this one as an input and had it made; None if a user asked."""
        return self.manifest.get("made_for")

    @property
    def data_fingerprint(self) -> str | None:
        """The content fingerprint of its data, once its stage has recorded it."""
        return self.manifest.get("data_fingerprint")

    @property
    def config(self) -> DictConfig:
        """The config that it ran with, as config.yaml has it."""
        return cast(DictConfig, OmegaConf.load(self.path / "config.yaml"))

    @property
    def overrides(self) -> list[str]:
        """The overrides that it was asked for, as they were written: interpolations stay as they are."""
        written = OmegaConf.load(self.path / "overrides.yaml")
        return [str(override) for override in cast(list[str], OmegaConf.to_container(written, resolve=False))]

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json has; null stands for an undefined number."""
        return cast(dict[str, Any], json.loads((self.path / "metrics.json").read_text(encoding="utf-8")))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # what a stage calls

    def write_json(self, name: str, value: Any) -> None:
        """Write `value` to the file `name` of the run: sorted keys, NaN as null, whole or not at all."""
        write_json(self.path / name, value)

    def record(self, **values: Any) -> None:
        """Keep values in manifest.json, such as `data_fingerprint=...`, `device=...` or rates."""
        self.manifest.update(values)
        write_json(self.path / "manifest.json", self.manifest)

    def note(self, text: str) -> None:
        """Tell the user something: on standard error, in log.txt and in manifest.json's `notes`."""
        from recbench.reporting.progress import say

        text = for_people(text)
        say(f"note: {text}")
        self.log.info("note: %s", text)
        self.record(notes=[*self.manifest["notes"], text])

    def use(self, other: "Run") -> None:
        """Record `other` as an input of this run, by its id and the hash of its content."""
        entry = {"stage": other.stage, "data": other.data_name, "id": other.id, "content_hash": other.content_hash()}
        if entry not in self.manifest["inputs"]:
            self.record(inputs=[*self.manifest["inputs"], entry])
        self.log.info("input: %s run %s", other.stage, other.id)

    def input_run(self, stage: str) -> "Run | None":
        """The run of `stage` that this one recorded as an input, or None when there is none or it has been deleted."""
        for entry in reversed(self.manifest["inputs"]):
            path = self.root / entry["stage"] / entry["data"] / entry["id"]
            if entry["stage"] == stage and (path / "manifest.json").is_file():
                return Run(path)
        return None

    def progress(self, description: str, total: float) -> "Progress":
        """A progress bar on standard error: `with run.progress("train", 150) as bar: bar.advance(1, loss=0.3)`."""
        from recbench.reporting.progress import Progress

        return Progress(description, total, self.log)

    def artifacts(self) -> list[str]:
        """The files that the stage made, as paths relative to the run folder, sorted; logs and reports are none."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        names = (path.relative_to(self.path).as_posix() for path in files)
        return sorted(
            name
            for name in names
            if name not in NOT_ARTIFACTS
            and not name.startswith("events/")
            and not Path(name).name.startswith(".partial-")
            and not name.endswith((".png", ".html"))
        )

    def content_hash(self) -> str:
        """SHA-256 in hex over metrics.json and the artifacts: equal for runs that made the same things."""
        if "content_hash" in self.manifest:
            return str(self.manifest["content_hash"])
        digest = hashlib.sha256()
        for name in ["metrics.json", *self.manifest.get("artifacts", self.artifacts())]:
            file = self.path / name
            digest.update(f"{name}\0".encode())
            if file.is_file():
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
        return digest.hexdigest()

    # what the dispatcher calls

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Log to log.txt inside the block; the open file is locked, which tells a live run from a killed one."""
        handler = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
        handler.setFormatter(LogFormatter())
        self.log.addHandler(handler)
        _lock(handler.stream)
        try:
            yield
        finally:
            self.log.removeHandler(handler)
            handler.close()

    def finish(self, status: str, metrics: dict[str, Any] | None = None, error: str | None = None) -> None:
        """Write metrics.json and close the manifest: status, artifacts, time, peak memory."""
        if metrics is not None:
            self.write_json("metrics.json", metrics)
        self.manifest["artifacts"] = self.artifacts()
        if status == "done":
            self.manifest["content_hash"] = self.content_hash()
        seconds = self.manifest.get("seconds", 0.0) + time.monotonic() - self._started  # a resumed run adds up
        finished = now()
        last = self._last_end()
        self.record(
            status=status,
            finished=finished.isoformat(timespec="microseconds"),
            **({"order": (last + STEP).isoformat(timespec="microseconds")} if last >= finished else {}),
            seconds=round(seconds, 3),
            peak_memory_mb=peak_memory_mb(),
            **({"error": for_people(error)} if error else {}),
        )

    def reopen(self) -> None:
        """Make an interrupted or failed run a running one again, and clear what a kill left half written."""
        for partial in self.path.rglob(".partial-*"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        for key in ("error", "finished", "order"):
            self.manifest.pop(key, None)
        self._started = time.monotonic()
        reopened = now().isoformat(timespec="microseconds")
        self.record(status="running", resumed=self.manifest.get("resumed", 0) + 1, reopened=reopened)

    def _last_end(self) -> datetime:
        """When the last of the other runs beside this one ended, by what their manifests say."""
        last = end_of({}, "")
        for file in self.root.glob("*/*/*/manifest.json"):
            with suppress(OSError, ValueError):
                manifest = json.loads(file.read_bytes())
                if file.parent.name != self.id and isinstance(manifest, dict) and "finished" in manifest:
                    last = max(last, end_of(manifest, file.parent.name))
        return last


def create_run(stage: str, config: DictConfig, overrides: Sequence[str] = (), made_for: Run | None = None) -> Run:
    """Make `<config.runs>/<stage>/<config.data.name>/<time>-<hash>/` with config, overrides and a running manifest.

    `made_for` is the run that needs this one as an input.
    """
    name = str(config.data.name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UserError(f"data.name={name!r} cannot name a folder: use letters, digits, '.', '_' and '-'")
    text = redacted(OmegaConf.to_yaml(config))
    folder = Path(config.runs) / stage / name
    _make_folder(folder)
    while True:
        started = datetime.now()
        path = folder / f"{started:%Y%m%d-%H%M%S-%f}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        try:
            path.mkdir()
            break
        except FileExistsError:  # two jobs in one microsecond
            continue
    (path / "config.yaml").write_text(text, encoding="utf-8")
    asked = redacted(OmegaConf.to_yaml(OmegaConf.create(list(overrides))))
    (path / "overrides.yaml").write_text(asked, encoding="utf-8")
    manifest = {
        "status": "running",
        "stage": stage,
        "data": name,
        "seed": int(config.seed),
        "inputs": [],
        "notes": [],
        "versions": library_versions(),
        "hardware": {"machine": platform.machine(), "processor": processor(), "cores": os.cpu_count()},
        "started": started.isoformat(timespec="seconds"),
    }
    if made_for is not None:
        manifest["made_for"] = {"stage": made_for.stage, "data": made_for.data_name, "id": made_for.id}
    write_json(path / "manifest.json", manifest)
    return Run(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UserError(
            f"runs={folder} cannot be made: {problem.strerror}; give another folder with runs=FOLDER"
        ) from problem


def _lock(stream: Any) -> None:
    """Lock an open file until it is closed or its process ends; nothing where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return
    with suppress(OSError):  # some network file systems have no locks: runs there cannot be told live from killed
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_locked(file: Path) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
