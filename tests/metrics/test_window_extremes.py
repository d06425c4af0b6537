"""Windowed areas and Top-K sums where numbers are near each other or far apart, against exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recbench.metrics.rankings import rank_scores
from recbench.metrics.summary import metric_of_ranks, summarise_ranks
from recbench.metrics.topk import hit_rate, mrr, ndcg, ndcg_several
from recbench.metrics.windows import mcclish, mcclish_of, rank_of, tpr_at, window_width, windowed_tpr

MANY = 10**9


def meant(rate: float, negatives: int) -> Fraction:
    """k / n where the rate is the double next to it, else the rate itself."""
    share = Fraction(round(Fraction(rate) * negatives), negatives)
    return share if float(share) == rate else Fraction(rate)


def height(above: int, ties: int, negatives: int, rate: Fraction) -> Fraction:
    """(2) as it stands."""
    if not ties:
        return Fraction(int(negatives * rate >= above))
    return min(max((negatives * rate - above) / ties, Fraction(0)), Fraction(1))


def area(above: int, ties: int, negatives: int, a: Fraction, b: Fraction) -> Fraction:
    """(1) of (2): trapezoids between the curve's corners, over the width."""
    corners = [Fraction(above, negatives), Fraction(above + ties, negatives)]
    points = [a, *(corner for corner in corners if a < corner < b), b]
    total = Fraction(0)
    for start, end in zip(points, points[1:]):
        total += (end - start) * height(above, ties, negatives, (start + end) / 2)  # linear or constant in between
    return total / (b - a)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Negatives above, tied and all: few or a thousand million of each."""
    n = draw(st.one_of(st.integers(1, 60), st.integers(1, MANY)))
    g = draw(st.one_of(st.just(0), st.just(n), st.integers(0, n)))
    m = draw(st.one_of(st.just(0), st.just(n - g), st.integers(0, n - g)))
    return g, m, n


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int, float, float]:
    """Counts and a window: wide, at the ends, at ranks and corners, or some roundings wide."""
    g, m, n = draw(counts())
    near = [0.0, 1.0, g / n, (g + m) / n, draw(st.integers(0, n)) / n, draw(st.floats(0, 1))]
    a = draw(st.sampled_from(near))
    width = draw(st.sampled_from([2**-52, 1e-15, 1e-12, 1e-9, 1 / n, 0.5]))
    b = draw(st.sampled_from([*near, a + width, np.nextafter(a, 2.0), a + width * draw(st.floats(0.1, 10))]))
    a, b = sorted((float(a), min(float(b), 1.0)))
    if a == b:
        a, b = (0.0, b) if b else (0.0, 1.0)
    return g, m, n, a, b


@pytest.mark.slow
@given(cases())
@example((0, 0, 10**6, 0.7, 0.7 + 1e-12))
@example((5, 10**9 - 5, 10**9, 0.3, 0.3 + 1e-16))
@example((0, 49, 49, 0.0, 5e-324))
@settings(max_examples=600, deadline=None)
def test_areas_are_exact_up_to_one_rounding(case: tuple[int, int, int, float, float]) -> None:
    g, m, n, a, b = case
    expected = area(g, m, n, meant(a, n), meant(b, n))
    assert float(windowed_tpr(g, m, n, (a, b))) == pytest.approx(float(expected), rel=1e-14, abs=1e-15)
    assert float(window_width(n, (a, b))) == pytest.approx(float(n * (meant(b, n) - meant(a, n))), rel=1e-15)


@given(counts(), st.data())
@settings(max_examples=300, deadline=None)
def test_heights_are_exact_up_to_one_rounding(of: tuple[int, int, int], data: st.DataObject) -> None:
    g, m, n = of
    rate = data.draw(st.one_of(st.floats(0, 1), st.integers(0, n).map(lambda k: k / n), st.just(g / n)))
    expected = height(g, m, n, meant(rate, n))
    assert float(tpr_at(g, m, n, rate)) == pytest.approx(float(expected), rel=1e-14, abs=1e-15)
    assert float(rank_of(rate, n)) == pytest.approx(float(n * meant(rate, n)), rel=1e-15)


@given(st.integers(1, MANY), st.data())
def test_a_rank_is_reached_at_its_share_and_a_hit_is_a_window_at_any_size(n: int, data: st.DataObject) -> None:
    g, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert tpr_at(g, 0, n, g / n) == 1.0
    assert windowed_tpr(g, 0, n, ((k - 1) / n, k / n)) == hit_rate(g, 0, k)  # (3), to the last bit


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@example(0.999999, 1.0, 0.5)
@example(1 - 2**-53, 1.0, 0.25)
@example(0.0, 5e-324, 0.75)
def test_mcclish_is_exact_up_to_rounding(one: float, other: float, share: float) -> None:
    a, b = sorted((one, other))
    if a == b:
        return
    low, high, w = Fraction(a), Fraction(b), Fraction(share)
    least, most = (high**2 - low**2) / 2, high - low
    expected = Fraction(1, 2) * (1 + (w * most - least) / (most - least))  # McClish's own form, of the raw area
    conditioning = abs((1 - w) / (2 - low - high)) + 1
    assert abs(Fraction(float(mcclish_of(share, (a, b)))) - expected) <= 4 * Fraction(2) ** -52 * conditioning
    if most > 1e-300:  # of a raw area, whose own rounding is worth more
        conditioning = 1 / (2 - low - high) + 1
        assert (
            abs(Fraction(float(mcclish(share * (b - a), (a, b)))) - expected) <= 4 * Fraction(2) ** -52 * conditioning
        )


def test_by_hand() -> None:
    assert windowed_tpr(0, 0, 10**6, (0.7, 0.7 + 1e-12)) == 1.0
    assert tpr_at(1, 0, 49, 1 / 49) == 1.0 and 49 * (1 / 49) < 1
    # chance level (a + b) / 2 = .9999995: 1/2 (1 + (.5 - .9999995) / .0000005) = 1/2 (1 - 999,999)
    assert metric_of_ranks("mcclish(0.999999,1)", [0], [1], [1]) > 0.49
    assert mcclish_of(0.5, (0.999999, 1.0)) == pytest.approx(-499_999, rel=1e-9)
    # A window one negative wide is no narrow one, however many negatives there are.
    with pytest.warns(UserWarning, match="is 1 whatever") as caught:
        summarise_ranks([0], [0], [MANY], [((MANY - 1) / MANY, 1.0)], [MANY + 1], samples=0)
    assert len(caught) == 1
    narrow = r"window 0,0.01 is narrower than one negative in 1 of 2 rankings \(at least 0.5 of one, of 50 negatives\)"
    with pytest.warns(UserWarning, match=narrow):
        summarise_ranks([0, 0], [0, 0], [50, 200], [(0.0, 0.01)], [1], samples=0)


@pytest.mark.parametrize("k", [10, 10**6])
def test_gains_far_down_a_list_are_not_differences_of_long_sums(k: int) -> None:
    above = np.array([k - 1, k - 2, k - 3, k - 1, 0])
    ties = np.array([0, 1, 4, 10, k + 5])
    ranks = [np.arange(g + 1, min(g + m + 1, k) + 1) for g, m in zip(above.tolist(), ties.tolist())]
    expected = [math.fsum(1 / np.log2(one + 1)) / (m + 1) for one, m in zip(ranks, ties.tolist())]
    np.testing.assert_allclose(ndcg(above, ties, k), expected, rtol=2e-15)
    expected = [math.fsum(1 / one) / (m + 1) for one, m in zip(ranks, ties.tolist())]
    np.testing.assert_allclose(mrr(above, ties, k), expected, rtol=2e-15)


def test_cut_offs_beyond_any_list_take_no_memory() -> None:
    ranking = rank_scores([0, 1, 0], [0.3, 0.2, 0.1])
    assert ndcg([1], [0], 10**30) == pytest.approx([1 / math.log2(3)])
    assert ndcg_several(ranking, 10**30) == pytest.approx([1 / math.log2(3)])
    assert hit_rate([1], [0], 10**30).tolist() == [1.0]
