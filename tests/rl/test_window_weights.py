"""Weights of windows: hand-worked numbers, brute force over intervals, limits, and properties."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.windows import (
    context_ranks,
    hard_context_weights,
    hard_weights,
    ranks_near,
    ranks_touched,
    soft_context_weights,
    soft_weights,
    thresholds,
    window_for_top_k,
    window_in_ranks,
)


def of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_hard_weights_by_hand():
    # n = 10, window (0.15, 0.4] is ranks (1.5, 4]: rank 1 nothing, rank 2 a half, ranks 3 and 4 whole, rank 5 nothing
    lower, upper = window_in_ranks((0.15, 0.4), torch.tensor([10]))
    weights = hard_weights(torch.tensor([[1, 2, 3, 4, 5, 0]]), lower, upper, torch.ones(1, 6))
    assert weights[0].tolist() == pytest.approx([0, 0.2, 0.4, 0.4, 0, 0])


def test_inclusion_divides():
    # both whole inside; the second is drawn half as often, so it stands for twice as many: 1 : 2
    weights = hard_weights(torch.tensor([[1, 2]]), of(0), of(5), of(1.0, 0.5)[None])
    assert weights[0].tolist() == pytest.approx([1 / 3, 2 / 3])


@given(
    n=st.integers(1, 30),
    ends=st.tuples(st.integers(0, 120), st.integers(0, 120)).filter(lambda pair: pair[0] != pair[1]),
    data=st.data(),
)
def test_hard_weights_are_interval_intersections(n, ends, data):
    """Exact fractions, one negative at a time."""
    a, b = sorted(Fraction(end, 120) for end in ends)
    ranks = data.draw(st.lists(st.integers(1, n), min_size=1, max_size=8, unique=True))
    overlap = [max(Fraction(0), min(Fraction(k, n), b) - max(Fraction(k - 1, n), a)) for k in ranks]
    total = sum(overlap)
    expected = [float(part / total) if total else 0.0 for part in overlap]
    lower, upper = window_in_ranks((float(a), float(b)), torch.tensor([n]))
    weights = hard_weights(torch.tensor([ranks]), lower, upper, torch.ones(1, len(ranks)))[0]
    assert weights.tolist() == pytest.approx(expected, abs=1e-7)


def test_aligned_ends_do_not_touch_the_next_rank():
    # 15 / 12101 * 12101 is not 15 in floating point for many n: rank 16 must still have weight 0, rank 15 not
    for n in range(20, 20000, 7):
        count = torch.tensor([n])
        lower, upper = window_in_ranks((4 / n, 15 / n), count)
        assert (lower.item(), upper.item()) == (4.0, 15.0)
        assert hard_weights(torch.tensor([[4, 5, 15, 16]]), lower, upper, torch.ones(1, 4))[0].tolist() == [
            0,
            0.5,
            0.5,
            0,
        ]
        assert [int(end) for end in ranks_touched(lower, upper)] == [5, 15]
        assert [int(end) for end in context_ranks(lower, upper)] == [4, 15]
        assert [int(end) for end in context_ranks(lower, upper, 2.0)] == [2, 30]


@pytest.mark.parametrize(
    ("k", "first", "last"), [(1, 1, 2), (2, 1, 3), (3, 1, 5), (5, 2, 8), (10, 5, 15), (50, 25, 75)]
)
def test_window_of_top_k(k, first, last):
    a, b = window_for_top_k(k, 1000)
    lower, upper = window_in_ranks((a, b), torch.tensor([1000]))
    assert [int(end) for end in ranks_touched(lower, upper)] == [first, last]
    assert a <= (k - 1) / 1000 < k / 1000 <= b  # it holds the window that HR@k is, (3)


def test_window_of_top_k_ends_with_the_negatives():
    assert window_for_top_k(10, 12) == (4 / 12, 1.0)


def test_thresholds_by_hand():
    scores = torch.tensor([[5.0, 4.0, 2.0, 1.0]])
    known, n = torch.tensor([4]), torch.tensor([4])
    at = [thresholds(scores, known, n, torch.tensor([k])).item() for k in range(6)]
    assert at == [math.inf, 4.5, 3.0, 1.5, -math.inf, -math.inf]


def test_thresholds_of_a_beam_end_with_it():
    scores = torch.tensor([[5.0, 4.0, 2.0, -math.inf]])
    known, n = torch.tensor([3]), torch.tensor([100])
    at = [thresholds(scores, known, n, torch.tensor([k])).item() for k in (0, 1, 2, 3, 50, 100)]
    assert at == [math.inf, 4.5, 3.0, 3.0, 3.0, 3.0]
    nothing = thresholds(scores, torch.tensor([0]), n, torch.tensor([2]))
    assert nothing.item() == math.inf  # no negative is known: no score is below the window


def test_soft_weights_by_hand():
    # T = 1, t_a = 2, t_b = 0, scores 1 and 2: sigmoid(1)^2 = .534447, sigmoid(0) sigmoid(2) = .440399
    weights = soft_weights(of(1, 2)[None], torch.ones(1, 2, dtype=torch.bool), of(2), of(0), 1.0, torch.ones(1, 2))
    assert weights[0].tolist() == pytest.approx([0.534447 / 0.974846, 0.440399 / 0.974846], abs=1e-6)


@pytest.mark.slow
@given(
    seed=st.integers(0, 1000),
    lower=st.integers(0, 18),
    width=st.integers(1, 20),
)
def test_soft_tends_to_hard_for_aligned_windows(seed, lower, width):
    n = 20
    upper = min(lower + width, n)
    scores = torch.rand(1, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).sort(descending=True)[
        0
    ]
    known = torch.tensor([n])
    ends = of(lower), of(upper)
    high, low = [thresholds(scores, known, known, end.long()) for end in ends]
    ones = torch.ones(1, n)
    soft = soft_weights(scores, ones.bool(), high, low, 1e-9, ones)
    hard = hard_weights(torch.arange(1, n + 1)[None], *ends, ones)
    assert torch.allclose(soft, hard, atol=1e-4)
    first, end = context_ranks(*ends)
    for above in range(n + 1):  # a positive in the middle of the gap below rank `above`, off the thresholds themselves
        upper_neighbour = scores[0, above - 1].item() if above else scores[0, 0].item() + 1
        lower_neighbour = scores[0, above].item() if above < n else scores[0, -1].item() - 1
        for share in (0.25, 0.75):
            positive = of(lower_neighbour + share * (upper_neighbour - lower_neighbour))
            t_hi, t_lo = (thresholds(scores, known, known, place) for place in (first, end))
            soft_v = soft_context_weights(positive, t_hi, t_lo, 1e-9).item()
            hard_v = hard_context_weights(torch.tensor([above]), *ends).item()
            # the midpoint cuts the gap at each end in two: only there may the two disagree
            if above not in (int(first), int(end)):
                assert soft_v == pytest.approx(hard_v, abs=1e-4)


def test_hard_context_weights_by_hand():
    # window (4, 15] in ranks: 4 <= above < 15, and with reach 2: 2 <= above < 30
    ends = torch.full((5,), 4.0), torch.full((5,), 15.0)
    assert hard_context_weights(torch.tensor([0, 3, 4, 14, 15]), *ends).tolist() == [0, 0, 1, 1, 0]
    assert hard_context_weights(torch.tensor([0, 1, 2, 29, 30]), *ends, reach=2.0).tolist() == [0, 0, 1, 1, 0]


def test_soft_context_weights_by_hand():
    # s+ = 1 between t_lo = 0 and t_hi = 2, T = 1: sigmoid(1)^2; no upper end: sigmoid(1)
    weights = soft_context_weights(of(1, 1), of(2, math.inf), of(0, 0), 1.0)
    assert weights.tolist() == pytest.approx([0.5344466, 0.7310586])


def test_range_that_soft_windows_draw_from():
    # (9) in ranks: floor(4 / 2) = 2 to 2 * 15 = 30, cut at n; never rank 0
    first, last = ranks_near(of(4, 0, 4), of(15, 3, 15), torch.tensor([100, 100, 20]))
    assert first.tolist() == [2, 1, 2]
    assert last.tolist() == [30, 6, 20]


groups = st.integers(1, 6).flatmap(
    lambda size: st.lists(
        st.tuples(st.floats(-30, 0), st.booleans(), st.floats(0.01, 1.0)), min_size=size, max_size=size
    )
)


@given(
    rows=groups,
    ends=st.tuples(st.floats(-30, 0), st.floats(-30, 0)),
    temperature=st.floats(0.01, 5),
    shift=st.floats(-50, 50),
)
def test_soft_weights_are_a_distribution_or_nothing_and_ignore_shifts(rows, ends, temperature, shift):
    scores = of(*[row[0] for row in rows])[None]
    valid = torch.tensor([[row[1] for row in rows]])
    inclusion = of(*[row[2] for row in rows])[None]
    high, low = of(max(ends)), of(min(ends))
    weights = soft_weights(scores, valid, high, low, temperature, inclusion)
    assert (weights >= 0).all()
    assert (weights[~valid] == 0).all()
    total = weights.sum().item()
    assert total == 0.0 or total == pytest.approx(1.0)
    moved = soft_weights(scores + shift, valid, high + shift, low + shift, temperature, inclusion)
    if total and moved.sum():  # both sides of the cut-off at 1e-6 can differ by rounding
        assert torch.allclose(weights, moved, atol=1e-6)


@given(
    ranks=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    ends=st.tuples(st.floats(0, 40), st.floats(0, 40)),
    data=st.data(),
)
def test_hard_weights_are_a_distribution_or_nothing(ranks, ends, data):
    inclusion = of(*data.draw(st.lists(st.floats(0.01, 1.0), min_size=len(ranks), max_size=len(ranks))))[None]
    weights = hard_weights(torch.tensor([ranks]), of(min(ends)), of(max(ends)), inclusion)
    assert (weights >= 0).all()
    assert weights.sum().item() == 0.0 or weights.sum().item() == pytest.approx(1.0)


def test_far_from_the_window_is_nothing_rather_than_the_nearest():
    far = soft_weights(of(-40, -50)[None], torch.ones(1, 2, dtype=torch.bool), of(-1), of(-2), 0.5, torch.ones(1, 2))
    assert far.tolist() == [[0.0, 0.0]]
