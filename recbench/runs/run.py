"""One run folder: what it says of itself, and what a stage and the dispatcher write to it."""

import errno
import hashlib
import logging
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Unpack, cast

from omegaconf import DictConfig, OmegaConf

from recbench.console.visible import LogFormatter, for_people
from recbench.errors import StorageError, UserError
from recbench.redaction import redacted
from recbench.runs.files import (
    PARTIAL,
    json_text,
    overwrite_json,
    settle_all,
    storage_errors,
    write_json,
)
from recbench.runs.integrity import FILES, artifacts, hash_files, require_intact, written
from recbench.runs.locks import is_locked, lock
from recbench.runs.machine import library_versions, peak_memory_mb, processor
from recbench.runs.manifest import InputRun, Manifest, NamedRun, Recorded
from recbench.runs.order import STEP, end_of, now
from recbench.runs.reading import NAME, DamagedRunError, read_config, read_manifest, read_metrics, read_overrides

if TYPE_CHECKING:
    from recbench.console.progress import Progress


class Run:
    """One run folder, new or old: `runs/<stage>/<data name>/<time>-<hash>/`.

    A stage receives a running one and calls `use`, `note`, `record`, `progress` and `write_json`; anyone may open an
    old one by `Run(path)` and read `config`, `manifest` and `metrics`. A folder that does not say what a run's says
    raises DamagedRunError, a UserError, wherever it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.log = logging.Logger(f"recbench.{self.path.name}")  # outside logging's registry: it ends with the run
        self.log.addHandler(logging.NullHandler())
        self.manifest: Manifest = read_manifest(self.path)
        self._started = time.monotonic()
        self._log_file: IO[str] | None = None  # open and locked while the run is alive

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
        return "interrupted" if status == "running" and not is_locked(self.path / "log.txt") else status

    @property
    def made_for(self) -> NamedRun | None:
        """Stage, data and id of the run that needed this one as an input and had it made; None if a user asked."""
        return self.manifest.get("made_for")

    @property
    def data_fingerprint(self) -> str | None:
        """The content fingerprint of its data, once its stage has recorded it."""
        return self.manifest.get("data_fingerprint")

    @property
    def config(self) -> DictConfig:
        """The config that it ran with, as config.yaml has it."""
        return OmegaConf.create(read_config(self.path))

    @property
    def values(self) -> dict[str, Any]:
        """The config as plain values, interpolations resolved."""
        config = read_config(self.path)
        return (
            cast(dict[str, Any], OmegaConf.to_container(self.config, resolve=True)) if "${" in str(config) else config
        )

    @property
    def overrides(self) -> list[str]:
        """The overrides that it was asked for, as they were written: interpolations stay as they are."""
        return read_overrides(self.path)

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json has; null stands for an undefined number."""
        return read_metrics(self.path)

    @property
    def report(self) -> Path:
        """Its report as a page of its own, report.html; there once the run has ended."""
        return self.path / "report.html"

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        yield "stage", self.stage
        yield "data", self.data_name
        yield "id", self.id
        yield "status", self.status

    # what a stage calls

    def write_json(self, name: str, value: Any) -> None:
        """Write `value` to the file `name` of the run: sorted keys, NaN as null, whole or not at all."""
        write_json(self.path / name, value)

    def record(self, **values: Unpack[Recorded]) -> None:
        """Keep values in manifest.json, such as `data_fingerprint=...`, `device=...` or rates.

        Raises:
            StorageError: the folder has been deleted, or the disk refuses.
        """
        self._require_folder()
        self.manifest.update(values)  # type: ignore[typeddict-item]
        write_json(self.path / "manifest.json", self.manifest)

    def note(self, text: str) -> None:
        """Tell the user something: on standard error, in log.txt and in manifest.json's `notes`."""
        from recbench.console.progress import say

        text = for_people(text)
        say(f"note: {text}")
        self.log.info("note: %s", text)
        self.record(notes=[*self.manifest["notes"], text])

    def use(self, other: "Run") -> None:
        """Record `other` as an input of this run, by its id and the hash of its content.

        Raises:
            UserError: it is done, and its files are not those that it wrote.
        """
        if other.manifest["status"] == "done":
            other.require_intact()
        entry: InputRun = {
            "stage": other.stage,
            "data": other.data_name,
            "id": other.id,
            "content_hash": other.content_hash(),
        }
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
        from recbench.console.progress import Progress

        return Progress(description, total, self.log)

    def artifacts(self) -> list[str]:
        """The files that the stage made, as paths relative to the run folder, sorted; logs and reports are none."""
        return artifacts(self.path)

    def content_hash(self) -> str:
        """SHA-256 in hex over metrics.json and the artifacts: equal for runs that made the same things."""
        if "content_hash" in self.manifest:
            return str(self.manifest["content_hash"])
        return hash_files(self.path, ["metrics.json", *self.manifest.get("artifacts", self.artifacts())], ())[0]

    def require_intact(self) -> None:
        """Raise a UserError that names a file which is not as the run wrote it: changed, deleted or added."""
        require_intact(self.path, self.manifest)

    # what the dispatcher calls

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Log to log.txt inside the block; at its end the run is no longer alive."""
        self._hold()
        assert self._log_file is not None
        handler = _LogHandler(self._log_file)
        handler.setFormatter(LogFormatter())
        self.log.addHandler(handler)
        try:
            yield
        finally:
            self.log.removeHandler(handler)
            with suppress(OSError):  # a full disk: what the run has to say of that, it has said elsewhere
                self._log_file.close()
            self._log_file = None

    def finish(self, status: str, metrics: dict[str, Any] | None = None, error: str | None = None) -> None:
        """Write metrics.json and close the manifest: status, artifacts, time, peak memory."""
        self._require_folder()
        if metrics is not None:
            self.write_json("metrics.json", metrics)
        self.manifest["artifacts"] = self.artifacts()
        self.manifest.pop("content_hash", None)
        if status == "done":
            self.manifest["content_hash"] = self._write_files()
        seconds = self.manifest.get("seconds", 0.0) + time.monotonic() - self._started  # a resumed run adds up
        finished = now()
        last = self._last_end()
        values: Recorded = {
            "status": status,
            "finished": finished.isoformat(timespec="microseconds"),
            **({"order": (last + STEP).isoformat(timespec="microseconds")} if last >= finished else {}),
            "seconds": round(seconds, 3),
            "peak_memory_mb": peak_memory_mb(),
            **({"error": for_people(error)} if error else {}),
        }
        try:
            self.record(**values)
        except StorageError:
            if status == "done":
                raise
            # A disk without room for another manifest has that of this one, for what matters most.
            left_out: dict[str, Any] = {"artifacts": []}
            for key, short in (("versions", {}), ("hardware", {}), ("error", "the disk is full"), ("notes", [])):
                left_out[key] = short
                with suppress(OSError):
                    overwrite_json(self.path / "manifest.json", {**self.manifest, **left_out})
                    return

    def reopen(self) -> None:
        """Make an interrupted or failed run a running one again, and settle what a kill left half written.

        Raises:
            UserError: another process has taken it up before us.
        """
        self._hold()
        settle_all(self.path)
        self.manifest.pop("error", None)
        self.manifest.pop("finished", None)
        self.manifest.pop("order", None)
        self._started = time.monotonic()
        reopened = now().isoformat(timespec="microseconds")
        self.record(status="running", resumed=self.manifest.get("resumed", 0) + 1, reopened=reopened)

    def exists(self) -> bool:
        """Whether its folder is still there."""
        return (self.path / "manifest.json").is_file()

    @property
    def gone(self) -> str:
        """What to say where it is not."""
        return f"{self.path} is gone: the run's folder was deleted or moved while it ran"

    def _require_folder(self) -> None:
        if not self.exists():  # else writing to it would make a folder without config
            raise StorageError(self.gone)

    def _write_files(self) -> str:
        """Write files.json, by which `require_intact` tells whether anything has changed; returns the content hash."""
        content = ["metrics.json", *self.manifest["artifacts"]]
        others = ["config.yaml", "overrides.yaml", *(name for name in written(self.path) if name not in content)]
        content_hash, entries = hash_files(self.path, content, others)
        write_json(self.path / FILES, entries)
        return content_hash

    def _hold(self) -> None:
        """Open and lock log.txt, which tells a live run from a killed one, and two processes from one."""
        if self._log_file is not None:
            return
        with storage_errors(self.path / "log.txt"):
            stream = (self.path / "log.txt").open("a", encoding="utf-8")
        if not lock(stream):
            stream.close()
            raise UserError(f"{self.stage} run {self.id} is still running: wait for it, or stop it first")
        self._log_file = stream

    def _last_end(self) -> datetime:
        """When the last of the other runs beside this one ended, by what their manifests say."""
        last = end_of({}, "")
        for file in self.root.glob("*/*/*/manifest.json"):
            with suppress(DamagedRunError):
                manifest = read_manifest(file.parent)
                if file.parent.name != self.id and "finished" in manifest:
                    last = max(last, end_of(manifest, file.parent.name))
        return last


class _LogHandler(logging.StreamHandler[IO[str]]):
    """A line that cannot be written, on a full disk say, is left out: the run itself says what is wrong."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


