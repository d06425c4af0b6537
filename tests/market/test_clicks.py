import dataclasses

import numpy as np
import pytest

from recbench.market.clicks import (
    ARRIVAL_SHARE,
    CLICK_RATE,
    PICTURED,
    SEGMENTS,
    TABULAR,
    bias_of_rate,
    draw_impressions,
    make_click_model,
)
from recbench.market.sequences import SIZES, draw_items
from recbench.metrics.clicks import auc

SIZE = dataclasses.replace(SIZES["small"], items=300, arrivals=100, browsers=200, impressions=20_000)


@pytest.fixture(scope="module")
def items():
    return draw_items(SIZE.items + SIZE.arrivals, SIZE.categories, np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(items):
    return make_click_model(SIZE, items, np.random.default_rng(1))


@pytest.fixture(scope="module")
def shown(model):
    return draw_impressions(model, SIZE, 1_000, np.random.default_rng(2))


def test_the_bias_gives_the_rate():
    logits = np.array([-1.0, 0.5, 3.0])
    bias = bias_of_rate(logits, 0.2)
    assert np.mean(1 / (1 + np.exp(-logits - bias))) == pytest.approx(0.2, abs=1e-12)
    assert bias_of_rate(np.zeros(4), 0.25) == pytest.approx(np.log(0.25 / 0.75))


def test_items_that_differ_in_one_attribute_differ_by_its_weights(items, model):
    """The appeal is additive: what is left after fitting one weight a taste and value is the items' own quality."""
    columns = [items.category, items.category * 5 + items.attributes["object"]]
    columns += [items.attributes[name] for name in ("colour", "pattern", "scene", "style", "brand", "price_band")]
    design = np.concatenate([column[:, None] == np.unique(column) for column in columns], axis=1).astype(float)
    residuals = np.stack([row - design @ np.linalg.lstsq(design, row, rcond=None)[0] for row in model.appeal])
    np.testing.assert_allclose(residuals, residuals[:1] * np.ones((len(SEGMENTS), 1)), atol=1e-9)  # of no taste


def test_what_pictures_show_counts_most():
    pictured, tabular = (sum(strength**2 for strength in part.values()) for part in (PICTURED, TABULAR))
    assert pictured > 5 * tabular > 0


def test_probabilities_follow_from_taste_and_activity(model):
    users, rows = np.array([0, 3]), np.array([[5], [7], [7]])
    found = model.probability(users, rows)  # broadcast to [3, 2]
    for column, user in enumerate(users):
        for line, row in enumerate((5, 7, 7)):
            logit = model.appeal[model.taste[user], row] + model.activity[user]
            assert found[line, column] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert model.probability(np.arange(200)[:, None], np.arange(400)[None]).mean() == pytest.approx(
        CLICK_RATE, abs=0.015
    )


def test_periods_follow_each_other_and_arrivals_come_last(shown):
    assert np.bincount(shown.split).tolist() == [14_000, 2_000, 4_000]
    assert np.all(np.diff(shown.split) >= 0) and np.all(np.diff(shown.timestamp) >= 0) and shown.timestamp[0] >= 1_000
    late = shown.item >= 300
    assert not late[shown.split < 2].any()
    share = late[shown.split == 2].mean()  # standard error .008
    assert share == pytest.approx(ARRIVAL_SHARE, abs=0.03)
    assert len(np.unique(shown.item)) == 400
    per_user = np.bincount(shown.user[shown.split == 0])
    assert per_user.min() == per_user.max() == 70


def test_clicks_are_drawn_with_their_probabilities(model, shown):
    np.testing.assert_array_equal(shown.probability, model.probability(shown.user, shown.item))
    for low in np.arange(0, 1, 0.2):
        chosen = (shown.probability >= low) & (shown.probability < low + 0.2)
        p = shown.probability[chosen]
        assert abs((shown.label[chosen] - p).sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    assert auc(shown.label, shown.probability) > 0.8
