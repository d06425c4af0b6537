"""The examples in docstrings are true, of every module that has some."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import recbench

PACKAGE = Path(recbench.__file__).parent
MODULES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted(PACKAGE.rglob("*.py"))
    if re.search(r"^ +>>> (?!.*[+]SKIP)", file.read_text(encoding="utf-8"), re.M)
]


def test_there_are_examples() -> None:
    assert {"recbench.metrics.topk", "recbench.features.words", "recbench.grids"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0 and results.failed == 0
