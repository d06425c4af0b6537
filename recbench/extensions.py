"""Classes from outside the package in the place of a group's choice: `ctr=mine.Model`.

A user names one by a dotted path, or by the name of an entry point of the group `recbench.<group>`. It is imported,
checked against the Protocol of its kind, and becomes one more choice of the config group. Its keys are the group's,
those of its own `Settings`, its `label`, and `code`, the hash of its files. By that hash a run of other code is another
run.

Nothing is imported but what a user names. A run says which class it was made with. Where that class is needed it is
imported again, and only if its files are still those that made the run.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from recbench.config_folders import config_file
from recbench.dotted import named
from recbench.errors import UserError
from recbench.protocols import check_class, check_function
from recbench.schema import did_you_mean, given_keys, options
from recbench.schema.outside import CODE, KINDS, LABEL, is_outside, is_recorded, node_from_outside, outside_name
from recbench.stage_table import STAGES

COUNTS = ("above", "ties", "negatives")  # what a metric is computed from
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Extension:
    """A class from outside that has been imported and checked."""

    group: str
    name: str  # as it was asked for
    found: Any
    files: tuple[Path, ...]
    code: str  # SHA-256 of the files in hex


_loaded: dict[tuple[str, str], Extension] = {}


# ---- what the rest of the package calls


def announce(stage: str, overrides: Sequence[str]) -> list[str]:
    """Import what overrides such as `ctr=mine.Model` name, and put it among the choices of its config group.

    Returns further overrides: the rule of a policy where none is given, as files in conf/policy have it.

    The working folder becomes the last entry of `sys.path` where a dotted path is given.

    Raises:
        UserError: there is no such module or class, it raises while it is imported, or it lacks something.
    """
    rules = set()
    for override in overrides:
        group, _, values = override.partition("=")
        for name in [value.strip() for value in values.split(",")] if group in KINDS else []:
            if config_file(f"{group}/{name}") is None and _path(group, name):
                extension = _load(group, name)
                ConfigStore.instance().store(name=name, group=group, node=_node(extension))
                rules |= {_rule_of(extension)} if group == "policy" else set()
    given = not STAGES[stage].has_rules or {"algo", "experiment"} & set(given_keys(overrides))
    return [] if given or len(rules) != 1 else ["algo=count" if rules == {"count"} else "algo=sft"]


def implementation(group: str, settings: Any) -> Any:
    """The class that the config node `settings` of a group names, a DictConfig or a dataclass.

    Raises:
        UserError: it is gone, or its files are no longer those whose hash the node has.
    """
    return _load(group, outside_name(group, settings), str(getattr(settings, CODE))).found


def metric(name: str) -> Extension | None:
    """The function of a metric `mine.metric`, or `mine.metric@K`; None where the name is of none from outside.

    Raises:
        UserError: as `announce`, or it is no function of counts.
    """
    from recbench.metrics.table import is_built_in  # imports NumPy

    base, sign, cutoff = name.partition("@")
    if is_built_in(name) or (sign and not cutoff.isdecimal()) or _path("metrics", base) is None:
        return None
    extension = _load("metrics", base)
    check_function(f"metrics={name}", extension.found, (*COUNTS, "k") if sign else COUNTS)
    return extension


def check(config: DictConfig) -> None:
    """Let every class that a user has asked for check its settings; raises UserError."""
    for group, node in _nodes(config):
        if is_recorded(node):  # it was checked when the run was made, and may not be needed now
            continue
        extension = _load(group, outside_name(group, node))
        if node[CODE] != extension.code:
            raise UserError(f"{group}.{CODE} is the hash of {extension.name}, and none to be given: leave it out")
        if hasattr(extension.found, "check"):
            extension.found.check(node)


def used(config: DictConfig) -> dict[str, dict[str, str]]:
    """Group -> name and hash of the class from outside that a config names there; of metrics, name -> hash."""
    found = {group: {"name": outside_name(group, node), CODE: str(node[CODE])} for group, node in _nodes(config)}
    return found | ({"metrics": dict(config.metric_code)} if config.get("metric_code") else {})


def keys_from_outside() -> list[str]:
    """The dotted keys of the classes that have been imported."""
    nodes = [(extension.group, _node(extension)) for extension in _loaded.values() if extension.group in KINDS]
    return [key for group, node in nodes for key, _ in options(node, f"{group}.")]


def place_in(problem: BaseException) -> str | None:
    """`mine.py line 3`: the last line of a class from outside that an exception came through; None: it met none."""
    files = {str(file) for extension in _loaded.values() for file in extension.files}
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if str(Path(frame.filename).resolve()) in files:
            return f"{Path(frame.filename).name} line {frame.lineno}"
    return None


def _node(extension: Extension) -> type:
    label = getattr(extension.found, LABEL, extension.name)
    settings = getattr(extension.found, "Settings", None)
    rule = _rule_of(extension) if extension.group == "policy" else None
    return node_from_outside(extension.group, extension.name, settings, label, extension.code, rule)


def _rule_of(policy: Extension) -> str:
    """What trains a policy: count, or any rule that trains a transformer."""
    return "any" if issubclass(policy.found, named(KINDS["policy"].enough)) else "count"


def _nodes(config: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    for group in KINDS:
        if isinstance(node := config.get(group), DictConfig) and is_outside(node):
            yield group, node


# ---- from a name to a class


def _path(group: str, name: str) -> str | None:
    """The dotted path that a name stands for, None where it stands for none."""
    if DOTTED.fullmatch(name):
        return name
    return _installed(group).get(name)


@cache  # reading every package's takes a while
def _installed(group: str) -> dict[str, str]:
    """The dotted paths of the entry points of a group, by their names."""
    found = importlib.metadata.entry_points(group=f"recbench.{group}")
    return {point.name: f"{point.module}.{point.attr}" for point in found}


def _load(group: str, name: str, code: str | None = None) -> Extension:
    """Import and check a class; with `code` only if its files have this hash, known before any of them runs."""
    if (group, name) not in _loaded:
        path = _path(group, name)
        if path is None:
            raise UserError(f"{group}={name} is from outside the package, and nothing of this name is installed")
        module, _, attribute = path.rpartition(".")
        folders = [*sys.path, str(Path.cwd())] if DOTTED.fullmatch(name) else sys.path
        files = _files(_spec(module, folders), f"{group}={name}", module)
        there = _hash(files)
        if code is None or code == there:
            found = _imported(f"{group}={name}", module, attribute, files, folders)
            if group in KINDS:
                check_class(f"{group}={name}", KINDS[group], found)
            _loaded[group, name] = Extension(group, name, found, files, there)
    else:
        files, there = _loaded[group, name].files, _loaded[group, name].code
    if code is not None and code != there:
        raise UserError(
            f"{group}={name} is no longer the code that this was made with: the SHA-256 of {files[0]} was "
            f"{code[:12]}... and is {there[:12]}...; put that file back, or make the run anew"
        )
    return _loaded[group, name]


def _spec(module: str, folders: Sequence[str]) -> ModuleSpec | None:
    """Where a module is, found without running anything of it or of the packages that it is in."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # of a module that has none, such as __main__
        spec = None
    spec = spec or PathFinder.find_spec(top, folders)
    for place in range(len(inner)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join([top, *inner[: place + 1]]), list(spec.submodule_search_locations))
    return spec


