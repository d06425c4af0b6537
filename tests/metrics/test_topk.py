"""Top-K metrics against every order of the ties, scikit-learn, and the identities (4) and (5)."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recbench.errors import UserError
from recbench.metrics.rankings import rank_scores
from recbench.metrics.topk import hit_rate, hit_rate_several, mrr, mrr_several, ndcg, ndcg_several, recall_several
from recbench.metrics.windows import window_auc

TOLERANCE = 1e-9

small_lists = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=6).filter(
    lambda rows: any(label for label, _ in rows)
)


def mean_over_orders(rows: list[tuple[int, int]], metric: Callable[[list[int]], float]) -> float:
    """Mean of a metric of the ranked labels over every order that the scores allow."""
    values = []
    for order in permutations(rows):
        scores = [score for _, score in order]
        if scores == sorted(scores, reverse=True):
            values.append(metric([label for label, _ in order]))
    return float(np.mean(values))


def hit_of(labels: list[int], k: int) -> float:
    return float(any(labels[:k]))


def recall_of(labels: list[int], k: int) -> float:
    return sum(labels[:k]) / sum(labels)


def reciprocal_rank_of(labels: list[int], k: int) -> float:
    return next((1 / rank for rank, label in enumerate(labels[:k], start=1) if label), 0.0)


def ndcg_of(labels: list[int], k: int) -> float:
    gain = sum(label / np.log2(rank + 1) for rank, label in enumerate(labels[:k], start=1))
    return gain / sum(1 / np.log2(rank + 1) for rank in range(1, min(k, sum(labels)) + 1))


@given(above=st.integers(0, 40), ties=st.integers(0, 20), k=st.integers(1, 60))
def test_ndcg_is_a_mixture_of_hit_rates(above: int, ties: int, k: int) -> None:
    """(4), ties included."""
    mixture = sum((1 / np.log2(j + 1) - 1 / np.log2(j + 2)) * hit_rate(above, ties, j) for j in range(1, k))
    mixture += hit_rate(above, ties, k) / np.log2(k + 1)
    assert ndcg(above, ties, k) == pytest.approx(mixture, abs=TOLERANCE)


@given(above=st.integers(0, 40), ties=st.integers(0, 20), k=st.integers(1, 60))
def test_mrr_is_a_mixture_of_hit_rates(above: int, ties: int, k: int) -> None:
    """(5), ties included."""
    mixture = sum((1 / j - 1 / (j + 1)) * hit_rate(above, ties, j) for j in range(1, k))
    mixture += hit_rate(above, ties, k) / k
    assert mrr(above, ties, k) == pytest.approx(mixture, abs=TOLERANCE)


@given(above=st.integers(0, 10), ties=st.integers(0, 5), k=st.integers(1, 20))
def test_one_positive_is_the_mean_over_the_ranks_its_tie_allows(above: int, ties: int, k: int) -> None:
    ranks = range(above + 1, above + ties + 2)
    assert hit_rate(above, ties, k) == pytest.approx(np.mean([rank <= k for rank in ranks]), abs=TOLERANCE)
    assert mrr(above, ties, k) == pytest.approx(np.mean([(rank <= k) / rank for rank in ranks]), abs=TOLERANCE)
    discounted = [(rank <= k) / np.log2(rank + 1) for rank in ranks]
    assert ndcg(above, ties, k) == pytest.approx(np.mean(discounted), abs=TOLERANCE)


@given(rows=small_lists, k=st.integers(1, 7))
@settings(max_examples=60)
def test_several_positives_are_the_mean_over_every_order(rows: list[tuple[int, int]], k: int) -> None:
    ranking = rank_scores([label for label, _ in rows], [score for _, score in rows])
    for computed, of_labels in (
        (hit_rate_several, hit_of),
        (recall_several, recall_of),
        (mrr_several, reciprocal_rank_of),
        (ndcg_several, ndcg_of),
    ):
        expected = mean_over_orders(rows, lambda labels, of_labels=of_labels: of_labels(labels, k))
        assert computed(ranking, k).tolist() == pytest.approx([expected], abs=TOLERANCE)


@pytest.mark.parametrize("k", [1, 3, 10, 100])
@pytest.mark.parametrize("seed", range(4))
def test_ndcg_equals_scikit_learn_with_ties(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, 40), rng.integers(0, 8, 40)
    expected = ndcg_score(labels[None], scores[None], k=k)
    assert ndcg_several(rank_scores(labels, scores), k)[0] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_several_with_one_positive_a_user_are_the_counted_forms(k: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (50, 20))
    labels = np.zeros((50, 20), dtype=int)
    labels[:, 7] = 1
    above, ties = (scores > scores[:, 7:8]).sum(1), (scores == scores[:, 7:8]).sum(1) - 1
    shuffled = rng.permutation(scores.size)
    users = np.repeat(np.arange(50), 20)[shuffled]
    ranking = rank_scores(labels.reshape(-1)[shuffled], scores.reshape(-1)[shuffled], users)
    np.testing.assert_allclose(hit_rate_several(ranking, k), hit_rate(above, ties, k), atol=TOLERANCE)
    np.testing.assert_allclose(recall_several(ranking, k), hit_rate(above, ties, k), atol=TOLERANCE)
    np.testing.assert_allclose(mrr_several(ranking, k), mrr(above, ties, k), atol=TOLERANCE)
    np.testing.assert_allclose(ndcg_several(ranking, k), ndcg(above, ties, k), atol=TOLERANCE)


@given(data=st.data(), positives=st.integers(1, 8), negatives=st.integers(1, 20))
def test_theorem_3_4_bounds_recall_by_a_windowed_area(data: st.DataObject, positives: int, negatives: int) -> None:
    """(28): every order of the labels, no ties, and a list that is no shorter than the positives."""
    k = data.draw(st.integers(min(positives, negatives), negatives))
    positives = min(positives, k)
    labels = data.draw(st.permutations([1] * positives + [0] * negatives))
    scores = np.arange(len(labels), 0, -1)
    area = window_auc(labels, scores, ((k - positives) / negatives, k / negatives)).normalised
    recall = recall_several(rank_scores(labels, scores), k)[0]
    slack = 1e-9  # of the area's floating point, before it is rounded to whole positives
    assert np.ceil(positives * (1 - np.sqrt(1 - area)) - slack) / positives <= recall + TOLERANCE
    assert recall <= np.floor(positives * np.sqrt(area) + slack) / positives + TOLERANCE
    if positives == 1:  # Lemma 3.5
        assert recall == pytest.approx(area, abs=TOLERANCE)
    if positives == 2:  # 4 w is 0, 1 to 3, or 4: one of them decides
        assert recall == pytest.approx(np.floor(2 * np.sqrt(area) + slack) / 2, abs=TOLERANCE)


def test_values_by_hand() -> None:
    # One of two positives among the best two of three rows.
    assert recall_several(rank_scores([1, 0, 1], [3, 2, 1]), 2).tolist() == [0.5]
    # Two negatives above: rank 3, and 1 / log2(4) = 1/2.
    assert (hit_rate(2, 0, 2), hit_rate(2, 0, 3)) == (0, 1)
    assert ndcg(2, 0, 3) == pytest.approx(0.5, abs=TOLERANCE)
    assert mrr(2, 0, 3) == pytest.approx(1 / 3, abs=TOLERANCE)
    # Tied with three negatives from the top: ranks 1..4 are equally likely.
    assert hit_rate(0, 3, 1) == 0.25
    assert mrr(0, 3, 2) == (1 + 1 / 2) / 4


@pytest.mark.parametrize("metric", [hit_rate_several, recall_several, mrr_several, ndcg_several])
def test_a_list_without_positives_is_nan_with_a_warning(metric: Callable) -> None:
    ranking = rank_scores([0, 0, 1, 0], [1, 2, 2, 1], ["b", "b", "a", "a"])
    with pytest.warns(UserWarning, match="1 of 2 rankings have no positive"):
        assert metric(ranking, 1).tolist() == pytest.approx([1, np.nan], nan_ok=True)


@pytest.mark.parametrize("k", [0, -1, 1.5, "ten", True, None])
def test_cutoffs_are_whole_numbers_of_at_least_one(k: object) -> None:
    with pytest.raises(UserError, match="is not a cut-off"):
        hit_rate(0, 0, k)  # type: ignore[arg-type]