def create_run(stage: str, config: DictConfig, overrides: Sequence[str] = (), made_for: Run | None = None) -> Run:
    """Make `<config.runs>/<stage>/<config.data.name>/<time>-<hash>/` with config, overrides and a running manifest.

    The folder appears with all of them in it, alive. `made_for` is the run that needs this one as an input.

    Raises:
        UserError: the data's name or the runs folder cannot be one.
        StorageError: the disk refuses.
    """
    name = str(config.data.name)
    if not NAME.fullmatch(name):
        raise UserError(f"data.name={name!r} cannot name a folder: use letters, digits, '.', '_' and '-'")
    text = redacted(OmegaConf.to_yaml(config))
    folder = Path(config.runs) / stage / name
    _make_folder(folder)
    started = datetime.now()
    manifest: Manifest = {
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
    partial = folder / f"{PARTIAL}{os.getpid()}-{started:%Y%m%d-%H%M%S-%f}"
    try:
        with storage_errors(folder, partial):
            partial.mkdir()
            (partial / "config.yaml").write_text(text, encoding="utf-8")
            asked = redacted(OmegaConf.to_yaml(OmegaConf.create(list(overrides))))
            (partial / "overrides.yaml").write_text(asked, encoding="utf-8")
            (partial / "manifest.json").write_text(json_text(manifest), encoding="utf-8")
            log_file = (partial / "log.txt").open("a", encoding="utf-8")
            lock(log_file)
            path = _take_place(partial, folder, hashlib.sha256(text.encode()).hexdigest()[:6])
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    run = Run(path)
    run._log_file = log_file
    return run


def _take_place(partial: Path, folder: Path, config_hash: str) -> Path:
    """Rename a run's folder to an id of this moment that nobody has."""
    while True:
        path = folder / f"{datetime.now():%Y%m%d-%H%M%S-%f}-{config_hash}"
        try:
            os.rename(partial, path)  # fails where the other has files, as every run has
            return path
        except OSError as problem:  # two jobs in one microsecond
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UserError(
            f"runs={folder} cannot be made: {problem.strerror}; give another folder with runs=FOLDER"
        ) from problem
