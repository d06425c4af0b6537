import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.metrics.delong import auc_interval, delong, delong_difference, midranks, relative_gain


def brute_force(labels, scores):
    """DeLong's own formulas: all [m, n] comparisons of a model, sample covariances of their row and column means."""
    labels, scores = np.asarray(labels), np.atleast_2d(scores)
    wins = [
        (row[labels == 1][:, None] > row[labels == 0]) + 0.5 * (row[labels == 1][:, None] == row[labels == 0])
        for row in scores
    ]
    of_positives, of_negatives = (np.array([w.mean(axis=axis) for w in wins]) for axis in (1, 0))
    m, n = of_positives.shape[1], of_negatives.shape[1]
    covariance = np.atleast_2d(np.cov(of_positives)) / m + np.atleast_2d(np.cov(of_negatives)) / n
    return np.array([w.mean() for w in wins]), covariance


@st.composite
def tied_rows(draw):
    rows = draw(st.integers(4, 25))
    labels = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), min_size=rows - 4, max_size=rows - 4))]
    models = draw(st.integers(1, 3))
    scores = [draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows)) for _ in range(models)]
    return np.array(labels), np.array(scores, dtype=float)


@given(tied_rows())
def test_fast_equals_all_pairs(case):
    labels, scores = case
    areas, covariance = delong(labels, scores)
    want_areas, want_covariance = brute_force(labels, scores)
    np.testing.assert_allclose(areas, want_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, want_covariance, atol=1e-12)


@given(tied_rows())
def test_rows_that_are_groups_of_their_own_change_nothing(case):
    labels, scores = case
    np.testing.assert_allclose(
        delong(labels, scores, groups=np.arange(labels.size))[1], delong(labels, scores)[1], atol=1e-12
    )


def obuchowski(labels, scores, groups):
    """Variance of one AUC by the three sums of Obuchowski (1997), written out over clusters."""
    pairs = list(itertools.product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)))
    win = {(i, j): (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for i, j in pairs}
    m, n = int(labels.sum()), int((1 - labels).sum())
    area = sum(win.values()) / (m * n)
    above, below = {}, {}
    for group in np.unique(groups):
        positives, negatives = (np.flatnonzero((groups == group) & (labels == kind)) for kind in (1, 0))
        above[group] = sum(sum(win[i, j] for j in np.flatnonzero(labels == 0)) / n - area for i in positives)
        below[group] = sum(sum(win[i, j] for i in np.flatnonzero(labels == 1)) / m - area for j in negatives)
    with_positives, with_negatives = (len(set(groups[labels == kind])) for kind in (1, 0))
    clusters = len(above)
    s10 = with_positives / ((with_positives - 1) * m) * sum(v**2 for v in above.values())
    s01 = with_negatives / ((with_negatives - 1) * n) * sum(v**2 for v in below.values())
    s11 = clusters / (clusters - 1) * sum(above[g] * below[g] for g in above)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_groups_follow_obuchowski():
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 9, 60)
    scores = np.round(rng.normal(size=60) / 2 + np.where(groups > 4, groups, -groups / 2), 1)
    labels = (rng.random(60) < 0.1 + groups / 10).astype(int)
    _, covariance = delong(labels, scores, groups)
    assert covariance[0, 0] == pytest.approx(obuchowski(labels, scores, groups), abs=1e-12)
    assert covariance[0, 0] != pytest.approx(delong(labels, scores)[1][0, 0], rel=0.05)


def test_repeated_rows_in_one_group_add_no_knowledge():
    # Every row twice, the copies in one group: as wide as without the copies, up to n / (n - 1) of either.
    rng = np.random.default_rng(1)
    labels, scores = np.tile([0, 1], 200), rng.normal(size=400)
    once = delong(labels, scores)[1][0, 0]
    twice = delong(np.repeat(labels, 2), np.repeat(scores, 2), np.repeat(np.arange(400), 2))[1][0, 0]
    assert twice == pytest.approx(once, rel=1e-9)


