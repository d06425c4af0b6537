"""The standard deviation of every report, against the standard library's and by hand."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.ctr.evaluation import over_seeds
from recbench.metrics.comparison import spread_over_seeds
from recbench.metrics.spread import sample_deviation


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_it_is_the_sample_deviation(values: list[float]) -> None:
    assert sample_deviation(values) == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


def test_one_value_has_none_and_equal_ones_have_zero() -> None:
    assert np.isnan(sample_deviation([[0.5, 0.25]])).tolist() == [True, True]
    assert np.std([0.1] * 3) > 0  # numpy's mean of them is rounded
    assert sample_deviation([[0.1, 0.0], [0.1, 1.0], [0.1, 0.5]]).tolist() == [0.0, 0.5]


def test_every_report_over_seeds_says_the_same() -> None:
    values = [0.25, 0.5, 1.0]  # mean 7/12; squares (4/12)^2 + (1/12)^2 + (5/12)^2 = 42/144, over 2
    expected = (21 / 144) ** 0.5
    compared = spread_over_seeds({seed: np.array([[value]]) for seed, value in enumerate(values)})
    clicked = over_seeds([{"auc": value} for value in values])
    assert compared.deviation == pytest.approx([expected])
    assert clicked["auc"]["std"] == pytest.approx(expected)
    assert np.isnan(over_seeds([{"auc": 0.5}])["auc"]["std"])
