import numpy as np
import pytest

from recbench.reporting.roc_plot import mean_roc, plot_roc_head

ONE = (np.array([2]), np.array([2]), np.array([10]))  # two above, two tied, of ten


def test_a_tie_is_a_ramp():
    # by (2): TPR(u) = clip((10 u - 2) / 2, 0, 1), so 0 at 0.2, one half at 0.3, 1 from 0.4
    mean, error = mean_roc(*(np.repeat(part, 2) for part in ONE), np.array([0.1, 0.2, 0.3, 0.4, 1.0]))
    assert mean == pytest.approx([0, 0, 0.5, 1, 1])
    assert error == pytest.approx([0] * 5, abs=1e-9)
    assert np.isnan(mean_roc(*ONE, np.array([0.1]))[1]).all()  # one case has no spread


def test_without_ties_it_is_a_step():
    mean, _ = mean_roc(np.array([2]), np.array([0]), np.array([10]), np.array([0.19, 0.2, 0.5]))
    assert mean.tolist() == [0, 1, 1]
    assert mean_roc(np.array([1]), np.array([0]), np.array([49]), np.array([1 / 49]))[0].tolist() == [1]


def test_the_mean_over_cases_and_its_standard_error():
    # positives first and last of four: at u = 0.5 the TPRs are 1 and 0, mean 1/2, variance (1/4 + 1/4) / 1, over 2
    mean, error = mean_roc(np.array([0, 4]), np.array([0, 0]), np.array([4, 4]), np.array([0.5]))
    assert mean == pytest.approx([0.5])
    assert error == pytest.approx([0.5])


def test_cases_without_negatives_are_left_out():
    mean, _ = mean_roc(np.array([0, 0]), np.array([0, 0]), np.array([0, 4]), np.array([0.5]))
    assert mean.tolist() == [1.0]
    mean, _ = mean_roc(np.array([0]), np.array([0]), np.array([0]), np.array([0.5]))
    assert np.isnan(mean).all()


def test_blocks_change_nothing():
    random = np.random.default_rng(0)
    above = random.integers(0, 50, 5000)
    cases = (above, random.integers(0, 3, 5000), np.full(5000, 60))
    rates = np.array([0.1, 0.5])
    whole, _ = mean_roc(*cases, rates)
    parts = [mean_roc(*(part[i : i + 1000] for part in cases), rates)[0] for i in range(0, 5000, 1000)]
    assert whole == pytest.approx(np.mean(parts, 0))


def test_equal_input_draws_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        plot_roc_head(tmp_path / name, [("this run", *ONE)], [(0, 0.1), (0.1, 0.3)], "toy")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
