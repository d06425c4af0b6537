"""The table of stages: what it names is there, importing it costs nothing, and another stage is one more row."""

import inspect
import json
import os
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from recbench.commands.flags import FLAGS
from recbench.config_folders import config_file
from recbench.dotted import named
from recbench.stage_table import ROWS, STAGES, Stage

ARGUMENTS = {
    "run": ("config", "run"),
    "describe": (),
    "more_keys": (),
    "check": ("config",),
    "settle": ("config",),
    "idle": ("config", "key"),
    "assist": ("config",),
    "estimate": ("config",),
    "grids": ("metrics",),
    "sections": ("run",),
    "verdict": ("metrics",),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_row_names_is_there_and_can_be_called_so(row: Stage) -> None:
    for field, arguments in ARGUMENTS.items():
        if text := getattr(row, field):
            inspect.signature(named(text)).bind(*arguments)
    assert set(row.flags) <= set(FLAGS)
    assert row.takes is None or row.takes in STAGES
    assert bool(row.config) != bool(row.keys_of and row.describe)  # keys of its own, or another's
    if row.config:
        keys = {field.name for field in fields(row.schema())}
        assert is_dataclass(row.schema()) and set(row.adopts) <= keys
        assert config_file(row.name) is not None


MODULE = """
from dataclasses import dataclass, field
from recbench.schema.laboratory import MarketConfig
from recbench.schema.options import BaseStageConfig, option

@dataclass
class EchoConfig(BaseStageConfig):
    word: str = option("hello", "what is said")
    times: int = option(2, "how often", least=1)
    data: MarketConfig = field(default_factory=MarketConfig)

def run(config, run):
    return {"letters": len(config.word) * config.times}
"""
WITH_A_ROW = """
import sys
from recbench import stage_table
row = stage_table.Stage("echo", "echo:run", "Say a word.", config="echo:EchoConfig")
stage_table.ROWS += (row,)
stage_table.STAGES["echo"] = row
from recbench import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.process
def test_a_module_a_yaml_file_and_a_row_make_a_stage(tmp_path) -> None:
    (tmp_path / "echo.py").write_text(MODULE)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/echo.yaml").write_text("defaults:\n  - echo_schema\n  - _self_\ntimes: 3\n")

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        told = [sys.executable, "-c", WITH_A_ROW, *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        return subprocess.run(told, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    listed = command("--help")
    assert "Say a word." in listed.stdout
    assert "at least 1" in command("echo", "--help-config", "times").stdout
    made = command("echo", "word=hi", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["metrics"] == {"letters": 6}
    wrong = command("echo", "times=0")
    assert wrong.returncode == 2 and wrong.stderr.endswith("error: times=0: expected at least 1\n")
    assert command("runs").stdout.count("echo") == 1
