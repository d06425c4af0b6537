"""Popularity and item-kNN: by hand, against plain loops, and whatever else is in the batch or in the padding."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.item_knn import ItemKnn, nearest_neighbours
from recbench.policy.baselines.popularity import Popularity, popularity_log_probs
from recbench.schema import PolicyConfig, settings_of

# Users a, b, c have bought items {0, 1, 2}, {0, 1} and {1, 3}; b bought item 0 twice, and nobody item 4.
USERS = np.array([0, 0, 0, 1, 1, 1, 2, 2])
ITEMS = np.array([0, 1, 2, 0, 0, 1, 1, 3])


def knn_settings(**changes: float) -> PolicyConfig:
    return settings_of(PolicyConfig, {"kind": "item_knn", **changes})


def knn(**changes) -> ItemKnn:
    policy = ItemKnn(build_trie(np.arange(5)[:, None]), knn_settings(shrinkage=0.0, **changes))
    policy.count(USERS, ITEMS)
    return policy


def test_popularity_by_hand() -> None:
    # counts 3, 3, 1, 1, 0 of 8, one more for each of 5 items
    expected = np.log(np.array([4, 4, 2, 2, 1]) / 13)
    assert popularity_log_probs(ITEMS, 5) == pytest.approx(expected)
    policy = Popularity(build_trie(np.arange(5)[:, None]), PolicyConfig(kind="popularity"))
    policy.count(USERS, ITEMS)
    scores = policy.score_catalogue(torch.tensor([[4, -1], [-1, -1], [0, 3]]))
    assert scores.numpy() == pytest.approx(np.tile(expected, (3, 1)), abs=1e-6)
    assert float(scores[0, 0]) == float(scores[0, 1])  # equal counts are ties
    assert policy.beam_search(torch.tensor([[0, 1]]), 9).items.shape == (1, 5)  # no more than there are


def test_neighbours_by_hand() -> None:
    # users of the items: 0 {a, b}, 1 {a, b, c}, 2 {a}, 3 {c}
    found, similarity = nearest_neighbours(USERS, ITEMS, 5, 3, shrinkage=0.0)
    assert found.tolist() == [[1, 2, -1], [0, 2, 3], [0, 1, -1], [1, -1, -1], [-1, -1, -1]]
    assert similarity[0] == pytest.approx([2 / math.sqrt(6), 1 / math.sqrt(2), 0])
    assert similarity[1] == pytest.approx([2 / math.sqrt(6), 1 / math.sqrt(3), 1 / math.sqrt(3)])
    _, shrunk = nearest_neighbours(USERS, ITEMS, 5, 1, shrinkage=10.0)
    assert shrunk[0, 0] == pytest.approx(2 / (math.sqrt(6) + 10))


def test_votes_by_hand() -> None:
    policy = knn(neighbours=2, recency=0.5)
    scores = policy.score_catalogue(torch.tensor([[3, 0, -1], [-1, -1, -1]]))
    # item 0 is the latest: its votes count 1, those of item 3 a half; item 3 is no neighbour of item 1, which has two
    first = [0, 2 / math.sqrt(6) + 0.5 / math.sqrt(3), 1 / math.sqrt(2), 0, 0]
    assert scores.numpy() == pytest.approx(np.array([first, [0.0] * 5]), abs=1e-6)


def test_only_the_latest_item_votes_at_recency_zero() -> None:
    policy = knn(neighbours=4, recency=0.0)
    alone, with_past = policy.score_catalogue(torch.tensor([[0, -1, -1], [1, 2, 0]]))
    assert torch.equal(alone, with_past) and alone.max() > 0


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_item_knn_is_a_plain_loop(data) -> None:
    count = data.draw(st.integers(2, 7))
    pair = st.tuples(st.integers(0, 4), st.integers(0, count - 1))
    pairs = data.draw(st.lists(pair, min_size=1, max_size=25))
    k, shrinkage, recency = data.draw(st.integers(1, 6)), data.draw(st.sampled_from([0.0, 3.0])), 0.7
    width = data.draw(st.integers(1, 5))
    histories = data.draw(
        st.lists(st.lists(st.integers(-1, count - 1), min_size=width, max_size=width), min_size=1, max_size=3)
    )
    config = knn_settings(neighbours=k, shrinkage=shrinkage, recency=recency)
    policy = ItemKnn(build_trie(np.arange(count)[:, None]), config)
    policy.count(np.array([user for user, _ in pairs]), np.array([item for _, item in pairs]))
    bought = [{user for user, item in pairs if item == row} for row in range(count)]
    expected = np.zeros((len(histories), count))
    for row, history in enumerate(histories):
        for age, item in enumerate(reversed([item for item in history if item >= 0])):
            near = []
            for other in range(count):
                both = len(bought[item] & bought[other])
                if other != item and both:
                    norm = math.sqrt(len(bought[item])) * math.sqrt(len(bought[other]))  # rounded alike: ties decide
                    near.append((-both / (norm + shrinkage), other))
            for negative_similarity, other in sorted(near)[:k]:
                expected[row, other] -= recency**age * negative_similarity
    assert policy.score_catalogue(torch.tensor(histories)).numpy() == pytest.approx(expected, abs=1e-5)
