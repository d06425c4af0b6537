"""Estimated ranks: exact where nothing is left out, right on average otherwise, and what is tracked over steps."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.rl.estimation import (
    Head,
    inclusion_probabilities,
    make_pool,
    rank_pool,
    sample_items,
    start_tracker,
)
from recbench.rl.negatives import window_negatives
from recbench.rl.ranking import rank_beam, rank_catalogue, rank_error
from recbench.rl.windows import hard_metric_weights, hard_weights, metric_coefficients, rank_widths, thresholds_between

pytestmark = pytest.mark.slow


def uniform(size, head, budget):
    """Probabilities of budget items drawn uniformly of those that are not in head."""
    probabilities = torch.zeros(size, dtype=torch.float64)
    rest = [item for item in range(size) if item not in head]
    probabilities[rest] = min(1.0, budget / max(1, len(rest)))
    return probabilities


def scored(scores, items):
    """Items [B, K] with their scores, as a head."""
    return Head(items, scores.gather(1, items))


def estimated(scores, head, sample, positives, exclude=None, tracker=None, depth=None, probabilities=None):
    """Ranks from a head and a sample (lists of items) that all contexts share.

    Without probabilities the sample is one of the rest's negatives, uniformly; the positives are not of the head.
    """
    many, size = scores.shape
    if probabilities is None:
        share = len(sample) / max(1, size - len(set(head)) - 1)
        probabilities = torch.full((size,), min(1.0, share or 1.0), dtype=torch.float64)
    head, sample = (torch.tensor(items, dtype=torch.int64).expand(many, -1) for items in (head, sample))
    own = positives[:, None]
    found = scores.gather(1, torch.cat([own, sample], dim=1))
    pool = make_pool(scored(scores, head), sample, own, found, positives, exclude, probabilities)
    chance = probabilities[positives]
    return rank_pool(pool, size, positives, found[:, 0], exclude, chance, tracker, depth)


def assert_exact(exact, near):
    for field in ("negatives", "known", "positive_above"):
        assert torch.equal(getattr(exact, field), getattr(near, field)), field
    size = exact.items.shape[1]
    everyone = torch.arange(size).expand(len(exact.items), size)
    assert torch.equal(exact.look_up(everyone)[0].double(), near.look_up(everyone)[0].double())
    for position in range(size + 1):
        here = torch.full_like(exact.known, position)
        torch.testing.assert_close(exact.threshold(here), near.threshold(here), atol=1e-12, rtol=0)
    listed = near.items >= 0
    assert (near.inclusion[listed] == 1).all()
    assert rank_error(exact, near, torch.zeros_like(exact.known).double(), exact.negatives.double())[:2] == (1.0, 0.0)


@given(scores=st.lists(st.integers(-5, 0), min_size=2, max_size=12), data=st.data())
def test_a_sample_of_all_the_rest_is_exact(scores, data):
    """With ties, exclusions, any head, from a shortlist and from beams; whatever was tracked before."""
    size = len(scores)
    values = torch.tensor([scores], dtype=torch.float64)
    positives = torch.tensor([data.draw(st.integers(0, size - 1))])
    seen = data.draw(st.lists(st.integers(-1, size - 1), max_size=3))
    exclude = torch.tensor([seen], dtype=torch.int64) if seen else None
    head = data.draw(st.sets(st.integers(0, size - 1), max_size=size))
    exact = rank_catalogue(values, positives, exclude)
    if int(exact.negatives) == 0:
        return
    tracker = start_tracker(size, size, size, 0.9)
    tracker.missed.copy_(torch.tensor([[1.0], [2.0], [9.0], [1.0]]).expand(4, size))  # two missed, more or less
    rest = [item for item in range(size) if item not in head]
    assert_exact(exact, estimated(values, sorted(head), rest, positives, exclude, tracker))
    best = values.topk(max(1, len(head)), dim=1).indices[0].tolist()  # as a beam: the sample knows nothing of it
    assert_exact(exact, estimated(values, best, list(range(size)), positives, exclude))


def test_a_beam_that_missed_nothing_gives_its_own_ranks():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 60, generator=generator, dtype=torch.float64)
    positives = torch.arange(20)
    best = scores.topk(25, dim=1)
    beams = Head(best.indices, best.values)
    near = rank_beam(beams, positives, 60)
    tracker = start_tracker(60, 25, 6, 0.9)
    chances = uniform(60, [], 6)
    sample = sample_items(20, chances, generator)
    found = scores.gather(1, torch.cat([positives[:, None], sample], dim=1))
    pool = make_pool(beams, sample, positives[:, None], found, positives, None, chances)
    ranked = rank_pool(pool, 60, positives, found[:, 0], None, chances[positives], tracker)
    assert torch.equal(near.look_up(near.items)[0].double(), ranked.look_up(near.items)[0])
    held = near.positive_found
    assert 0 < held.sum() < 20
    assert torch.equal(near.positive_above[held], ranked.positive_above[held])
    assert (ranked.positive_above[~held] >= 25).all()
    for position in range(1, 23):
        here = torch.full((20,), position)
        torch.testing.assert_close(near.threshold(here), ranked.threshold(here), atol=1e-12, rtol=0)


def test_ranks_of_the_head_are_right_on_average_over_all_samples():
    """All 56 samples of three of the rest's eight; the true ranks are 2, 5, 9 and 12 of 12."""
    scores = torch.arange(13, 0, -1, dtype=torch.float64)[None]
    positives = torch.tensor([12])
    head, rest = [1, 4, 8, 11], [0, 2, 3, 5, 6, 7, 9, 10]
    ranks = [
        estimated(scores, head, list(sample), positives).look_up(torch.tensor([head]))[0][0]
        for sample in combinations(rest, 3)
    ]
    assert torch.stack(ranks).mean(dim=0).tolist() == pytest.approx([2, 5, 9, 12])
    assert torch.stack(ranks).std(dim=0)[:3].min() > 0.5  # no single sample knows


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ranks_of_sampled_negatives_are_expected_order_statistics(count):
    """Without a head: the mean true rank of the r-th best of the sample, over all samples of nine negatives."""
    scores = torch.arange(10, 0, -1, dtype=torch.float64)[None]
    positives = torch.tensor([9])
    samples = torch.tensor(list(combinations(range(9), count)))
    ranked = estimated(scores, [], samples[0].tolist(), positives)
    expected = (samples.double() + 1).mean(dim=0)
    assert ranked.ranks[0, :count].tolist() == pytest.approx(expected.tolist())
    assert ranked.inclusion[0, :count].tolist() == pytest.approx(count * [count / 9])


