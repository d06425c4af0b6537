"""recbench ls and cp: which configs there are, and a copy of one to change."""

from pathlib import Path
from typing import Any

from recbench.config_folders import config_file, config_folder, config_groups, config_names, first_comment
from recbench.errors import UserError
from recbench.runs import atomic_path
from recbench.schema import did_you_mean

GROUPS = {
    "algo": "training rules of recbench train: --algo=NAME",
    "captioner": "what writes captions",
    "ctr": "click models",
    "data": "data sets and formats",
    "experiment": "settings of the published experiments, whole ones for recbench bench among them",
    "features": "how captions become columns",
    "item_tokens": "how items are written for the recommender",
    "negatives": "where the negatives of a training rule come from: --neg=NAME",
    "policy": "recommenders that recbench train trains",
}


def groups() -> list[dict[str, Any]]:
    """The groups of configs, each with what it is: {"name", "what"}."""
    return [{"name": name, "what": GROUPS[name]} for name in config_groups()]


def choices(group: str) -> list[dict[str, Any]]:
    """The configs of a group: {"name", "what", "own"}, `own` for files in the user's folder.

    Raises:
        UserError: there is no such group.
    """
    _check_group(group)
    listed = []
    for name in config_names(group):
        file = config_file(f"{group}/{name}")
        assert file is not None
        own = not file.is_relative_to(config_folder())
        listed.append({"name": name, "what": first_comment(file), "own": own})
    return listed


def copy(source: str, destination: Path) -> Path:
    """Copy the built-in config GROUP/NAME to a folder of configs, or to a file FOLDER/GROUP/NAME.yaml; return its path.

    Raises:
        UserError: there is no such config, the file is there already, or would not be found where it is asked for.
    """
    group, _, name = source.removesuffix(".yaml").partition("/")
    _check_group(group)
    built_in = config_folder() / group / f"{name}.yaml"
    names = sorted(file.stem for file in (config_folder() / group).glob("*.yaml"))
    if name not in names:
        raise UserError(f"{source}: expected {group}/ and one of {', '.join(names)}{did_you_mean(name, names)}")
    file = destination
    if destination.suffix != ".yaml":
        folder = destination.parent if destination.name == group else destination  # conf/data for data/table is conf
        file = folder / group / f"{name}.yaml"
    elif destination.parent.name != group:
        raise UserError(
            f"{destination}: a config of {group} is found in a folder of that name: give "
            f"{destination.parent / group / destination.name}, or the folder of configs"
        )
    if file.exists():
        raise UserError(f"{file} is there already: name another file, or remove it")
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as partial:
        partial.write_bytes(built_in.read_bytes())
    return file


def _check_group(group: str) -> None:
    known = config_groups()
    if group not in known:
        raise UserError(
            f"{group!r} is no group of configs: expected one of {', '.join(known)}{did_you_mean(group, known)}"
        )
