"""The walk through the code in docs/architecture.md names what is there; one module knows a window's syntax."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from recbench.commands.flags import FLAGS
from recbench.composition import compose
from recbench.metrics.fpr_window import parse_window
from recbench.rl.aims import objective_metric
from recbench.rl.rules import rule_of

ROOT = Path(__file__).resolve().parents[1]
WALK = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## A walk: ")[1].split("\n## ")[0]
NAMED = [
    (file, name)
    for file, names in re.findall(r"`([\w/]+\.py)`, ((?:`\w+`(?: and )?)+)", WALK)
    for name in re.findall(r"`(\w+)`", names)
]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_walk_names_what_is_there(file: str, name: str) -> None:
    module = importlib.import_module(f"recbench.{file.removesuffix('.py').replace('/', '.')}")
    found = getattr(module, name)
    assert found.__module__ == module.__name__  # where it is written, not where it is imported


def test_the_walk_has_all_its_steps() -> None:
    assert len(NAMED) == 18 and len({file for file, _ in NAMED}) == 16


def test_one_module_knows_what_a_window_looks_like() -> None:
    """No other compares two ends of one thing with 0 and 1 in a chain, as in 0 <= w[0] < w[1] <= 1."""
    found = []
    for file in sorted((ROOT / "recbench").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and len(node.ops) == 3:
                first, last = node.left, node.comparators[-1]
                ends = [end.value for end in (first, last) if isinstance(end, ast.Constant)]
                found += [file.name] if ends == [0, 1] else []
    assert found == ["fpr_window.py"]


def test_a_window_keeps_its_value_from_the_option_to_the_names_of_arm_and_metric() -> None:
    window = FLAGS["window"].overrides(["0.01,0.05"], False)
    assert window == ["algo.window=[0.01,0.05]"]
    config = compose("train", ["algo=tawin", *window])
    assert tuple(config.algo.window) == parse_window("0.01,0.05")
    assert objective_metric(config.algo, config.negatives, 1000) == "wpauc(0.01,0.05)"
    assert rule_of(config.algo).arm(config.algo, "window", False) == "tawin 0.01,0.05"
