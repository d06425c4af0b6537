"""The embedded data set: a generated market whose best possible recommendations and click predictions are known.

Deterministic from (recbench.market.sequences.VERSION, seed, size); needs no file. Its pictures are drawn as it is made.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES, TEST, VALIDATION, Cases, Interactions, held_out_cases, histories
from recbench.data.sources.raw import Option, RawData, read_options
from recbench.errors import UserError
from recbench.market.clicks import AGES, REGIONS, SEGMENTS, ClickModel, Shown, draw_impressions, make_click_model
from recbench.market.pictures import Look, caption, render
from recbench.market.sequences import (
    ATTRIBUTES,
    CATEGORIES,
    LONGEST,
    SHORTEST,
    SIZES,
    VERSION,
    Items,
    Market,
    draw_sequences,
    generator,
    make_market,
    next_item_probabilities,
    with_arrivals,
)
from recbench.schema import DataConfig

OPTIONS = {
    "size": Option("small", "how many users and items", one_of=tuple(SIZES)),
    "seed": Option(0, "of the market itself; the stage's seed leaves it as it is", least=0),
}
FIRST_SECOND = 1_672_531_200  # 2023-01-01, when the first users arrive
ARRIVAL_DAYS, GAP_DAYS = 365, 3  # users arrive over a year and buy every few days on average
DAY = 86_400  # seconds
BLOCK = 1 << 22  # probabilities held at once while ranking
CAPTIONED = 1 / 3  # share of the catalogue with a reference caption, all on items of the training period
ARRIVALS, CLICK_MODEL, IMPRESSIONS, CAPTIONS, PICTURES = range(1, 6)  # streams of random numbers


@dataclass(frozen=True)
class Truth:
    """What the generated data follow from."""

    market: Market
    items: Items  # of the whole catalogue: the market's, then the late arrivals
    clicks: ClickModel


def read(config: DataConfig) -> RawData:
    """Generate the market of the configured size and seed.

    Raises:
        UserError: an unknown size, a negative seed, or an item filter, under which the optimum would no longer hold.
    """
    options = read_options(config, OPTIONS)
    if config.min_item_interactions > 1:
        raise UserError(
            f"data.min_item_interactions is {config.min_item_interactions}, but bazaar's known optimum holds for its "
            "whole catalogue; use 1"
        )
    name, seed = options["size"], options["seed"]
    size, rng = SIZES[name], generator(name, seed)
    truth = generate(name, seed, rng)
    lengths = np.clip(SHORTEST + rng.poisson(size.mean_length - SHORTEST, size.users), SHORTEST, LONGEST)
    bought = draw_sequences(truth.market, lengths, rng)
    shown = draw_impressions(truth.clicks, size, FIRST_SECOND, generator(name, seed, IMPRESSIONS))
    looks = looks_of(truth.items)
    catalogue = describe_items(truth.items, reference_captions(looks, size.items, generator(name, seed, CAPTIONS)))
    users, items = [f"u{user}" for user in range(size.users)], catalogue["item"].to_pylist()
    interactions = pa.table(
        {
            "user": strings(np.repeat(np.arange(size.users), lengths), users),
            "item": strings(bought, items),
            "timestamp": timestamps(lengths, rng),
        }
    )
    return RawData(
        catalogue,
        interactions,
        best=partial(best_ranks, truth.market, most=size.best_cases, arrivals=size.arrivals),
        impressions=impression_table(shown, users, items),
        user_fields=describe_users(truth.clicks, users),
        write_files=partial(write_pictures, looks, catalogue["image"].to_pylist(), name, seed),
    )


def generate(size: str, seed: int, rng: np.random.Generator | None = None) -> Truth:
    """The truth of the market of that size and seed.

    Args:
        size: a key of SIZES.
        rng: the market's generator, for a caller that goes on to draw sequences from it.
    """
    market = make_market(SIZES[size], generator(size, seed) if rng is None else rng)
    items = with_arrivals(market, SIZES[size], generator(size, seed, ARRIVALS))
    return Truth(market, items, make_click_model(SIZES[size], items, generator(size, seed, CLICK_MODEL)))


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


def impression_table(shown: Shown, users: list[str], items: list[str]) -> pa.Table:
    """Impressions as every source gives them, with the true probability of a click."""
    return pa.table(
        {
            "user": strings(shown.user, users),
            "item": strings(shown.item, items),
            "label": shown.label,
            "split": strings(shown.split, list(SPLIT_NAMES)),
            "timestamp": shown.timestamp,
            "probability": shown.probability,
        }
    )


def describe_users(clicks: ClickModel, users: list[str]) -> pa.Table:
    """The fields of those who browse."""
    return pa.table(
        {
            "user": users[: len(clicks.taste)],
            "segment": strings(clicks.taste, list(SEGMENTS)),
            "age": strings(clicks.age, list(AGES)),
            "region": strings(clicks.region, list(REGIONS)),
        }
    )


def looks_of(items: Items) -> list[Look]:
    """What the picture of each item shows."""
    objects = [word for words in CATEGORIES.values() for word in words]
    columns = [[objects[index] for index in 5 * items.category + items.attributes["object"]]]
    for name in ("colour", "pattern", "scene", "style"):
        columns.append([ATTRIBUTES[name][index] for index in items.attributes[name]])
    return [Look(*values) for values in zip(*columns, strict=True)]


def reference_captions(looks: list[Look], known: int, rng: np.random.Generator) -> list[str | None]:
    """A caption for a third of the catalogue, chosen from its first `known` items; None for the others."""
    chosen = rng.choice(known, min(known, round(CAPTIONED * len(looks))), replace=False)
    captions: list[str | None] = [None] * len(looks)
    for item in np.sort(chosen):
        captions[item] = caption(looks[item], rng)
    return captions


def write_pictures(looks: list[Look], paths: list[str], size: str, seed: int, folder: Path) -> None:
    """Draw every item's picture below the folder, each from a generator of its own."""
    for index, (look, path) in enumerate(zip(looks, paths, strict=True)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        render(look, generator(size, seed, PICTURES, index)).save(folder / path)


def describe_items(items: Items, captions: list[str | None]) -> pa.Table:
    """The catalogue: a title and a text made of the attributes, picture, caption, and the attributes as columns."""
    categories = list(CATEGORIES)
    columns: dict[str, list[str]] = {
        "category": [categories[index] for index in items.category],
        "object": [look.object for look in looks_of(items)],
    }
    columns |= {name: [values[index] for index in items.attributes[name]] for name, values in ATTRIBUTES.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    title = [f"{row['brand']} {row['colour']} {row['pattern']} {row['object']}, {row['style']}" for row in rows]
    text = [
        f"{row['style'].capitalize()} {row['object']} by {row['brand']} in {row['colour']}, {row['pattern']}, seen "
        f"in a {row['scene']} setting. Price: {row['price_band']}. Department: {row['category']}."
        for row in rows
    ]
    item = [f"i{index}" for index in range(len(rows))]
    image = [f"images/{name}.png" for name in item]
    described = {"item": item, "title": title, "text": text, "image": image}
    return pa.table(described | {"caption": pa.array(captions, pa.string())} | columns)


def best_ranks(market: Market, interactions: Interactions, *, most: int, arrivals: int) -> pa.Table:
    """Rank of every held-out item under the exact optimal predictor p(next item | whole history).

    Args:
        most: cases a split, a fixed random sample; 0 is all.
        arrivals: items beyond the market's, of probability zero: negatives below every positive.

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
            ranks["n"], ranks["n_unseen"] = ranks["n"] + arrivals, ranks["n_unseen"] + arrivals
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
