"""What a run folder says, read so that no file in it, however damaged, does more than raise a `DamagedRunError`."""

import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import yaml

from recbench.errors import UserError
from recbench.runs.manifest import Manifest
from recbench.strict_json import kind_of, parse

STATUSES = ("running", "done", "failed", "interrupted")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LARGEST = {"manifest.json": 1 << 26, "metrics.json": 1 << 28, "files.json": 1 << 28}  # bytes: far more than any has
LARGEST_YAML = 1 << 20
DEEPEST = 40  # levels of a YAML file; configs have five
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DamagedRunError(UserError):
    """A run folder whose files do not say what a run's files say. `reason` is the message without the run."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"run {folder.name} cannot be read: {reason} ({folder})")
        self.folder, self.reason = folder, reason


@contextmanager
def about(folder: Path, name: str) -> Iterator[None]:
    """Turn a ValueError inside the block into a DamagedRunError about the file `name` of a run folder."""
    try:
        yield
    except (ValueError, RecursionError) as problem:
        raise DamagedRunError(folder, f"{name} {problem}") from problem


def read_manifest(folder: Path) -> Manifest:
    """manifest.json of a run folder, every value of the type that it should have."""
    with about(folder, "manifest.json"):
        manifest = _object(folder / "manifest.json")
        for key, (fits, what) in {**_REQUIRED, **_OPTIONAL}.items():
            if key not in manifest:
                if key in _REQUIRED:
                    raise ValueError(f"has no {key}")
            elif not fits(manifest[key]):
                raise ValueError(f"has {key}={_short(manifest[key])}: expected {what}")
        return cast(Manifest, manifest)


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json of a run folder."""
    with about(folder, "metrics.json"):
        return _object(folder / "metrics.json")


def read_config(folder: Path) -> dict[str, Any]:
    """config.yaml of a run folder as plain values, interpolations as they are written."""
    with about(folder, "config.yaml"):
        config = _yaml(folder / "config.yaml")
        if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
            raise ValueError(f"holds {_yaml_kind(config)}, expected keys and values")
        if not isinstance(config.get("data"), dict) or not _is_name(config["data"].get("name")):
            raise ValueError("has no data.name")
        return config


def check_config(folder: Path) -> None:
    """Raise where config.yaml is damaged, in far less time than reading it takes: for lists of runs.

    It is looked at only where it is not as the run wrote it, by size and time.
    """
    entry = (read_files(folder) or {}).get("config.yaml")
    with suppress(OSError):
        found = os.stat(folder / "config.yaml")
        if entry is not None and (found.st_size, found.st_mtime_ns) == entry[:2]:
            return
    with about(folder, "config.yaml"):
        _check_yaml(_content(folder / "config.yaml", LARGEST_YAML), yaml.MappingStartEvent)


def read_overrides(folder: Path) -> list[str]:
    """overrides.yaml of a run folder."""
    with about(folder, "overrides.yaml"):
        overrides = _yaml(folder / "overrides.yaml")
        if not isinstance(overrides, list) or not all(isinstance(one, str | int | float | None) for one in overrides):
            raise ValueError(f"holds {_yaml_kind(overrides)}, expected a list of overrides")
        return [str(one) for one in overrides]


def read_files(folder: Path) -> dict[str, tuple[int, int, str]] | None:
    """files.json of a run folder: size, time of the last change (ns) and SHA-256 of each file; None in older runs."""
    if not (folder / "files.json").exists():
        return None
    with about(folder, "files.json"):
        entries = _object(folder / "files.json")
        for name, entry in entries.items():
            good = isinstance(entry, list) and len(entry) == 3
            if not (good and _is_inside(name) and _is_whole(entry[0]) and _is_whole(entry[1]) and _is_text(entry[2])):
                raise ValueError(f"has {name[:60]!r}={_short(entry)}: expected a size, a time and a hash")
        return {name: (entry[0], entry[1], entry[2]) for name, entry in entries.items()}


# ---- files