def test_a_positive_between_two_of_the_sample_by_hand():
    # Head: items 0 and 5 (scores 10, 5). Sample of the rest 1-4, 6-8: items 2 and 6. The positive is item 9, score 3.5.
    scores = torch.tensor([[10.0, 9, 8, 7, 6, 5, 4, 3, 2, 3.5]], dtype=torch.float64)
    ranked = estimated(scores, [0, 5], [2, 6], torch.tensor([9]))
    # W = 0 and 7/2 * 1 = 3.5 above the head's items; so 2.5 unscored above item 5 and 7 - 2 - 2.5 = 2.5 below it.
    assert ranked.items[0, :4].tolist() == [0, 2, 5, 6]
    # item 2 is in the middle of the gap's 2.5, item 5 behind them: 1 + 2 + 2.5; item 6 has half of 2.5 above it
    assert ranked.ranks[0, :4].tolist() == pytest.approx([1, 2 + 1.25, 5.5, 1 + 3 + 2.5 + 1.25])
    # item 9, the positive, is behind item 6: the second of two scored ones would have two thirds of the 2.5 above it
    assert ranked.positive_above.item() == pytest.approx(4 + 2.5 + 2.5 * 2 / 3)


@given(data=st.data(), seed=st.integers(0, 999), size=st.integers(3, 40))
def test_ranks_rise_with_falling_scores_and_widths_sum_to_the_negatives(data, seed, size):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(4, size, generator=generator, dtype=torch.float64).round(decimals=1)
    positives = torch.randint(size, (4,), generator=generator)
    count = data.draw(st.integers(0, size))
    head = torch.randperm(size, generator=generator)[:count]
    left = [item for item in range(size) if item not in head.tolist()]
    sizes = torch.rand(len(left), generator=generator, dtype=torch.float64) + 0.01
    probabilities = torch.ones(size, dtype=torch.float64)
    probabilities[left] = inclusion_probabilities(sizes, data.draw(st.integers(1, size)))
    drawn = torch.where(probabilities < 1, probabilities, 0.0)
    certain = [item for item in left if probabilities[item] == 1]
    sample = torch.tensor([*certain, *sample_items(1, drawn, generator)[0].tolist()], dtype=torch.int64)
    tracker = start_tracker(size, size, size, 0.5)
    tracker.missed.copy_(torch.rand(4, size, generator=generator))
    exclude = torch.randint(-1, size, (4, 2), generator=generator)
    for _ in range(2):
        ranked = estimated(scores, head.tolist(), sample.tolist(), positives, exclude, tracker, None, probabilities)
        assert (ranked.ranks[:, 1:] >= ranked.ranks[:, :-1]).all()
        real = ranked.items >= 0
        assert (ranked.ranks[real] >= 1).all()
        assert (ranked.ranks <= ranked.negatives[:, None] + 1e-9)[real].all()
        assert ((ranked.positive_above >= 0) & (ranked.positive_above <= ranked.negatives)).all()
        assert not (ranked.items[real] == positives[:, None].expand_as(real)[real]).any()
        widths = rank_widths(ranked.ranks, ranked.known, ranked.negatives).sum(dim=1)
        some = ranked.known > 0  # a list of nothing stands for nothing
        assert widths[some].tolist() == pytest.approx(ranked.negatives[some].tolist())
        ends = [ranked.threshold(torch.full((4,), position)) for position in range(size)]
        assert all((high >= low).all() for high, low in zip(ends, ends[1:]))


