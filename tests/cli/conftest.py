"""The `recbench` command in this process, and a stub stage that trains nothing."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from recbench import cli
from recbench.stage_table import STAGES


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path) -> Callable[..., Result]:
    """Run `recbench ARGUMENTS` in an empty folder; returns status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = cli.main(list(arguments))
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def stub(monkeypatch) -> Callable[[str, Callable[..., dict[str, Any]]], None]:
    """Let a function stand for a stage: `stub("train", lambda config, run: {...})`."""

    def register(stage: str, function: Callable[..., dict[str, Any]]) -> None:
        module = ModuleType(f"stub_of_{stage}")
        module.run = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(STAGES, stage, replace(STAGES[stage], run=f"{module.__name__}:run"))

    return register


@pytest.fixture
def trained(stub) -> list[Any]:
    """A train stage whose metric is its seed; returns the list of configs that it was called with."""
    configs: list[Any] = []

    def train(config, run):
        configs.append(config)
        return {"auc": config.seed / 10, "undefined": float("nan")}

    stub("train", train)
    return configs