def _content(file: Path, most: int) -> bytes:
    """The bytes of an ordinary file that has some and not too many; ValueError says what is wrong with it."""
    try:
        found = os.stat(file)
        if stat.S_ISDIR(found.st_mode):
            raise ValueError("is a folder")
        if not stat.S_ISREG(found.st_mode):  # a pipe would wait for a writer
            raise ValueError("is no ordinary file")
        if found.st_size == 0:
            raise ValueError("is empty")
        if found.st_size > most:
            raise ValueError(f"has {found.st_size:,} bytes, more than any that recbench writes")
        return file.read_bytes()
    except FileNotFoundError:
        raise ValueError("is a link to nothing" if os.path.islink(file) else "is missing") from None
    except OSError as problem:
        raise ValueError(f"cannot be opened: {problem.strerror}") from None


def _object(file: Path) -> dict[str, Any]:
    content = _content(file, LARGEST[file.name])
    try:
        value = parse(content)
    except ValueError as problem:
        raise ValueError(f"is damaged: {problem}") from None
    if not isinstance(value, dict):
        raise ValueError(f"holds {kind_of(value)}, expected an object")
    return value


def _yaml(file: Path) -> Any:
    content = _content(file, LARGEST_YAML)
    _check_yaml(content)
    try:
        return yaml.load(content, Loader=_AsOmegaConf)  # a safe loader
    except (yaml.YAMLError, ValueError) as problem:
        raise ValueError(_yaml_problem(problem)) from None


def _check_yaml(content: bytes, first: Any = yaml.NodeEvent) -> None:
    """Raise ValueError for no YAML, another first node, tags, and anchors, of which a few can stand for billions."""
    depth, seen = 0, False
    try:
        for event in yaml.parse(content, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise ValueError("has anchors, which recbench does not write")
            if getattr(event, "tag", None):
                raise ValueError("has tags, which recbench does not write")
            if isinstance(event, yaml.NodeEvent) and not seen:
                seen = True
                if not isinstance(event, first):
                    raise ValueError("does not hold keys and values")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"is nested in more than {DEEPEST} levels")
    except yaml.YAMLError as problem:
        raise ValueError(_yaml_problem(problem)) from None


def _yaml_problem(problem: Exception) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or getattr(problem, "reason", None) or "a value is none"
    return f"is damaged: {what}" + (f" in line {mark.line + 1}" if mark else "")


class _AsOmegaConf(_Loader):  # type: ignore[misc]
    """Values as OmegaConf reads and writes them: dates are texts, 1e-3 is a number."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }


_AsOmegaConf.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)


# ---- types


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_inside(value: Any) -> bool:
    """Whether it is a path below the run folder."""
    return isinstance(value, str) and value != "" and not value.startswith("/") and ".." not in value.split("/")


def _names_a_run(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_name(value.get(key)) for key in ("stage", "data", "id"))


def _every(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_input(value: Any) -> bool:
    return _names_a_run(value) and _is_text(value.get("content_hash"))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_REQUIRED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "status": (lambda value: value in STATUSES, f"one of {', '.join(STATUSES)}"),
    "stage": (_is_name, "the name of a stage"),
    "data": (_is_name, "the name of a data set"),
    "seed": (_is_whole, "a whole number"),
    "inputs": (_every(_is_input), "a list of runs with stage, data, id and content_hash"),
    "notes": (_every(_is_text), "a list of texts"),
    "versions": (_is_object, "an object"),
    "hardware": (_is_object, "an object"),
    "started": (_is_text, "a time"),
}
_OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("finished", "order", "reopened"), (_is_text, "a time")),
    **dict.fromkeys(("error", "content_hash"), (_is_text, "a text")),
    **dict.fromkeys(("seconds", "peak_memory_mb", "step_seconds"), (_is_number, "a number")),
    "headline": (_every(_is_text), "a list of texts"),
    **dict.fromkeys(("cost", "failures", "evaluations"), (_every(_is_object), "a list of objects")),
    "artifacts": (_every(_is_inside), "a list of paths below the run folder"),
    "data_fingerprint": (lambda value: value is None or _is_text(value), "a text"),
    "made_for": (_names_a_run, "a run with stage, data and id"),
    "resumed": (_is_whole, "a whole number"),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _yaml_kind(value: Any) -> str:
    return {dict: "keys and values", list: "a list", type(None): "nothing"}.get(type(value), _short(value))
