"""Ranks among negatives: a brute-force loop, beams against the catalogue, exclusions."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.ranking import distinct_exclusions, rank_beam, rank_catalogue, rank_error


class Beams(NamedTuple):
    items: torch.Tensor
    log_probs: torch.Tensor


def top(scores: torch.Tensor, width: int) -> Beams:
    found = scores.topk(width, dim=1)
    return Beams(found.indices, found.values)


@given(
    scores=st.lists(st.integers(-5, 0), min_size=2, max_size=12),
    data=st.data(),
)
def test_exact_ranks_against_a_loop(scores, data):
    size = len(scores)
    positive = data.draw(st.integers(0, size - 1))
    seen = data.draw(st.lists(st.integers(-1, size - 1), max_size=4))
    negatives = [i for i in range(size) if i != positive and i not in seen]
    negatives.sort(key=lambda i: -scores[i])  # stable: ties stay in row order
    exclude = torch.tensor([seen], dtype=torch.int64) if seen else None
    ranked = rank_catalogue(torch.tensor([scores], dtype=torch.float64), torch.tensor([positive]), exclude)
    assert ranked.negatives.item() == ranked.known.item() == len(negatives)
    assert ranked.items[0].tolist() == negatives + (size - len(negatives)) * [-1]
    assert ranked.positive_above.item() == sum(scores[i] > scores[positive] for i in negatives)
    ranks, values = ranked.look_up(torch.arange(-1, size)[None])
    for item, rank, value in zip(range(-1, size), ranks[0].tolist(), values[0].tolist()):
        assert rank == (negatives.index(item) + 1 if item in negatives else 0)
        assert value == (scores[item] if item in negatives else -torch.inf)


def test_a_beam_as_wide_as_the_catalogue_is_exact():
    scores = torch.randn(5, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    positives = torch.tensor([0, 3, 7, 7, 29])
    exclude = torch.tensor([[1, 2, -1], [3, 3, 4], [-1, -1, -1], [7, 8, 9], [0, 0, 0]])
    exact, near = rank_catalogue(scores, positives, exclude), rank_beam(top(scores, 30), positives, 30, exclude)
    for field in ("items", "scores", "known", "negatives", "positive_found", "positive_above", "positive_scores"):
        assert torch.equal(getattr(exact, field), getattr(near, field)), field


def test_a_beam_that_missed_the_positive_gives_a_lower_bound():
    scores = torch.arange(10, 0, -1, dtype=torch.float64)[None]
    found = rank_beam(top(scores, 4), torch.tensor([2]), 10)
    missed = rank_beam(top(scores, 4), torch.tensor([8]), 10)
    assert (found.positive_found.item(), found.positive_above.item(), found.positive_scores.item()) == (True, 2, 8.0)
    assert (missed.positive_found.item(), missed.positive_above.item()) == (False, 4)
    assert found.items.tolist() == [[0, 1, 3, -1]]
    assert (found.known.item(), missed.known.item(), missed.negatives.item()) == (3, 4, 9)
    # known 3 of 9: the midpoint after rank 2 is the last
    assert found.threshold(torch.tensor([1])).item() == 9.5
    assert found.threshold(torch.tensor([3])).item() == 8.0


def test_exclusions_are_counted_once():
    left_out = distinct_exclusions(torch.tensor([[5, 2, 5, -1]]), torch.tensor([2]))
    assert sorted(left_out[0].tolist()) == [-1, -1, -1, 2, 5]


def test_rank_error_by_hand():
    # scores 10, 9, ..., 1; the positive is item 9. The beam missed item 1, so items 2, 3, 4 rank one too high.
    scores = torch.arange(10, 0, -1, dtype=torch.float64)[None]
    positive = torch.tensor([9])
    exact = rank_catalogue(scores, positive)
    near = rank_beam(
        Beams(torch.tensor([[0, 2, 3, 4]]), torch.tensor([[10.0, 8, 7, 6]], dtype=torch.float64)), positive, 10
    )
    error = rank_error(exact, near, torch.tensor([1.0]), torch.tensor([3.0]))
    assert error.recall == pytest.approx(2 / 3)  # of items 0, 1, 2, the beam's best three hold 0 and 2
    assert error.rank == pytest.approx(1 / 2)  # items 0 and 2, wrong by 0 and 1
    assert error.high_threshold == pytest.approx(abs(9.5 - 9.0))
    assert error.low_threshold == pytest.approx(abs(7.5 - 6.5))
    # the positive has all nine above it, the beam did not find it: v = 0 with either, as r_hi = 3
    assert error.context == 0.0
    assert rank_error(exact, exact, torch.tensor([1.0]), torch.tensor([3.0])) == (1.0, 0.0, 0.0, 0.0, 0.0)


def test_contexts_that_a_beam_cuts_off_are_counted():
    # 2, 4 and 8 negatives are above the positives; windows (1, 3] with reach 2 have r_lo = 0, r_hi = 6; beams hold 4
    scores = torch.arange(10, 0, -1, dtype=torch.float64).expand(3, 10)
    positives = torch.tensor([2, 4, 8])
    error = rank_error(
        rank_catalogue(scores, positives),
        rank_beam(top(scores, 4), positives, 10),
        torch.ones(3),
        torch.full((3,), 3.0),
        reach=2.0,
    )
    assert error.context == pytest.approx(1 / 3)  # the second: in reach, and not found


def test_a_constant_of_a_context_is_no_error():
    scores = torch.randn(3, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    positives = torch.tensor([0, 5, 11])
    shifted = rank_catalogue(scores + torch.tensor([[3.0], [-2.0], [7.0]]), positives)
    error = rank_error(rank_catalogue(scores, positives), shifted, torch.full((3,), 2.0), torch.full((3,), 5.0))
    assert error == pytest.approx((1.0, 0.0, 0.0, 0.0, 0.0), abs=1e-12)
