"""DeLong against R's pROC: AUC, variance, covariance, intervals and the paired test; see README.md here."""

import csv
from pathlib import Path

import numpy as np
import pytest

from recbench.metrics.delong import auc_interval, delong, delong_difference

HERE = Path(__file__).parent
TOLERANCE = 1e-12  # what is asked for is 1e-6


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


CASES = read("delong_cases.csv")
EXPECTED = read("delong_expected.csv")


@pytest.mark.parametrize("row", EXPECTED, ids=[row["case"] for row in EXPECTED])
def test_delong_equals_proc(row: dict[str, str]) -> None:
    lines = [line for line in CASES if line["case"] == row["case"]]
    labels = np.array([int(line["label"]) for line in lines])
    a, b = (np.array([float(line[name]) for line in lines]) for name in ("a", "b"))
    want = {name: float(text) for name, text in row.items() if name != "case"}

    areas, covariance = delong(labels, [a, b])
    assert areas == pytest.approx([want["auc_a"], want["auc_b"]], abs=TOLERANCE)
    flat = [want["var_a"], want["cov"], want["cov"], want["var_b"]]
    assert covariance.ravel() == pytest.approx(flat, abs=TOLERANCE)

    for scores, name in ((a, "a"), (b, "b")):
        found = auc_interval(labels, scores)
        assert [*found] == pytest.approx(
            [want[f"auc_{name}"], want[f"low_{name}"], want[f"high_{name}"]], abs=TOLERANCE
        )

    difference = delong_difference(labels, a, b)
    assert difference.p == pytest.approx(want["p"], abs=TOLERANCE)
    ends = [want["low_difference"], want["high_difference"]]
    assert [difference.low, difference.high] == pytest.approx(ends, abs=TOLERANCE)
    error = (want["var_a"] + want["var_b"] - 2 * want["cov"]) ** 0.5
    assert difference.value / error == pytest.approx(want["z"], abs=1e-10)


def test_the_oracle_has_ties_and_both_sizes() -> None:
    sizes = {row["case"]: sum(line["case"] == row["case"] for line in CASES) for row in EXPECTED}
    assert sizes == {"small": 30, "ties": 30, "correlated": 300, "opposed": 300, "apart": 10}
    assert len({line["a"] for line in CASES if line["case"] == "ties"}) == 5
