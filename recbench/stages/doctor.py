"""recbench doctor: whether what recbench needs is here, and what to do where it is not."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from recbench.config_folders import config_folders
from recbench.console.options_list import described_lines
from recbench.console.screen import screen_width
from recbench.console.visible import for_people
from recbench.errors import UserError
from recbench.runs.machine import PACKAGES, library_versions, processor

NEEDED_PYTHON = (3, 11)
LEAST_MEMORY = 2.0  # GiB that are free: torch and a small data set take one
LEAST_DISK = 1.0  # GiB in the runs folder: a training's checkpoints
DATA = "../shared/data"  # where conf/data looks without RECBENCH_DATA
INSTALL = "install what is missing: make install, or pip install -c constraints.txt ."

Check = dict[str, Any]


def examine(runs: Path) -> list[Check]:
    """Every check in order: {"name", "sound", "found", "remedy"}; the remedy is empty where all is well."""
    makers: dict[str, Callable[[], tuple[str, str]]] = {
        "python": _python,
        "libraries": _libraries,
        "device": _device,
        "threads": _threads,
        "memory": _memory,
        "data folder": lambda: _folder("RECBENCH_DATA", DATA, "data=amazon_beauty and other downloaded data sets"),
        "runs folder": lambda: _runs(runs),
        "configs": _configs,
    }
    if os.environ.get("RECBENCH_MODELS"):
        makers["models folder"] = lambda: _folder("RECBENCH_MODELS", "", "checkpoints")
    checks = []
    for name, make in makers.items():
        found, remedy = make()
        checks.append({"name": name, "sound": not remedy, "found": for_people(found), "remedy": for_people(remedy)})
    return checks


def check_lines(checks: list[Check], width: int | None = None) -> list[str]:
    """The checks as lines: what was found, and below it the remedy of what is amiss."""
    rows = []
    for check in checks:
        rows.append((f"{'ok' if check['sound'] else 'no':<4}{check['name']}", check["found"]))
        rows += [("", f"-> {check['remedy']}")] if check["remedy"] else []
    return described_lines(rows, width or screen_width(), least=20)


def _python() -> tuple[str, str]:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= NEEDED_PYTHON:
        return found, ""
    return found, f"install Python {'.'.join(map(str, NEEDED_PYTHON))} or newer and make the environment anew"


def _libraries() -> tuple[str, str]:
    versions = library_versions()
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "python")
    missing = [name for name in PACKAGES if name not in versions]
    return found, f"{', '.join(missing)} cannot be found: {INSTALL}" if missing else ""


def _device() -> tuple[str, str]:
    import torch

    from recbench.training.device import choose_device

    device = choose_device("auto")
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name()}, {_gib(torch.cuda.mem_get_info()[0])} GiB free", ""
    found = f"{device.type}: {processor()}"
    if shutil.which("nvidia-smi") is None or device.type != "cpu":
        return found, ""
    built = metadata.version("torch")
    return f"{found}; there is an NVIDIA driver, which torch {built} does not use", (
        "install torch with CUDA (make install without TORCH_INDEX), or check that nvidia-smi shows a GPU; "
        "device=cpu works meanwhile"
    )


def _threads() -> tuple[str, str]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    found = f"{threads} of {cores} cores; {busy:.1f} programs ran on average in the last minute"
    if threads > cores:
        return found, f"more threads than cores slow each other down: threads={cores}, or OMP_NUM_THREADS={cores}"
    return found, ""


def _memory() -> tuple[str, str]:
    free = _free_memory()
    if free is None:
        return "not known on this system", ""
    found = f"{free:.1f} GiB free"
    if free >= LEAST_MEMORY:
        return found, ""
    return found, f"at least {LEAST_MEMORY:g} GiB are wanted: end other programs, or run one recbench at a time"


def _free_memory() -> float | None:
    """GiB that programs can still have, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _folder(variable: str, default: str, what_for: str) -> tuple[str, str]:
    """A folder that an environment variable names: it need not be there unless it is named."""
    named = os.environ.get(variable, "")
    folder = Path(named or default)
    if named and not folder.is_dir():
        return f"{variable}={named} is no folder", f"correct {variable}, or unset it; it is for {what_for}"
    if named or (default and folder.is_dir()):
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder} cannot be read", f"change its rights, or name another by {variable}"
        inside = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        return f"{folder}: {', '.join(inside) or 'no folders in it'}", ""
    return f"none; {variable} names one, for {what_for}", ""


def _runs(runs: Path) -> tuple[str, str]:
    """Whether a file can be written where runs will be; leaves nothing behind."""
    place = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.exists())
    elsewhere = "give another folder by --runs FOLDER, and runs=FOLDER to the other commands, or change its rights"
    if not place.is_dir():
        return f"{place} is no folder", elsewhere
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as problem:
        return f"{runs} cannot be written to ({problem.strerror})", elsewhere
    free = shutil.disk_usage(place).free
    found = f"{runs} can be written to, {_gib(free)} GiB free"
    if free < LEAST_DISK * 2**30:
        return found, f"at least {LEAST_DISK:g} GiB are wanted: remove old runs, or {elsewhere}"
    return found, ""


def _configs() -> tuple[str, str]:
    try:
        *own, built_in = config_folders()
    except UserError as problem:
        return str(problem), "name a folder that is there, or leave it out"
    return f"{own[0]}, then {built_in}" if own else str(built_in), ""


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f}"
