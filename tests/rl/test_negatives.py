"""Sources of negatives: never the positive, never twice, and included as often as they say."""

import math
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.negatives import (
    Negatives,
    beam_negatives,
    found_in_beam,
    hardest_negatives,
    mixed_negatives,
    sample_positions,
    uniform_negatives,
    window_negatives,
)
from recbench.rl.ranking import rank_beam, rank_catalogue
from recbench.rl.windows import hard_weights

DRAWS = 20_000


class Beams(NamedTuple):
    items: torch.Tensor
    log_probs: torch.Tensor


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def descending(size: int, rows: int = 1) -> torch.Tensor:
    """Item 0 scores best."""
    return torch.arange(size, 0, -1, dtype=torch.float64).expand(rows, size)


def frequencies(items: torch.Tensor, size: int) -> torch.Tensor:
    return torch.bincount(items[items >= 0], minlength=size) / items.shape[0]


@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=5), budget=st.integers(0, 8), seed=st.integers(0, 99))
def test_positions_are_distinct_and_in_range(sizes, budget, seed):
    for size, row in zip(sizes, sample_positions(torch.tensor(sizes), budget, generator(seed)).tolist()):
        drawn = [position for position in row if position >= 0]
        assert len(drawn) == len(set(drawn)) == min(size, budget)
        assert all(position < size for position in drawn)


def test_every_subset_of_positions_is_as_likely():
    drawn = sample_positions(torch.full((DRAWS,), 5), 2, generator()).sort(dim=1).values
    counts = torch.bincount(drawn[:, 0] * 5 + drawn[:, 1], minlength=25).double() / DRAWS
    subsets = [5 * low + high for low in range(5) for high in range(low + 1, 5)]
    # 10 subsets, each .1; the standard error is sqrt(.1 * .9 / 20000) = .0021
    assert counts[subsets].tolist() == pytest.approx(10 * [0.1], abs=0.009)


def test_uniform_negatives_are_uniform_and_their_inclusion_is_true():
    positives = torch.full((DRAWS,), 3)
    exclude = torch.tensor([[7, 0, 3, 7, -1]]).expand(DRAWS, 5)  # 3 is the positive itself, 7 twice
    drawn = uniform_negatives(10, positives, 3, generator(), exclude)
    # n = 10 - {0, 3, 7} = 7 and q = 3 / 7
    expected = [0.0 if item in (0, 3, 7) else 3 / 7 for item in range(10)]
    assert frequencies(drawn.items, 10).tolist() == pytest.approx(expected, abs=0.015)
    assert drawn.inclusion.unique().tolist() == pytest.approx([3 / 7])


def test_too_few_negatives_are_all_taken():
    drawn = uniform_negatives(4, torch.tensor([1]), 5, generator())
    assert sorted(drawn.items[0].tolist()) == [-1, -1, 0, 2, 3]
    assert drawn.inclusion.tolist() == [[1.0] * 5]


