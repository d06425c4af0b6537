"""The generated market behind bazaar: its truth, sequences drawn from it, and the exact optimal predictor.

A user carries a hidden persona, a pair of an interest (which categories) and a taste (which looks, prices and brands
inside a category). It drifts: before each purchase either half may be drawn anew. The next item i depends on the
persona z and the category c' of the item before,

    p(i | z, c') = p(category(i) | z, c') p(i | z, category(i))

so a recommender that sees only the history faces a hidden Markov model, whose forward algorithm gives p(i | history)
exactly. No recommender can do better than to rank by it. One purchase tells little about the persona; several do.
"""

from dataclasses import dataclass

import numpy as np

VERSION = 1  # part of the seed: raise it when the market changes

CATEGORIES: dict[str, tuple[str, ...]] = {
    "kitchen": ("mug", "kettle", "pan", "plate", "bowl"),
    "lighting": ("desk lamp", "floor lamp", "lantern", "string lights", "candle"),
    "bags": ("backpack", "tote bag", "suitcase", "wallet", "belt bag"),
    "shoes": ("sneakers", "boots", "sandals", "loafers", "slippers"),
    "bedding": ("pillow", "blanket", "duvet cover", "mattress pad", "throw"),
    "stationery": ("notebook", "pen", "planner", "pencil case", "sketchbook"),
    "garden": ("planter", "watering can", "bird feeder", "trowel", "garden bench"),
    "fitness": ("yoga mat", "dumbbell", "skipping rope", "foam roller", "water bottle"),
    "toys": ("puzzle", "building blocks", "kite", "plush bear", "board game"),
    "tops": ("shirt", "sweater", "hoodie", "blouse", "vest"),
    "trousers": ("jeans", "shorts", "leggings", "chinos", "joggers"),
    "jewellery": ("ring", "necklace", "bracelet", "earrings", "watch"),
    "tools": ("hammer", "screwdriver set", "drill", "tape measure", "saw"),
    "pets": ("dog bed", "cat tower", "leash", "feeding bowl", "pet brush"),
    "audio": ("headphones", "speaker", "radio", "turntable", "microphone"),
    "bath": ("towel", "bath mat", "soap dish", "shower curtain", "robe"),
    "furniture": ("chair", "side table", "shelf", "stool", "cabinet"),
    "camping": ("tent", "sleeping bag", "camp stove", "hammock", "cool box"),
    "music": ("guitar", "ukulele", "drum pad", "keyboard", "harmonica"),
    "office": ("monitor stand", "desk mat", "office chair", "cable box", "file tray"),
}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey", "gold"),
    "pattern": ("plain", "striped", "dotted", "checked", "floral", "geometric"),
    "scene": ("studio", "living room", "forest", "beach", "city street", "workshop"),
    "style": ("minimal", "vintage", "sporty", "rustic", "elegant", "playful"),
    "brand": ("Alder", "Borea", "Cinder", "Dovetail", "Ember", "Fjord", "Grove", "Harbor", "Isla", "Juniper"),
    "price_band": ("budget", "middle", "premium"),
}
# How strongly a taste likes or dislikes an attribute's values: standard deviations of normal log-weights. What a
# picture shows (colour, pattern, scene, style) counts most, so that content is worth reading.
TASTE_STRENGTH = {"colour": 1.1, "pattern": 0.8, "scene": 0.6, "style": 1.1, "brand": 0.6, "price_band": 0.9}


@dataclass(frozen=True)
class MarketSize:
    """How large a market is."""

    users: int
    items: int
    categories: int
    interests: int
    tastes: int
    mean_length: float  # interactions a user
    best_cases: int  # held-out cases a split whose best rank is computed; 0 is all
    arrivals: int = 0  # items beyond `items` that arrive late: no sequence holds them, only clicks of the test period
    browsers: int = 0  # users, the first ones, who are shown items and click or not: see recbench.market.clicks
    impressions: int = 0  # items shown, to all of them


