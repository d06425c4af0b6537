import itertools

import numpy as np
import pytest

from recbench.market.sequences import MarketSize, draw_sequences, make_market, next_item_probabilities, persona_beliefs

TOY = MarketSize(users=4_000, items=9, categories=3, interests=2, tastes=2, mean_length=6, best_cases=0)


@pytest.fixture(scope="module")
def market():
    return make_market(TOY, np.random.default_rng(3))


def enumerated(market, history: list[int]) -> np.ndarray:
    """p(next item | history) by summing over every path of the hidden persona, without any recursion."""
    personas, count = market.item_given.shape
    start = market.category_given.shape[2]

    def emission(persona: int, item: int, before: int) -> float:
        category = market.category[item]
        return market.category_given[persona, before, category] * market.item_given[persona, item]

    joint = np.zeros(count)
    for path in itertools.product(range(personas), repeat=len(history) + 1):
        probability = market.initial[path[0]]
        before = start
        for step, item in enumerate(history):
            probability *= emission(path[step], item, before) * market.transition[path[step], path[step + 1]]
            before = market.category[item]
        joint += [probability * emission(path[-1], item, before) for item in range(count)]
    return joint / joint.sum()


@pytest.mark.parametrize("history", [[0], [8, 8], [4, 0, 7], [2, 5, 2, 8]])
def test_the_predictor_equals_enumeration_of_the_hidden_chain(market, history):
    padded = np.array([history + [-1] * 3])  # what lies beyond the length must not matter
    found = next_item_probabilities(market, padded, np.array([len(history)]))
    np.testing.assert_allclose(found[0], enumerated(market, history), rtol=1e-12)


def test_histories_of_different_lengths_do_not_disturb_each_other(market):
    items = np.array([[0, 3, 6], [1, -1, -1], [2, 5, -1]])
    together = next_item_probabilities(market, items, np.array([3, 1, 2]))
    for row, length in enumerate((3, 1, 2)):
        alone = next_item_probabilities(market, items[row : row + 1, :length], np.array([length]))
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-12)
    np.testing.assert_allclose(together.sum(axis=1), 1)
    np.testing.assert_allclose(persona_beliefs(market, items, np.array([3, 1, 2])).sum(axis=1), 1)


def test_probabilities_are_normalised_where_the_docstrings_say(market):
    np.testing.assert_allclose(market.transition.sum(axis=1), 1)
    np.testing.assert_allclose(market.category_given.sum(axis=2), 1)
    for category in range(3):
        np.testing.assert_allclose(market.item_given[:, market.category == category].sum(axis=1), 1)


def test_drawn_sequences_agree_with_the_predicted_probabilities(market):
    """Calibration: frequencies of the sixth item against the sum of its predicted probabilities, in standard errors."""
    users, length = 4_000, 6
    items = draw_sequences(market, np.full(users, length), np.random.default_rng(5)).reshape(users, length)
    predicted = next_item_probabilities(market, items, np.full(users, length - 1))
    target = items[:, -1]
    expected = predicted.sum(axis=0)
    deviation = np.sqrt((predicted * (1 - predicted)).sum(axis=0))
    assert np.all(np.abs(np.bincount(target, minlength=9) - expected) < 4 * deviation)
    # The log-probability of what was drawn has the mean of minus the entropy if the prediction is the truth.
    own = np.log(predicted[np.arange(users), target])
    log = np.log(predicted)
    mean = (predicted * log).sum(axis=1)
    variance = (predicted * log**2).sum(axis=1) - mean**2
    assert abs((own - mean).sum()) < 4 * np.sqrt(variance.sum())
    # Among the most confident tenth, the first choice is right as often as predicted.
    best = predicted.max(axis=1)
    sure = best >= np.quantile(best, 0.9)
    hits = (predicted.argmax(axis=1) == target)[sure].sum()
    assert abs(hits - best[sure].sum()) < 4 * np.sqrt((best * (1 - best))[sure].sum())


def test_first_items_follow_the_truth(market):
    items = draw_sequences(market, np.full(20_000, 1), np.random.default_rng(6))
    start = market.category_given[:, -1][:, market.category] * market.item_given  # [K, N]
    expected = 20_000 * market.initial @ start
    assert np.all(np.abs(np.bincount(items, minlength=9) - expected) < 4 * np.sqrt(expected))


def test_sequences_of_different_lengths_land_at_their_users(market):
    lengths = np.array([1, 5, 2, 4])
    items = draw_sequences(market, lengths, np.random.default_rng(0))
    assert len(items) == 12 and items.min() >= 0 and items.max() < 9
    again = draw_sequences(market, lengths, np.random.default_rng(0))
    np.testing.assert_array_equal(items, again)