def test_seed_decides():
    first, again, other = (uniform_negatives(1000, torch.tensor([1, 2]), 9, generator(s)).items for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_beam_negatives_leave_out_the_positive_and_say_whether_it_was_found():
    positives = torch.tensor([1, 5])
    found = descending(9, 2).topk(5, dim=1)
    ranked = rank_beam(Beams(found.indices, found.values), positives, 9)
    drawn = beam_negatives(ranked, 5, 4, generator())
    assert found_in_beam(ranked, 5).tolist() == [True, False]
    assert ranked.positive_above.tolist() == [1, 5]
    assert sorted(drawn.items[0].tolist()) == [0, 2, 3, 4]
    assert drawn.inclusion[0].tolist() == [1.0] * 4
    assert set(drawn.items[1].tolist()) < {0, 1, 2, 3, 4}
    assert drawn.inclusion[1].tolist() == [0.8] * 4  # four of five


def test_the_positive_just_below_the_beam_is_not_found():
    ranked = rank_catalogue(descending(9, 2), torch.tensor([2, 3]))
    assert found_in_beam(ranked, 3).tolist() == [True, False]
    assert sorted(beam_negatives(ranked, 3, 5, generator()).items[0].tolist()) == [-1, -1, -1, 0, 1]


@pytest.mark.parametrize("positive", [2, 9])
def test_mixed_negatives_come_from_both_with_true_inclusion(positive):
    size, width, budget = 12, 5, 5  # three from the beam, two from the rest
    scores, positives = descending(size, DRAWS), torch.full((DRAWS,), positive)
    ranked = rank_catalogue(scores, positives)
    exclude = torch.full((DRAWS, 1), 11)
    ranked = rank_catalogue(scores, positives, exclude)
    drawn = mixed_negatives(size, ranked, width, positives, budget, generator(), exclude)
    assert (drawn.items.sort(dim=1).values.diff(dim=1) > 0).all()  # distinct
    said = torch.zeros(size, dtype=torch.float64)
    said[drawn.items] = drawn.inclusion
    assert frequencies(drawn.items, size).tolist() == pytest.approx(said.tolist(), abs=0.016)
    assert said[positive] == said[11] == 0
    # in the beam: 4 or 5 negatives, three taken; n - 3 = 7 left for two more: q = 3/m + (1 - 3/m) 2/7
    members = 4 if positive == 2 else 5
    assert said[0].item() == pytest.approx(3 / members + (1 - 3 / members) * 2 / 7)
    assert said[10].item() == pytest.approx(2 / 7)


def test_window_negatives_stay_inside_and_are_uniform():
    positives = torch.full((DRAWS,), 0)
    ranked = rank_catalogue(descending(12, DRAWS), positives)  # item i has rank i
    first, last = torch.full((DRAWS,), 3), torch.full((DRAWS,), 8)
    drawn = window_negatives(ranked, first, last, 4, generator())
    expected = [4 / 6 if 3 <= item <= 8 else 0.0 for item in range(12)]
    assert frequencies(drawn.items, 12).tolist() == pytest.approx(expected, abs=0.015)
    assert drawn.inclusion.unique().tolist() == pytest.approx([4 / 6])
    few = window_negatives(ranked, first, torch.full((DRAWS,), 4), 4, generator())
    assert sorted(few.items[0].tolist()) == [-1, -1, 3, 4]
    assert few.inclusion[0].tolist() == [1.0] * 4


def test_window_beyond_the_list_is_empty():
    found = descending(9).topk(4, dim=1)
    ranked = rank_beam(Beams(found.indices, found.values), torch.tensor([8]), 9)
    drawn = window_negatives(ranked, torch.tensor([6]), torch.tensor([8]), 2, generator())
    assert drawn.items.tolist() == [[-1, -1]]


@pytest.mark.parametrize("source", ["random", "mixed"])
def test_self_normalised_weights_under_sampling_agree_with_exhaustive_ones(source):
    """sum_j w_j f_j over samples against all negatives, for a window with a fractional end; f is the rank itself."""
    size, draws, budget = 121, 4000, 60
    positives = torch.zeros(draws, dtype=torch.int64)
    ranked = rank_catalogue(descending(size, draws), positives)
    lower, upper = torch.full((draws,), 10.0), torch.full((draws,), 80.5)
    every = torch.arange(1, size)[None]
    exhaustive = (hard_weights(every, lower[:1], upper[:1], torch.ones(1, size - 1)) * every).sum().item()
    # by hand: ranks 11 to 80 whole and half of 81: (70 * 45.5 + .5 * 81) / 70.5
    assert exhaustive == pytest.approx((70 * 45.5 + 0.5 * 81) / 70.5)
    if source == "random":
        drawn = uniform_negatives(size, positives, budget, generator())
    else:
        drawn = mixed_negatives(size, ranked, 40, positives, budget, generator())
    ranks, _ = ranked.look_up(drawn.items)
    weights = hard_weights(ranks, lower, upper, drawn.inclusion)
    estimates = (weights * ranks).sum(dim=1)
    standard_error = estimates.std().item() / draws**0.5
    assert standard_error < 0.08
    assert estimates.mean().item() == pytest.approx(
        exhaustive, abs=4 * standard_error + 0.15
    )  # + bias of order 1 / budget


def test_hardest_are_the_best_scored_of_the_pool_that_exist():
    pool = Negatives(torch.tensor([[7, 2, 9, 4], [1, 5, -1, -1]]), torch.ones(2, 4))
    scores = torch.tensor([[-3.0, -1.0, -2.0, -4.0], [-5.0, -4.0, 0.0, 0.0]])  # pads score nothing, whatever they say
    kept = hardest_negatives(pool, scores, 3)
    assert kept.items.tolist() == [[2, 9, 7], [5, 1, -1]]
    assert (kept.inclusion == 1).all()
    assert hardest_negatives(pool, scores, 5).items.tolist() == [[2, 9, 7, 4, -1], [5, 1, -1, -1, -1]]


def test_hardest_of_a_uniform_pool_weigh_the_head_of_the_curve():
    """Kept with rank k (of 9): the pool of 3 has it, and the one kept is the best: C(9 - k, 2) / C(9, 3)."""
    positives = torch.full((DRAWS,), 9)
    pool = uniform_negatives(10, positives, 3, generator())
    kept = hardest_negatives(pool, descending(10, DRAWS).gather(1, pool.items), 1)
    expected = [math.comb(9 - rank, 2) / math.comb(9, 3) for rank in range(1, 10)]
    assert expected[0] == pytest.approx(1 / 3)  # it is in a third of the pools, and always kept
    # standard errors are at most sqrt(1/3 * 2/3 / 20000) = .0033
    assert frequencies(kept.items, 10)[:9].tolist() == pytest.approx(expected, abs=0.014)