def test_thresholds_between_by_hand():
    scores = torch.tensor([[9.0, 5.0, 1.0]], dtype=torch.float64)
    ranks = torch.tensor([[1.0, 5.0, 9.0]], dtype=torch.float64)
    known, negatives = torch.tensor([3]), torch.tensor([10])
    # rank 2.5 is 1.5 / 4 of the way from 9 to 5; rank 7.5 is 2.5 / 4 from 5 to 1; behind rank 9 the last score stands
    expected = {0: torch.inf, 2: 7.5, 7: 2.5, 9: 1.0, 10: -torch.inf}
    for position, value in expected.items():
        assert thresholds_between(scores, ranks, known, negatives, torch.tensor([position])).item() == value


def test_every_negative_counts_once_on_average():
    """Frequencies over draws: a member of the window enters with the probability that it is weighed by."""
    size, draws = 30, 1500
    generator = torch.Generator().manual_seed(0)
    scores = torch.arange(size, 0, -1, dtype=torch.float64)[None]
    positives, head = torch.tensor([29]), [0, 1, 2, 3, 10]
    counts, weighted = torch.zeros(size), torch.zeros(size, dtype=torch.float64)
    for _ in range(draws):
        sample = sample_items(1, uniform(size, head, 8), generator)[0]
        chances = uniform(size, head, 8)
        ranked = estimated(scores, head, sample.tolist(), positives, probabilities=chances)
        drawn = window_negatives(ranked, torch.tensor([1]), torch.tensor([29]), 5, generator)
        real = drawn.items[0] >= 0
        counts[drawn.items[0, real]] += 1
        weighted[drawn.items[0, real]] += 1 / drawn.inclusion[0, real]
    # 13 scored negatives (12 if item 29, the positive, was drawn): q = 5 / 13 in the head, 8 / 25 of that in the rest
    assert (counts[head] / draws).tolist() == pytest.approx(5 * [5 / 13], abs=0.05)
    negatives = list(range(29))
    # q of the rest is about .12: standard error sqrt((1 / .12 - 1) / 1500) = .07, four of them for 29 items
    assert (weighted[negatives] / draws).tolist() == pytest.approx(29 * [1.0], abs=0.28)
    assert weighted[negatives].mean().item() / draws == pytest.approx(1.0, abs=0.02)


def test_hard_weights_sum_to_one_on_average_and_exactly_where_all_is_known():
    size = 12
    scores = torch.arange(size, 0, -1, dtype=torch.float64)[None]
    positives, head = torch.tensor([11]), [0, 2]
    rest = [1, 3, 4, 5, 6, 7, 8, 9, 10]
    total = torch.tensor([11.0], dtype=torch.float64)
    sums = []
    for sample in combinations(rest, 3):
        ranked = estimated(scores, head, list(sample), positives)
        overlap = (torch.tensor([0.0]), torch.tensor([11.0]))
        inside = torch.where(ranked.items >= 0, ranked.ranks, 0.0)
        sums.append(hard_weights(inside, *overlap, ranked.inclusion, total).sum().item())
    assert sum(sums) / len(sums) == pytest.approx(1.0)


