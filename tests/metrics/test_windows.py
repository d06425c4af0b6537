"""Windowed areas against loops over negatives, scikit-learn and hand-made values."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from recbench.errors import UserError
from recbench.metrics.fpr_window import parse_window
from recbench.metrics.rankings import rank_scores
from recbench.metrics.windows import mcclish, tpr_at, window_auc, window_auc_of, windowed_tpr

TOLERANCE = 1e-9

# Few distinct values, so that ties are the rule.
tied_scores = st.lists(st.integers(0, 5), min_size=1, max_size=25)
windows = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).filter(lambda ends: ends[0] != ends[1]).map(sorted)
windows = windows.map(lambda ends: (ends[0] / 1000, ends[1] / 1000))


def area_by_loop(positive: int, negatives: list[int], window: tuple[float, float]) -> float:
    """(1) of the curve (2), one negative at a time from the best, in exact fractions."""
    a, b = (Fraction(end) for end in window)
    n = len(negatives)
    above = sum(score > positive for score in negatives)
    ties = sum(score == positive for score in negatives)
    area = Fraction(0)
    for k, score in enumerate(sorted(negatives, reverse=True)):
        start, end = max(a, Fraction(k, n)), min(b, Fraction(k + 1, n))
        if end <= start:
            continue
        if score < positive:
            area += end - start
        elif score == positive:
            # The ramp is linear here, so its value in the middle is its mean.
            area += (end - start) * (n * (start + end) / 2 - above) / ties
    return float(area / (b - a))


def area_by_scikit_learn(labels: np.ndarray, scores: np.ndarray, window: tuple[float, float]) -> float:
    """Trapezoids under scikit-learn's ROC points, between the window's ends: raw area."""
    a, b = window
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    area = 0.0
    for x0, x1, y0, y1 in zip(fpr, fpr[1:], tpr, tpr[1:], strict=False):
        start, end = max(a, x0), min(b, x1)
        if end > start:
            middle = ((start + end) / 2 - x0) / (x1 - x0)
            area += (end - start) * (y0 + middle * (y1 - y0))
    return area


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with ties and both classes."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(5, 200))
    labels = (rng.random(size) < rng.uniform(0.1, 0.9)).astype(int)
    labels[:2] = [0, 1]
    return labels, np.round(rng.normal(size=size) + labels, int(rng.integers(0, 3)))


@given(positive=st.integers(0, 5), negatives=tied_scores, window=windows)
def test_closed_form_equals_a_loop_over_negatives(
    positive: int, negatives: list[int], window: tuple[float, float]
) -> None:
    above = sum(score > positive for score in negatives)
    ties = sum(score == positive for score in negatives)
    computed = windowed_tpr(above, ties, len(negatives), window)
    assert computed == pytest.approx(area_by_loop(positive, negatives, window), abs=TOLERANCE)


@pytest.mark.slow
@given(positive=st.integers(0, 5), negatives=tied_scores, window=windows)
@settings(max_examples=30)
def test_closed_form_equals_numerical_integration(
    positive: int, negatives: list[int], window: tuple[float, float]
) -> None:
    above = sum(score > positive for score in negatives)
    ties = sum(score == positive for score in negatives)
    n = len(negatives)
    # The mean height over the midpoints of a fine grid.
    points = window[0] + (np.arange(20_000) + 0.5) / 20_000 * (window[1] - window[0])
    heights = [np.clip((n * u - above) / ties, 0, 1) if ties else float(n * u >= above) for u in points]
    # A step inside one cell misplaces at most that cell.
    assert windowed_tpr(above, ties, n, window) == pytest.approx(np.mean(heights), abs=1e-4)
    np.testing.assert_allclose(tpr_at(above, ties, n, points), heights, atol=TOLERANCE)


@given(negatives=st.integers(1, 1000), data=st.data())
def test_hit_rate_is_a_window_without_ties(negatives: int, data: st.DataObject) -> None:
    """(3): HR@K = WPAUC((K-1)/n, K/n)."""
    above = data.draw(st.integers(0, negatives))
    k = data.draw(st.integers(1, negatives))
    area = windowed_tpr(above, 0, negatives, ((k - 1) / negatives, k / negatives))
    assert area == pytest.approx(float(above < k), abs=TOLERANCE)


@given(positive=st.integers(0, 5), negatives=tied_scores)
def test_the_whole_axis_is_auc(positive: int, negatives: list[int]) -> None:
    # AUC as P(positive > negative) + P(equal) / 2, pair by pair.
    auc = np.mean([(positive > score) + 0.5 * (positive == score) for score in negatives])
    above = sum(score > positive for score in negatives)
    ties = sum(score == positive for score in negatives)
    assert windowed_tpr(above, ties, len(negatives), (0, 1)) == pytest.approx(auc, abs=TOLERANCE)


@given(above=st.integers(0, 30), ties=st.integers(0, 30), rest=st.integers(0, 30), cut=st.floats(0.01, 0.99))
def test_areas_of_neighbouring_windows_add_up(above: int, ties: int, rest: int, cut: float) -> None:
    n = above + ties + rest
    if n == 0:
        return
    parts = cut * windowed_tpr(above, ties, n, (0, cut)) + (1 - cut) * windowed_tpr(above, ties, n, (cut, 1))
    assert parts == pytest.approx(windowed_tpr(above, ties, n, (0, 1)), abs=TOLERANCE)


def test_arrays_broadcast_and_stay_in_range() -> None:
    above = np.arange(1001)
    areas = windowed_tpr(above, 0, 1000, (0.1, 0.3))
    assert areas.shape == (1001,)
    assert areas.min() == 0 and areas.max() == 1
    # Above at most 100 negatives: 1; above 200: half the window; above 300 or more: 0.
    assert areas[[0, 100, 300, 1000]].tolist() == [1, 1, 0, 0]
    assert areas[200] == pytest.approx(0.5, abs=TOLERANCE)


def test_a_window_narrower_than_one_negative_is_fractional() -> None:
    # 10 negatives, all tied: TPR(u) = u, whose mean over (0.02, 0.04) is 0.03.
    assert windowed_tpr(0, 10, 10, (0.02, 0.04)) == pytest.approx(0.03, abs=TOLERANCE)
    # One of 10 negatives above: TPR jumps at 0.1, in the middle of (0.08, 0.12).
    assert windowed_tpr(1, 0, 10, (0.08, 0.12)) == pytest.approx(0.5, abs=TOLERANCE)


def test_no_negatives_is_nan_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="1 of 2 contexts have no negatives"):
        areas = windowed_tpr([0, 0], [0, 0], [0, 4], (0, 0.5))
    assert np.isnan(areas[0]) and areas[1] == 1
    assert np.isnan(tpr_at(0, 0, 0, 0.5))


@pytest.mark.parametrize("counts", [(-1, 0, 5), (4, 2, 5), (0.5, 0, 5), (0, 0, np.inf), (np.nan, 0, 5)])
def test_impossible_counts_are_refused(counts: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="case 0 has above="):
        windowed_tpr(*counts, (0, 1))


@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.37, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_mcclish_equals_scikit_learns_max_fpr(seed: int, max_fpr: float) -> None:
    labels, scores = random_case(seed)
    expected = roc_auc_score(labels, scores, max_fpr=max_fpr)  # scikit-learn standardises as McClish does
    assert window_auc(labels, scores, (0, max_fpr)).mcclish == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("window", [(0, 0.01), (0.01, 0.05), (0.2, 0.7), (0.5, 1), (0, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_window_auc_equals_trapezoids_under_scikit_learns_curve(seed: int, window: tuple[float, float]) -> None:
    labels, scores = random_case(seed)
    area = window_auc(labels, scores, window)
    raw = area_by_scikit_learn(labels, scores, window)
    assert area.raw == pytest.approx(raw, abs=TOLERANCE)
    assert area.normalised == pytest.approx(raw / (window[1] - window[0]), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
def test_window_auc_of_the_whole_axis_is_scikit_learns_auc(seed: int) -> None:
    labels, scores = random_case(seed)
    area = window_auc(labels, scores, (0, 1))
    assert area.normalised == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)
    assert area.raw == area.normalised
    assert area.mcclish == pytest.approx(area.normalised, abs=TOLERANCE)  # the chance area is 1/2, the largest 1


def test_one_sort_serves_many_users() -> None:
    labels, scores = random_case(3)
    users = np.arange(labels.size) % 3
    areas = window_auc_of(rank_scores(labels, scores, users), (0.1, 0.6))
    for user in range(3):
        own = users == user
        assert areas[user] == pytest.approx(window_auc(labels[own], scores[own], (0.1, 0.6)).normalised, abs=TOLERANCE)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_one_class_is_nan_with_a_warning(labels: list[int]) -> None:
    with pytest.warns(UserWarning, match="only one class"):
        area = window_auc(labels, [0.1, 0.2], (0, 0.5))
    assert np.isnan(area).all()


def test_mcclish_by_hand() -> None:
    # (0.1, 0.5): chance area (0.25 - 0.01) / 2 = 0.12, largest 0.4.
    assert mcclish(0.12, (0.1, 0.5)) == pytest.approx(0.5, abs=TOLERANCE)
    assert mcclish(0.4, (0.1, 0.5)) == pytest.approx(1.0, abs=TOLERANCE)
    assert mcclish(0.26, (0.1, 0.5)) == pytest.approx(0.75, abs=TOLERANCE)
    # Unclipped: no area at all is 1/2 (1 - 0.12 / 0.28).
    assert mcclish(0.0, (0.1, 0.5)) == pytest.approx(2 / 7, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("text", "ends"), [("0,1", (0, 1)), (" 0.01 , 0.05 ", (0.01, 0.05)), ("1e-4,1E-3", (1e-4, 1e-3))]
)
def test_windows_are_read(text: str, ends: tuple[float, float]) -> None:
    assert parse_window(text) == ends


@pytest.mark.parametrize(
    "text",
    ["0.5,0.1", "0.1,0.1", "a,b", "0,2", "-0.1,0.5", "0.1", "", "0.1,0.2,0.3", "nan,0.5", "0,nan", "0,inf", "0;1"],
)
def test_malformed_windows_are_refused_by_value(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse_window(text)
    assert "0 <= a < b <= 1" in str(error.value)
    assert "\n" not in str(error.value)
