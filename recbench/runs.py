"""Run folders: create, finish, find and resolve them; files appear in them whole or not at all."""

import hashlib
import json
import logging
import math
import os
import platform
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError

if TYPE_CHECKING:
    from recbench.reporting.progress import Progress

# Written by the machinery, or for people only: everything else in a run folder is an artifact.
NOT_ARTIFACTS = {"config.yaml", "overrides.yaml", "manifest.json", "metrics.json", "log.txt", "report.md"}
PACKAGES = (
    "numpy",
    "torch",
    "transformers",
    "datasets",
    "pyarrow",
    "pandas",
    "scikit-learn",
    "hydra-core",
    "omegaconf",
)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder), renamed to `path` when the block ends well.

    When the block raises, what it wrote is removed and `path` is as it was. The suffix is kept, because writers
    choose formats by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        if path.is_dir():  # a folder cannot be renamed onto a folder that has files
            shutil.rmtree(path)
        os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy scalars and arrays become numbers and lists, NaN and infinities null."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy, without importing it
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def write_json(path: Path, value: Any) -> None:
    """Write `value` with sorted keys, so that equal values give equal bytes; NaN becomes null."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(plain(value), sort_keys=True, indent=2, allow_nan=False) + "\n", encoding="utf-8")


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
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
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
        self.record(
            status=status,
            finished=datetime.now().isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            peak_memory_mb=_peak_memory_mb(),
            **({"error": error} if error else {}),
        )

    def reopen(self) -> None:
        """Make an interrupted or failed run a running one again, and clear what a kill left half written."""
        for partial in self.path.rglob(".partial-*"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        self.manifest.pop("error", None)
        self._started = time.monotonic()
        self.record(status="running", resumed=self.manifest.get("resumed", 0) + 1)


def create_run(stage: str, config: DictConfig, overrides: Sequence[str] = ()) -> Run:
    """Make `<config.runs>/<stage>/<config.data.name>/<time>-<hash>/` with config, overrides and a running manifest."""
    name = str(config.data.name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UserError(f"data.name={name!r} cannot name a folder: use letters, digits, '.', '_' and '-'")
    text = OmegaConf.to_yaml(config)
    folder = Path(config.runs) / stage / name
    _make_folder(folder)
    while True:
        now = datetime.now()
        path = folder / f"{now:%Y%m%d-%H%M%S-%f}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        try:
            path.mkdir()
            break
        except FileExistsError:  # two jobs in one microsecond
            continue
    (path / "config.yaml").write_text(text, encoding="utf-8")
    (path / "overrides.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(list(overrides))), encoding="utf-8")
    manifest = {
        "status": "running",
        "stage": stage,
        "data": name,
        "seed": int(config.seed),
        "inputs": [],
        "notes": [],
        "versions": library_versions(),
        "hardware": {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()},
        "started": now.isoformat(timespec="seconds"),
    }
    write_json(path / "manifest.json", manifest)
    return Run(path)


def find_runs(root: Path | str, stage: str | None = None, data: str | None = None) -> list[Run]:
    """Every run under `root`, oldest first, of one stage and data set if given; none if there is no such folder."""
    paths = Path(root).glob(f"{stage or '*'}/{data or '*'}/*/manifest.json")
    return [Run(path.parent) for path in sorted(paths, key=lambda path: (path.parent.name, path.parent.as_posix()))]


def newest(
    root: Path | str, stage: str, match: Callable[[Run], bool], data: str | None = None, status: str = "done"
) -> Run | None:
    """The newest run of `stage` that has this status and for which `match` holds, or None."""
    return next((run for run in reversed(find_runs(root, stage, data)) if run.status == status and match(run)), None)


def resolve_run(
    root: Path | str, text: str, stage: str | None = None, statuses: Sequence[str] = ("done",), data: str | None = None
) -> Run:
    """The run that a user named: a path, a unique prefix of an id, or `latest`.

    `latest` is the newest of `stage`, on data set `data`, whose status is in `statuses`; a path or a prefix may have
    any status. Raises UserError when there is none, when a prefix fits several, or when the run is of another stage.
    """
    kind = f"{stage} run" if stage else "run"
    if text == "latest":
        newest = next((run for run in reversed(find_runs(root, stage, data)) if run.status in statuses), None)
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


def library_versions() -> dict[str, str]:
    """Version of recbench, Python and each library that numbers depend on, as a manifest has them."""
    from recbench import __version__

    versions = {"recbench": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
