"""The examples in the docstrings of the metrics are true."""

import doctest
import importlib

import pytest

RANKINGS = ["windows", "topk", "rankings", "intervals", "summary", "comparison", "significance", "spread", "crossed"]
CLICKS = ["delong", "two_way", "clicks", "ab_test", "off_policy", "captions"]


@pytest.mark.parametrize("name", [*RANKINGS, *CLICKS])
def test_examples_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"recbench.metrics.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
