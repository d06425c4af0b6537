"""The click model of bazaar: its truth, and impressions drawn from it.

A browsing user has a lasting taste, known as the user field `segment`. With weights w that differ between tastes t,

    p(click | user, item) = sigmoid(bias + activity(user) + quality(item) + sum_a w(t, a, value of a in item))    (1)

over the attributes a. Most of the variance comes from what a picture shows (object, colour, pattern, scene, style),
some from what the table says (brand, price band, category). Every item of the training period is shown a few dozen
times, too seldom for its id to tell how each taste likes it; two fifths of the test impressions are of late arrivals,
about which an id tells nothing. A model that knows what pictures show can read w off other items.

Users are shown items drawn uniformly from those that have arrived, so that no ranking that came before biases the log.
"""

from dataclasses import dataclass

import numpy as np

from recbench.market.sequences import ATTRIBUTES, CATEGORIES, Items, MarketSize

# Standard deviation that each attribute adds to the logit of a click, for every taste alike.
PICTURED = {"object": 0.2, "colour": 0.9, "pattern": 0.7, "scene": 0.9, "style": 0.9}
TABULAR = {"category": 0.3, "brand": 0.25, "price_band": 0.3}
QUALITY, ACTIVITY = 0.2, 0.3  # standard deviations that items and users add, whatever their attributes
CLICK_RATE = 0.25  # of a user and an item drawn uniformly
SEGMENTS = ("collectors", "nesters", "trendsetters", "wanderers")
# Other fields of users: age follows the taste loosely, the region not at all.
AGES = ("18-29", "30-44", "45-59", "60+")
REGIONS = ("north", "east", "south", "west", "centre")
AGE_FOLLOWS_TASTE = 0.4  # share of users whose age is the usual one of their taste
SPLIT_SHARES = (0.7, 0.1, 0.2)  # of impressions and of days: training, validation, test
ARRIVAL_SHARE = 0.4  # of the test impressions
DAYS, DAY = 100, 86_400  # of the log; seconds in one


@dataclass(frozen=True)
class ClickModel:
    """The truth of clicks. U browsing users, T tastes, N items."""

    appeal: np.ndarray  # float64 [T, N] logit of a click of an average user of that taste
    activity: np.ndarray  # float64 [U] what the user adds to it
    taste: np.ndarray  # int64 [U], indexes SEGMENTS
    age: np.ndarray  # int64 [U], indexes AGES
    region: np.ndarray  # int64 [U], indexes REGIONS

    def probability(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """p(click) of users at items, arrays of indices that broadcast: float64, in (0, 1)."""
        return 1 / (1 + np.exp(-self.appeal[self.taste[users], items] - self.activity[users]))


def make_click_model(size: MarketSize, items: Items, rng: np.random.Generator) -> ClickModel:
    """Draw users' tastes and what each taste likes.

    Args:
        items: the whole catalogue, late arrivals included.
    """
    tastes = len(SEGMENTS)
    values: dict[str, np.ndarray] = {"category": items.category} | items.attributes
    counts = {"category": size.categories, "object": 5} | {name: len(names) for name, names in ATTRIBUTES.items()}
    # An object is liked as such: a mug, not the first of any category.
    values["object"] = items.category * counts["object"] + values["object"]
    counts["object"] *= len(CATEGORIES)
    appeal = np.broadcast_to(rng.normal(scale=QUALITY, size=len(items.category)), (tastes, len(items.category))).copy()
    for name, strength in (PICTURED | TABULAR).items():
        weights = rng.normal(size=(tastes, counts[name]))
        # Standardised over values, so that an attribute matters as much in every market and to every taste.
        weights -= weights.mean(axis=1, keepdims=True)
        weights *= strength / weights.std(axis=1, keepdims=True)
        appeal += weights[:, values[name]]
    taste = rng.permutation(np.arange(size.browsers) % tastes)
    activity = rng.normal(scale=ACTIVITY, size=size.browsers)
    usual = rng.random(size.browsers) < AGE_FOLLOWS_TASTE
    age = np.where(usual, taste, rng.integers(len(AGES), size=size.browsers))
    region = rng.integers(len(REGIONS), size=size.browsers)
    return ClickModel(appeal + bias_of_rate(appeal, CLICK_RATE), activity, taste, age, region)


def bias_of_rate(logits: np.ndarray, rate: float) -> float:
    """What to add to the logits so that the mean probability is `rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.mean(1 / (1 + np.exp(-logits - middle))) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class Shown:
    """M impressions in the order of time."""

    user: np.ndarray  # int64 [M], indexes the click model's users
    item: np.ndarray  # int64 [M], rows of the catalogue
    split: np.ndarray  # int8 [M]: 0 training, 1 validation, 2 test
    timestamp: np.ndarray  # int64 [M] seconds since 1970
    probability: np.ndarray  # float64 [M] of a click
    label: np.ndarray  # int8 [M]: 1 clicked


def draw_impressions(model: ClickModel, size: MarketSize, first_second: int, rng: np.random.Generator) -> Shown:
    """Show items to users and draw their clicks; every user is shown as many in each period, give or take one.

    Args:
        first_second: when the log begins, in seconds since 1970.
    """
    columns: dict[str, list[np.ndarray]] = {"user": [], "item": [], "split": [], "timestamp": []}
    began = 0.0
    for split, share in enumerate(SPLIT_SHARES):
        count = round(size.impressions * share)
        item = rng.integers(size.items, size=count)
        if split == 2:
            late = rng.random(count) < ARRIVAL_SHARE
            item[late] = size.items + rng.integers(size.arrivals, size=late.sum())
        seconds = first_second + (began + share * rng.random(count)) * DAYS * DAY
        columns["user"].append(rng.permutation(np.arange(count) % size.browsers))
        columns["item"].append(item)
        columns["split"].append(np.full(count, split, dtype=np.int8))
        columns["timestamp"].append(np.sort(seconds.astype(np.int64)))
        began += share
    user, item, split_column, timestamp = (np.concatenate(parts) for parts in columns.values())
    probability = model.probability(user, item)
    label = (rng.random(len(user)) < probability).astype(np.int8)
    return Shown(user, item, split_column, timestamp, probability, label)