def _files(spec: ModuleSpec | None, asked: str, module: str) -> tuple[Path, ...]:
    """A module's file, or all Python files of the package that it is in, the module's own first."""
    if spec is None:
        raise UserError(f"{asked}: there is no module {module}: not in {Path.cwd()}, and none is installed")
    if not spec.origin or not Path(spec.origin).is_file():
        raise UserError(f"{asked}: {module} is no Python file; name a class as FILE.CLASS, without .py")
    file = Path(spec.origin).resolve()
    package = file.parents[module.count(".") - (file.name != "__init__.py")] if "." in module else file.parent
    others = package.rglob("*.py") if "." in module or file.name == "__init__.py" else []
    return (file, *sorted(other for other in others if other != file))


def _hash(files: Sequence[Path]) -> str:
    """SHA-256 of one file as sha256sum has it; of several, of their hashes and their paths below the shortest one's."""
    digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    if len(files) == 1:
        return digests[files[0]]
    top = min((file.parent for file in files), key=lambda folder: len(folder.parts))
    lines = sorted(f"{digest}  {file.relative_to(top).as_posix()}\n" for file, digest in digests.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _imported(asked: str, module: str, attribute: str, files: Sequence[Path], folders: Sequence[str]) -> Any:
    if folders is not sys.path and folders[-1] not in sys.path:
        sys.path.append(folders[-1])  # the last, so that no file beside it hides an installed module
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as problem:
        frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if Path(frame.filename) in files]
        place = f" line {frames[-1].lineno}" if frames else ""
        reason = " ".join(f"{type(problem).__name__}: {problem}".split())
        raise UserError(f"{asked}: {files[0]}{place} cannot be imported: {reason}; correct it") from problem
    if not hasattr(loaded, attribute):
        names = [name for name, value in vars(loaded).items() if isinstance(value, type) and not name.startswith("_")]
        raise UserError(f"{asked}: {files[0]} has no {attribute}{did_you_mean(attribute, names)}")
    return getattr(loaded, attribute)
