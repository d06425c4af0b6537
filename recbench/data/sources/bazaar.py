"""The embedded data set: a generated market whose best possible recommendations are known.

Deterministic from (recbench.data.market.VERSION, seed, size); needs no file.
"""

from functools import partial

import numpy as np
import pyarrow as pa

from recbench.data.interactions import TEST, VALIDATION, Cases, Interactions, held_out_cases, histories
from recbench.data.market import (
    ATTRIBUTES,
    CATEGORIES,
    LONGEST,
    SHORTEST,
    SIZES,
    VERSION,
    Market,
    draw_sequences,
    make_market,
    next_item_probabilities,
)
from recbench.data.sources.raw import RawData, read_options
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {"size": "small", "seed": 0}
FIRST_SECOND = 1_672_531_200  # 2023-01-01, when the first users arrive
ARRIVAL_DAYS, GAP_DAYS = 365, 3  # users arrive over a year and buy every few days on average
DAY = 86_400  # seconds
BLOCK = 1 << 22  # probabilities held at once while ranking


def read(config: DataConfig) -> RawData:
    """Generate the market of the configured size and seed.

    Raises:
        UserError: an unknown size, a negative seed, or an item filter, under which the optimum would no longer hold.
    """
    options = read_options(config, OPTIONS)
    if options["size"] not in SIZES:
        raise UserError(f"data.options.size is {options['size']!r}, expected one of {', '.join(SIZES)}")
    if options["seed"] < 0:
        raise UserError(f"data.options.seed is {options['seed']}, expected 0 or more")
    if config.min_item_interactions > 1:
        raise UserError(
            f"data.min_item_interactions is {config.min_item_interactions}, but bazaar's known optimum holds for its "
            "whole catalogue; use 1"
        )
    size = SIZES[options["size"]]
    rng = np.random.default_rng([VERSION, options["seed"], list(SIZES).index(options["size"])])
    market = make_market(size, rng)
    lengths = np.clip(SHORTEST + rng.poisson(size.mean_length - SHORTEST, size.users), SHORTEST, LONGEST)
    items = draw_sequences(market, lengths, rng)
    catalogue = describe_items(market)
    interactions = pa.table(
        {
            "user": strings(np.repeat(np.arange(size.users), lengths), [f"u{user}" for user in range(size.users)]),
            "item": strings(items, catalogue["item"].to_pylist()),
            "timestamp": timestamps(lengths, rng),
        }
    )
    return RawData(catalogue, interactions, best=partial(best_ranks, market, most=size.best_cases))


def strings(index: np.ndarray, names: list[str]) -> pa.Array:
    """names[index] as an Arrow array."""
    return pa.DictionaryArray.from_arrays(index.astype(np.int32), pa.array(names, pa.string())).cast(pa.string())


def timestamps(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Seconds since 1970, strictly increasing for each user: int64 [sum of lengths]."""
    gaps = 1 + rng.exponential(GAP_DAYS * DAY, lengths.sum()).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    elapsed = np.cumsum(gaps)
    arrival = FIRST_SECOND + rng.integers(ARRIVAL_DAYS * DAY, size=len(lengths))
    return np.repeat(arrival - elapsed[starts], lengths) + elapsed


def describe_items(market: Market) -> pa.Table:
    """The catalogue: a title and a text made of the attributes, and the attributes as columns."""
    categories = list(CATEGORIES)
    columns: dict[str, list[str]] = {
        "category": [categories[index] for index in market.category],
        "object": [
            CATEGORIES[categories[category]][index]
            for category, index in zip(market.category, market.attributes["object"], strict=True)
        ],
    }
    columns |= {name: [values[index] for index in market.attributes[name]] for name, values in ATTRIBUTES.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    title = [f"{row['brand']} {row['colour']} {row['pattern']} {row['object']}, {row['style']}" for row in rows]
    text = [
        f"{row['style'].capitalize()} {row['object']} by {row['brand']} in {row['colour']}, {row['pattern']}, seen "
        f"in a {row['scene']} setting. Price: {row['price_band']}. Department: {row['category']}."
        for row in rows
    ]
    item = [f"i{index}" for index in range(len(rows))]
    return pa.table({"item": item, "title": title, "text": text} | columns)


def best_ranks(market: Market, interactions: Interactions, *, most: int) -> pa.Table:
    """Rank of every held-out item under the exact optimal predictor p(next item | whole history).

    Args:
        most: cases a split, a fixed random sample; 0 is all.

    Returns:
        Columns split, user, position (as in Cases); above, ties (other items) and n (negatives) with seen items among
        the negatives; above_unseen, ties_unseen, n_unseen without the items of the history.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for split in (VALIDATION, TEST):
        cases = held_out_cases(interactions, split)
        if most and len(cases.user) > most:
            sample = np.sort(np.random.default_rng(VERSION).choice(len(cases.user), most, replace=False))
            cases = Cases(cases.user[sample], cases.position[sample])
        block = max(1, BLOCK // len(market.category))
        for start in range(0, len(cases.user), block):
            part = Cases(cases.user[start : start + block], cases.position[start : start + block])
            ranks = ranks_of_targets(market, interactions, part)
            ranks |= {"split": np.full(len(part.user), split, np.int8), "user": part.user, "position": part.position}
            for name, values in ranks.items():
                columns.setdefault(name, []).append(values)
    order = ("split", "user", "position", "above", "ties", "n", "above_unseen", "ties_unseen", "n_unseen")
    return pa.table({name: np.concatenate(columns[name]) for name in order if columns})


def ranks_of_targets(market: Market, interactions: Interactions, cases: Cases) -> dict[str, np.ndarray]:
    """above, ties, n and the same without seen items: int64 [C] each."""
    lengths = cases.position - interactions.offsets[cases.user]
    history = histories(interactions, cases, int(lengths.max()))  # [C, T]
    rows = np.arange(len(cases.user))
    target = interactions.items[cases.position]
    probabilities = next_item_probabilities(market, history, lengths)  # [C, N]; padding beyond lengths is ignored
    own = probabilities[rows, target][:, None]
    above, ties = probabilities > own, probabilities == own
    seen = np.zeros_like(above)
    seen[rows[:, None], np.where(history < 0, history[:, :1], history)] = True
    seen[rows, target] = False  # a target bought before stays the positive
    n = np.full(len(rows), probabilities.shape[1] - 1)
    return {
        "above": above.sum(axis=1),
        "ties": ties.sum(axis=1) - 1,
        "n": n,
        "above_unseen": (above & ~seen).sum(axis=1),
        "ties_unseen": (ties & ~seen).sum(axis=1) - 1,
        "n_unseen": n - seen.sum(axis=1),
    }