SIZES = {
    "tiny": MarketSize(60, 50, 5, 2, 2, 8.0, 0, 14, 60, 2_400),
    "small": MarketSize(3_000, 1_200, 20, 6, 6, 12.0, 0, 300, 1_000, 60_000),
    "medium": MarketSize(20_000, 5_000, 20, 6, 6, 15.0, 0, 1_250, 4_000, 250_000),
    "large": MarketSize(50_000, 20_000, 20, 8, 8, 20.2, 2_000, 5_000, 16_000, 1_000_000),
}
SHORTEST, LONGEST = 4, 60  # interactions a user
DRIFT = 0.06  # probability, before each interaction, that an interest or a taste is drawn anew
ASSOCIATION = 0.4  # share of purchases whose category follows from the one before (a mug after a kettle)
INTEREST_STRENGTH = 2.2  # of normal log-weights of categories, and of objects inside a category
POPULARITY_EXPONENT = 0.5  # of a power law over items


@dataclass(frozen=True)
class Items:
    """What the catalogue's N items are."""

    attributes: dict[str, np.ndarray]  # name -> int64 [N] value index; "object" indexes the category's tuple
    category: np.ndarray  # int64 [N]


@dataclass(frozen=True)
class Market:
    """The truth. K personas, C categories, N items; probabilities are float64."""

    attributes: dict[str, np.ndarray]  # name -> int64 [N] value index; "object" indexes the category's tuple
    category: np.ndarray  # int64 [N], ascending: the items of a category are neighbours
    initial: np.ndarray  # [K] p(z_1)
    transition: np.ndarray  # [K, K] p(z_t | z_(t-1))
    category_given: np.ndarray  # [K, C + 1, C] p(c | z, category before); row C: no item before
    item_given: np.ndarray  # [K, N] p(i | z, category(i)); sums to 1 over each category


def generator(size: str, seed: int, *stream: int) -> np.random.Generator:
    """The generator of a market, or one of its streams (1, 2 ...), which leave what others draw as it is.

    Args:
        size: a key of SIZES.
        seed: of the market.
    """
    return np.random.default_rng([VERSION, seed, list(SIZES).index(size), *stream])


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(logits) normalised over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def make_market(size: MarketSize, rng: np.random.Generator) -> Market:
    """Draw a market's items, personas and preferences."""
    count, categories = size.items, size.categories
    items = draw_items(count, categories, rng)
    category, attributes = items.category, items.attributes
    popularity = -POPULARITY_EXPONENT * np.log(1.0 + rng.permutation(count))  # [N] log-weight

    interest = rng.normal(scale=INTEREST_STRENGTH, size=(size.interests, categories))
    objects = rng.normal(scale=INTEREST_STRENGTH / 2, size=(size.interests, categories, 5))
    appeal = popularity + objects[:, category, attributes["object"]]  # [interests, N]
    liking = np.zeros((size.tastes, count))
    for name, strength in TASTE_STRENGTH.items():
        liking += rng.normal(scale=strength, size=(size.tastes, len(ATTRIBUTES[name])))[:, attributes[name]]
    logits = (appeal[:, None] + liking[None]).reshape(-1, count)  # [K, N], K = interests x tastes
    starts = np.searchsorted(category, np.arange(categories))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    item_given = weights / np.add.reduceat(weights, starts, axis=1)[:, category]

    wanted = np.repeat(softmax(interest), size.tastes, axis=0)  # [K, C]
    follows = softmax(rng.normal(scale=2.5, size=(categories, categories)))  # [C, C]
    category_given = np.empty((len(wanted), categories + 1, categories))
    category_given[:, :categories] = (1 - ASSOCIATION) * wanted[:, None] + ASSOCIATION * follows[None]
    category_given[:, categories] = wanted
    return Market(
        attributes=attributes,
        category=category,
        initial=np.full(len(wanted), 1 / len(wanted)),
        transition=np.kron(drift(size.interests), drift(size.tastes)),
        category_given=category_given,
        item_given=item_given,
    )


def draw_items(count: int, categories: int, rng: np.random.Generator) -> Items:
    """Items spread evenly over the categories, in their order, with attributes drawn independently of each other."""
    attributes = {"object": rng.integers(5, size=count)}
    attributes |= {name: rng.integers(len(values), size=count) for name, values in ATTRIBUTES.items()}
    return Items(attributes, np.sort(np.arange(count) % categories))