def test_a_metric_weighs_a_rank_between_two_by_its_share_of_both():
    coefficients = metric_coefficients("mrr", 3)  # 1/2, 1/6, 1/3
    ranks = torch.tensor([[1.0, 1.25, 2.5, 3.5, 4.5, 0.0]], dtype=torch.float64)
    weights = hard_metric_weights(ranks, coefficients, torch.ones_like(ranks), torch.ones(1, dtype=torch.float64))
    expected = [1 / 2, 0.75 / 2 + 0.25 / 6, 0.5 / 6 + 0.5 / 3, 0.5 / 3, 0.0, 0.0]
    assert weights[0].tolist() == pytest.approx(expected)


def test_credibility_by_hand():
    tracker = start_tracker(10, 2, 3, 0.5)
    # W = 0 and 4 at place 1, sampling variance 1 each: mean 2, variance 4, of which 3 between contexts: Z = .75
    # At place 2 only the first is there: W = 1, variance 2: all of it is sampling.
    tracker.count_missed(
        torch.tensor([[0.0, 1.0], [4.0, 7.0]], dtype=torch.float64),
        torch.tensor([[1.0, 2.0], [1.0, 2.0]], dtype=torch.float64),
        torch.tensor([[True, True], [True, False]]),
    )
    mean, weight = tracker.credibility()
    assert mean.tolist() == [2.0, 1.0]
    assert weight.tolist() == [0.75, 0.0]


def test_a_context_leans_on_what_was_missed_before():
    """The head always misses the best item; a sample that does not show it is not believed."""
    size = 40
    scores = torch.arange(size, 0, -1, dtype=torch.float64).expand(16, size)
    positives = torch.full((16,), 39)
    head, generator = list(range(1, 9)), torch.Generator().manual_seed(0)
    tracker = start_tracker(size, 8, 10, 0.99)
    for _ in range(200):
        sample = sample_items(1, uniform(size, head, 10), generator)[0]
        estimated(scores, head, sample.tolist(), positives, None, tracker)
    unlucky = estimated(scores, head, list(range(20, 30)), positives, None, tracker.copy())
    alone = estimated(scores, head, list(range(20, 30)), positives)
    ranks, _ = unlucky.look_up(torch.tensor([head]).expand(16, 8))
    assert ranks[0].tolist() == pytest.approx(list(range(2, 10)), abs=0.35)
    assert alone.look_up(torch.tensor([head]).expand(16, 8))[0][0].tolist() == list(range(1, 9))
    assert int(tracker.steps) == 200


def test_all_items_are_scored_once_and_then_those_that_were_among_the_best():
    size = 20
    tracker = start_tracker(size, 3, 2, 0.5)
    assert tracker.probabilities().tolist() == size * [1.0]
    scores = torch.zeros(3, size, dtype=torch.float64)
    scores[:, [3, 7, 11, 13, 17]] = torch.tensor([5.0, 4, 3, 2, 1], dtype=torch.float64)
    positives = torch.tensor([0, 1, 3])
    depth = torch.full((3,), 3.0)
    estimated(scores, list(range(size)), [], positives, None, tracker, depth)
    # The best three are 3, 7 and 11 but for the last context, whose positive is 3: 7, 11, 13.
    assert tracker.head_counts.nonzero().squeeze(1).tolist() == [3, 7, 11, 13]
    assert tracker.head_counts[[3, 7, 11, 13]].tolist() == [2, 3, 3, 1]
    chances = tracker.probabilities()
    assert (chances == 1).nonzero().squeeze(1).tolist() == [3, 7, 11]
    # Two of the rest by the roots of counts and .05 of the mean count of 9 / 20: item 13 has sqrt(1.0225) to .15.
    unit = 2 / (16 * 0.15 + 1.0225**0.5)
    assert chances[13].item() == pytest.approx(unit * 1.0225**0.5)
    assert chances[0].item() == pytest.approx(0.15 * unit)
    assert chances.sum().item() == pytest.approx(5)
    # One of the sample counts for those that it stands for: item 17, drawn with probability a fifth.
    scores[:, 17] = 9.0
    fifth = torch.full((size,), 0.2, dtype=torch.float64)
    estimated(scores, [3, 7, 11], [2, 13, 17], torch.tensor([1, 1, 1]), None, tracker, depth, fifth)
    assert tracker.head_counts[17].item() == pytest.approx(3 * 5)
    assert tracker.head_counts[13].item() == 0.5