def test_relative_gain_is_the_delta_method():
    rng = np.random.default_rng(2)
    labels = (rng.random(400) < 0.3).astype(int)
    b = 0.5 * labels + rng.normal(size=400)
    a = b + 0.3 * labels + 0.3 * rng.normal(size=400)
    gain = relative_gain(labels, a, b)
    areas, covariance = brute_force(labels, [a, b])
    # gradient of 100 (A / B - 1) by central differences, not by the formula
    step = 1e-6
    slope = np.array(
        [
            100 * ((areas[0] + step) / areas[1] - (areas[0] - step) / areas[1]) / (2 * step),
            100 * (areas[0] / (areas[1] + step) - areas[0] / (areas[1] - step)) / (2 * step),
        ]
    )
    error = math.sqrt(slope @ covariance @ slope)
    assert gain.value == pytest.approx(100 * (areas[0] / areas[1] - 1), abs=1e-10)
    assert gain.high - gain.value == pytest.approx(1.959963984540054 * error, rel=1e-6)
    assert gain.value - gain.low == pytest.approx(gain.high - gain.value)
    from scipy.stats import norm

    assert gain.p == pytest.approx(2 * norm.sf(gain.value / error), rel=1e-5)


def test_seeds_are_averaged():
    rng = np.random.default_rng(3)
    labels = (rng.random(80) < 0.4).astype(int)
    a, b = rng.normal(size=(2, 3, 80)) + labels * 0.5
    difference = delong_difference(labels, a, b)
    areas, covariance = brute_force(labels, np.vstack([a, b]))
    weight = np.array([1, 1, 1, -1, -1, -1]) / 3
    assert difference.value == pytest.approx(weight @ areas)
    assert difference.high - difference.value == pytest.approx(
        1.959963984540054 * math.sqrt(weight @ covariance @ weight)
    )


def test_coverage_of_the_interval():
    # P(positive > negative) for unit normals a distance 1 apart is Phi(1 / sqrt(2)) = .7602.
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 100)
    found = [auc_interval(labels, rng.normal(size=200) + labels) for _ in range(400)]
    covered = np.mean([low <= 0.7602499 <= high for _, low, high in found])
    assert 0.92 <= covered <= 0.98  # .95 +- 2.75 standard errors of 400 draws


def test_equal_rankings_have_no_difference():
    found = delong_difference([0, 1, 0, 1, 1], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert found == (0.0, 0.0, 0.0, 1.0)


def test_undefined_is_nan_with_a_warning():
    with pytest.warns(UserWarning, match="only one class"):
        areas, covariance = delong([1, 1], [0.1, 0.2])
    assert np.isnan(areas).all() and np.isnan(covariance).all()
    with pytest.warns(UserWarning, match="fewer than two rows"):
        areas, covariance = delong([1, 0, 0], [0.1, 0.2, 0.0])
    assert areas.tolist() == [0.5] and np.isnan(covariance).all()
    with pytest.warns(UserWarning, match="fewer than two groups"):
        assert math.isnan(delong_difference([1, 0, 1, 0], [1, 2, 3, 4], [4, 3, 2, 1], groups=list("aaaa")).p)
    with pytest.warns(UserWarning, match="baseline's AUC is 0"):
        assert math.isnan(relative_gain([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1]).value)


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 2], [1, 2], "label 2 at index 1"),
        ([0, 1], [1, math.nan], "score at index 1 is NaN"),
        ([0, 1], [1, 2, 3], "one score a label"),
        ([], [], "no rows"),
    ],
)
def test_bad_rows_are_refused(labels, scores, says):
    with pytest.raises(UserError, match=says):
        delong(labels, scores)
    with pytest.raises(UserError, match="groups"):
        delong([0, 1], [1, 2], groups=[1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_midranks_are_scipys(values):
    from scipy.stats import rankdata

    np.testing.assert_array_equal(midranks(np.array(values, dtype=float)), rankdata(values))
