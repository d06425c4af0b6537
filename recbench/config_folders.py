"""Where the yaml files of configs are: in a folder of the user's own, which is searched first, and the built-in one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recbench.errors import UserError

VARIABLE = "RECBENCH_CONF"  # names the own folder, as --config-dir does, for this process and those that it starts
OWN = "conf"  # the own folder where none is named, if it is there


def config_folder() -> Path:
    """The built-in folder: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if folder.is_dir())


def own_folder() -> Path | None:
    """The user's own: what --config-dir or RECBENCH_CONF names, else ./conf; None where there is none beside ours.

    Raises:
        UserError: the folder that is named is not there.
    """
    named = os.environ.get(VARIABLE, "")
    folder = Path(named or OWN).expanduser()
    if not folder.is_dir():
        if named:
            raise UserError(f"--config-dir {named}: there is no such folder (RECBENCH_CONF names it, too)")
        return None
    folder = folder.resolve()
    return None if folder == config_folder().resolve() else folder


def config_folders() -> list[Path]:
    """The folders in the order in which they are searched."""
    own = own_folder()
    return [config_folder()] if own is None else [own, config_folder()]


def config_file(path: str) -> Path | None:
    """The file of a config such as `data/bazaar`; None where there is none.

    >>> config_file("policy/sasrec").name
    'sasrec.yaml'
    """
    for folder in config_folders():
        with suppress(OSError):  # a name that no file can have
            if (folder / f"{path}.yaml").is_file():
                return folder / f"{path}.yaml"
    return None


def config_names(group: str) -> list[str]:
    """Names of the configs of a group, such as `data`, in alphabetical order; none where there is no such group."""
    return sorted({file.stem for folder in config_folders() for file in (folder / group).glob("*.yaml")})


def config_groups() -> list[str]:
    """Names of the groups that the built-in folder has."""
    return sorted(folder.name for folder in config_folder().iterdir() if folder.is_dir())


def first_comment(file: Path) -> str:
    """The first sentence of a config's comment, which says what it is; empty where there is none."""
    text = ""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("# @package"):
                continue
            said = line.lstrip("#").strip()
            if not line.startswith("#") or not said or (text and line.startswith("#  ")):  # indented: a command
                if text or said:
                    break
                continue
            text = f"{text} {said}".strip()
            if said.endswith((".", ":")):
                break
    return text


@contextmanager
def hydra_search(job: str) -> Iterator[None]:
    """Hydra set up so that it searches the folders in their order."""
    from hydra import initialize_config_dir
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_dir(str(config_folder()), job_name=job, version_base="1.3"):
        if (own := own_folder()) is not None:
            path = create_config_search_path(str(config_folder()))
            path.prepend("own", f"file://{own}")
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2(task_name=job, config_search_path=path)
        yield