@given(
    sizes=st.lists(st.floats(0.01, 100), min_size=1, max_size=20),
    budget=st.integers(0, 25),
)
def test_probabilities_are_in_proportion_up_to_one_and_sum_to_the_budget(sizes, budget):
    values = torch.tensor(sizes, dtype=torch.float64)
    chances = inclusion_probabilities(values, budget)
    assert chances.sum().item() == pytest.approx(min(budget, len(sizes)))
    assert ((chances >= 0) & (chances <= 1)).all()
    factor = (chances / values).amax()
    assert torch.allclose(chances, (factor * values).clamp(max=1.0), atol=1e-9)


def test_a_pool_lists_nothing_twice_and_no_positive():
    head = Head(torch.tensor([[2, 5], [2, 0]]), torch.tensor([[9.0, 8], [7, 6]]))
    sample, own = torch.tensor([[4, 5, 1], [5, 3, 1]]), torch.tensor([[5, 4, 6], [9, 2, -1]])
    scores = torch.arange(12.0).reshape(2, 6)
    chances = torch.linspace(0.1, 1.0, 10, dtype=torch.float64)
    pool = make_pool(head, sample, own, scores, torch.tensor([5, 9]), torch.tensor([[-1], [1]]), chances)
    assert pool.probabilities[0, [4, 5]].tolist() == pytest.approx([0.7, 0.5])
    assert pool.items.tolist() == [[2, -1, -1, -1, 6, 4, -1, 1], [2, 0, -1, -1, -1, 5, 3, -1]]
    assert pool.in_head.tolist() == [[True] + 7 * [False], [True, True] + 6 * [False]]
    assert pool.sampled.tolist() == [5 * [False] + [True, False, True], 5 * [False] + [True, True, False]]
    assert pool.scores[0].tolist() == [9, -torch.inf, -torch.inf, -torch.inf, 2, 3, -torch.inf, 5]


def test_samples_have_their_probabilities_and_are_spread_over_the_batch():
    draws, generator = 2000, torch.Generator().manual_seed(0)
    chances = torch.tensor([0.9, 0.0, 0.5, 0.3, 0.3, 0.5, 0.2, 0.1, 0.1, 0.1], dtype=torch.float64)  # three of nine
    samples = torch.stack([sample_items(4, chances, generator) for _ in range(draws)])
    assert samples.shape == (draws, 4, 3)
    assert (samples.sort(dim=2).values.diff(dim=2) > 0).all()  # none twice
    for context in range(4):
        counts = torch.bincount(samples[:, context].flatten(), minlength=10) / draws
        assert counts.tolist() == pytest.approx(chances.tolist(), abs=0.045)  # standard error .011 at most
    # of four contexts an item with .5 has two, one with .3 one or two
    taken = torch.stack([torch.bincount(batch.flatten(), minlength=10) for batch in samples])
    assert (
        set(taken[:, 2].tolist()) == {2} and set(taken[:, 3].tolist()) == {1, 2} and set(taken[:, 7].tolist()) == {0, 1}
    )
    assert sample_items(3, torch.zeros(10, dtype=torch.float64), generator).shape == (3, 0)


def test_uniform_samples_take_every_pair_alike():
    draws, generator = 4000, torch.Generator().manual_seed(0)
    chances = uniform(7, [1], 2)
    pairs = torch.cat([sample_items(1, chances, generator) for _ in range(draws)]).sort(dim=1).values
    counts = torch.bincount(pairs[:, 0] * 7 + pairs[:, 1], minlength=49).double() / draws
    rest = [0, 2, 3, 4, 5, 6]
    expected = [1 / 15 if low < high and low in rest and high in rest else 0 for low in range(7) for high in range(7)]
    assert counts.tolist() == pytest.approx(expected, abs=0.016)  # standard error .0039
