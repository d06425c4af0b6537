"""How often intervals of a caption's relative AUC gain hold the true one, where rows share users and items.

    python benchmarks/caption_gain_coverage.py

simulates data sets whose users and items are draws. A user has a taste, an item an appeal; the model without captions
knows the taste up to noise, the one with captions also reads the appeal off the item's caption, whose error is the
item's, the same in all of its rows. The true gain is that of independent rows, each with a user and an item of its own.
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbench.metrics.delong import auc_interval, normal_interval
from recbench.metrics.two_way import two_way_gain

FloatArray = NDArray[np.float64]


class Market(NamedTuple):
    """Sizes of a data set, and standard deviations: of users' tastes, of items' appeals, of captions' errors."""

    users: int = 300
    items: int = 100
    rows_a_user: int = 20
    taste: float = 1.0
    appeal: float = 0.7
    caption: float = 1.0
    noise: float = 1.0  # of a row's scores under either model


class Rows(NamedTuple):
    """Labels, and scores without and with captions, of M rows."""

    labels: NDArray[np.int64]
    without: FloatArray
    with_captions: FloatArray


def rows_of(market: Market, users: NDArray[np.int64], items: NDArray[np.int64], random: np.random.Generator) -> Rows:
    """Draw users, items and what happens in the rows that `users` and `items` [M] number."""
    taste = random.normal(0, market.taste, users.max() + 1)[users]
    appeal = random.normal(0, market.appeal, items.max() + 1)
    read = (appeal + random.normal(0, market.caption, len(appeal)))[items]
    labels = (random.random(len(users)) < 1 / (1 + np.exp(1 - taste - appeal[items]))).astype(np.int64)
    without = taste + random.normal(0, market.noise, len(users))
    return Rows(labels, without, without + 0.5 * read)


def true_gain(market: Market, rows: int, seed: int) -> float:
    """Relative gain in percent over `rows` rows, no two of which share a user or an item."""
    drawn = rows_of(market, np.arange(rows), np.arange(rows), np.random.default_rng(seed))
    area = auc_interval(drawn.labels, drawn.without).value
    return 100 * (auc_interval(drawn.labels, drawn.with_captions).value - area) / area


def coverage(market: Market, truth: float, repetitions: int, seed: int) -> dict[str, float]:
    """Share of data sets whose 95% interval holds the truth, by what the interval takes for draws."""
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(market.users), market.rows_a_user)
    held = dict.fromkeys(("rows", "users", "items", "users and items"), 0)
    for _ in range(repetitions):
        items = random.integers(market.items, size=len(users))
        drawn = rows_of(market, users, items, random)
        gain = two_way_gain(drawn.labels, drawn.with_captions, drawn.without, users, items)
        for name, error in (("rows", gain.pair_error), ("users", gain.user_error), ("items", gain.item_error)):
            low, high = normal_interval(gain.value, error)
            held[name] += low <= truth <= high
        held["users and items"] += gain.low <= truth <= gain.high
    return {name: count / repetitions for name, count in held.items()}


MARKETS = {
    "300 users, 100 items": Market(),
    "300 users, 30 items": Market(items=30),
    "60 users, 300 items": Market(users=60, items=300),
    "30 users, 30 items": Market(users=30, items=30),
    "300 users, 6,000 items": Market(items=6000),  # one row an item on average
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--truth-rows", type=int, default=4_000_000)
    settings = parser.parse_args()
    sys.stdout.write(
        "| market | true gain, % | rows | users | items | users and items |\n|---|---:|---:|---:|---:|---:|\n"
    )
    for name, market in MARKETS.items():
        truth = true_gain(market, settings.truth_rows, seed=0)
        found = coverage(market, truth, settings.repetitions, seed=1)
        shares = " | ".join(f"{100 * share:.1f}" for share in found.values())
        sys.stdout.write(f"| {name} | {truth:+.2f} | {shares} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