def with_arrivals(market: Market, size: MarketSize, rng: np.random.Generator) -> Items:
    """The market's items, then the late arrivals, which its sequences know nothing of."""
    late = draw_items(size.arrivals, size.categories, rng)
    attributes = {name: np.concatenate([values, late.attributes[name]]) for name, values in market.attributes.items()}
    return Items(attributes, np.concatenate([market.category, late.category]))


def drift(states: int) -> np.ndarray:
    """Stay, or with probability DRIFT be drawn anew from all states: [states, states]."""
    return (1 - DRIFT) * np.eye(states) + DRIFT / states


def draw(cumulative: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One category from each row of cumulative probabilities [M, C]: int64 [M]."""
    return np.minimum((rng.random((len(cumulative), 1)) >= cumulative).sum(axis=1), cumulative.shape[1] - 1)


def draw_sequences(market: Market, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw every user's items, all users together, one step at a time.

    Args:
        lengths: int64 [U] interactions of each user.

    Returns:
        int32 [sum of lengths], grouped by user, oldest first.
    """
    personas, count = market.item_given.shape
    categories = market.category_given.shape[2]
    edges = np.searchsorted(market.category, np.arange(categories + 1))
    # Row z of the cumulated item probabilities rises from 0 to C, one unit a category. With row z moved up by z C, all
    # rows are one sorted array, and one binary search draws an item for every user at once.
    ladder = np.cumsum(market.item_given, axis=1) + categories * np.arange(personas)[:, None]
    cumulative_category = np.cumsum(market.category_given, axis=2)
    cumulative_persona = np.cumsum(market.transition, axis=1)

    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = np.empty(offsets[-1], dtype=np.int32)
    active = np.argsort(-lengths, kind="stable")  # longest first, so that those still shopping are a prefix
    alive = np.searchsorted(-lengths[active], -np.arange(lengths.max()), side="left")
    persona = draw(np.broadcast_to(np.cumsum(market.initial), (len(lengths), personas)), rng)
    before = np.full(len(lengths), categories)
    for step, shoppers in enumerate(alive):
        persona, before = persona[:shoppers], before[:shoppers]
        if step:
            persona = draw(cumulative_persona[persona], rng)
        chosen = draw(cumulative_category[persona, before], rng)
        flat = np.searchsorted(ladder.ravel(), persona * categories + chosen + rng.random(shoppers), side="right")
        # Rounding in the cumulated sums may point just outside of the category.
        item = np.clip(flat - persona * count, edges[chosen], edges[chosen + 1] - 1)
        items[offsets[active[:shoppers]] + step] = item
        before = chosen
    return items


def persona_beliefs(market: Market, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """p(persona of the next interaction | items so far), by the forward algorithm.

    Args:
        items: int64 [M, T] histories, oldest first from the left.
        lengths: int64 [M] items in each history, at least 1; what lies beyond is ignored.

    Returns:
        [M, K], rows sum to 1.
    """
    belief = np.broadcast_to(market.initial, (len(items), len(market.initial)))
    before = np.full(len(items), market.category_given.shape[2])
    for step in range(int(lengths.max())):
        item = items[:, step]
        category = market.category[item]
        # [M, K] p(item | persona, category before): both factors, one row a history
        likelihood = market.category_given[:, before, category].T * market.item_given[:, item].T
        updated = belief * likelihood
        updated = (updated / updated.sum(axis=1, keepdims=True)) @ market.transition
        belief = np.where((step < lengths)[:, None], updated, belief)
        before = category
    return belief


def next_item_probabilities(market: Market, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """p(next item | history), exactly: [M, N], rows sum to 1. Arguments as in `persona_beliefs`."""
    belief = persona_beliefs(market, items, lengths)
    last = market.category[items[np.arange(len(items)), lengths - 1]]
    weights = belief[:, :, None] * market.category_given[:, last].transpose(1, 0, 2)  # [M, K, C]
    probabilities = np.empty((len(items), len(market.category)))
    edges = np.searchsorted(market.category, np.arange(market.category_given.shape[2] + 1))
    for category, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        probabilities[:, start:end] = weights[:, :, category] @ market.item_given[:, start:end]
    return probabilities
