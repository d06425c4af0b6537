"""Run folders: create, finish, find and resolve them; files appear in them whole or not at all."""

from recbench.runs.files import atomic_path, storage_errors, write_json
from recbench.runs.finding import (
    find_runs,
    newest,
    origin,
    passing_over,
    read_runs,
    require_finished,
    resolve_run,
)
from recbench.runs.machine import library_versions
from recbench.runs.reading import DamagedRunError
from recbench.runs.run import Run, create_run

__all__ = [
    "DamagedRunError",
    "Run",
    "atomic_path",
    "create_run",
    "find_runs",
    "library_versions",
    "newest",
    "origin",
    "passing_over",
    "read_runs",
    "require_finished",
    "resolve_run",
    "storage_errors",
    "write_json",
]
