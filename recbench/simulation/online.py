"""An online A/B test in a market whose click model is known.

At every visit of a user a set of candidates is drawn. The user's arm shows its best few, and each is clicked with its
true probability. What would be clicked is drawn once for each candidate, whoever shows it. So arms differ by what they
show and by nothing else, and every user is known under either arm. The test is read off only then, and looks at each
user under one.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recbench.data.impressions import Impressions
from recbench.metrics.lift import Lift, ctr_lift

# users int [M], items int [M] -> a score each, float64 [M]; the higher are shown
Policy = Callable[[np.ndarray, np.ndarray], np.ndarray]
BLOCK = 1 << 18  # candidates scored at once


class Traffic(NamedTuple):
    """What happened to U users under one policy."""

    impressions: np.ndarray  # int64 [U]
    clicks: np.ndarray  # int64 [U]
    expected: np.ndarray  # float64 [U] sum of the true click probabilities of what was shown


def assigned(users: Sequence[str], salt: str) -> np.ndarray:
    """Which users are treated, bool [U]: about half, by a hash of salt and name, so that users stay where they are."""
    digests = (hashlib.sha256(f"{salt}:{user}".encode()).digest() for user in users)
    return np.array([digest[0] % 2 == 1 for digest in digests], dtype=bool)


def draw_subsets(rows: int, size: int, items: int, rng: np.random.Generator) -> np.ndarray:
    """`size` distinct of `items` numbers in each row, every ordered subset alike: int64 [rows, size].

    Floyd's algorithm (Bentley and Floyd, 1987), a step for all rows at once, then each row shuffled.
    """
    chosen = np.full((rows, size), -1, dtype=np.int64)
    for step, last in enumerate(range(items - size, items)):
        drawn = rng.integers(last + 1, size=rows)
        taken = (chosen[:, :step] == drawn[:, None]).any(axis=1)
        chosen[:, step] = np.where(taken, last, drawn)
    return rng.permuted(chosen, axis=1)


def simulate_visits(
    policies: Mapping[str, Policy],
    probability: Policy,
    *,
    users: int,
    items: int,
    visits: int,
    candidates: int,
    shown: int,
    rng: np.random.Generator,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, Traffic]:
    """Let every user visit, under each policy alike: the same candidates, and the same luck with each.

    Args:
        policies: by name; equal scores are shown in random order.
        probability: of a click, the truth.
        users: how many there are; each visits `visits` times.
        items: how many there are; `candidates` of them are drawn at a visit, of which `shown` are shown.
        advance: told the users done since the last call.
    """
    traffic: dict[str, list[Traffic]] = {name: [] for name in policies}
    block = max(1, BLOCK // (visits * candidates))
    for start in range(0, users, block):
        count = min(block, users - start)
        item = draw_subsets(count * visits, candidates, items, rng)  # [count * visits, candidates]
        user = np.repeat(np.arange(start, start + count), visits * candidates)
        truth = probability(user, item.ravel()).reshape(item.shape)
        clicked = rng.random(item.shape) < truth
        for name, policy in policies.items():
            score = policy(user, item.ravel()).reshape(item.shape)
            top = np.argsort(-score, axis=1, kind="stable")[:, :shown]  # candidates are in random order already
            sums = [
                np.take_along_axis(values, top, axis=1).reshape(count, -1).sum(axis=1) for values in (clicked, truth)
            ]
            traffic[name].append(Traffic(np.full(count, visits * shown), *sums))
        advance(count)
    return {name: Traffic(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in traffic.items()}


def read_test(treated: np.ndarray, control: Traffic, treatment: Traffic) -> Lift:
    """The A/B test as its reader sees it: each user under one arm, `treatment` where `treated` (bool [U])."""
    clicks = np.where(treated, treatment.clicks, control.clicks)
    impressions = np.where(treated, treatment.impressions, control.impressions)
    return ctr_lift(np.arange(len(treated)), treated, clicks, impressions)


def false_positives(users: Sequence[str], traffic: Traffic, salts: Sequence[str], level: float = 0.05) -> float:
    """Share of A/A tests, one a salt, whose p-value is below the level although both sides had the same arm.

    NaN without any salt, or where no test has a p-value.
    """
    p = np.array([read_test(assigned(users, salt), traffic, traffic).p for salt in salts])
    p = p[~np.isnan(p)]
    return float(np.mean(p < level)) if len(p) else float("nan")


def last_clicked(impressions: Impressions, length: int) -> np.ndarray:
    """Each user's last `length` clicked items of the whole log, oldest first, then -1 to the end: int32 [U, length]."""
    clicks = np.flatnonzero(impressions.label == 1)
    time = clicks if impressions.timestamp is None else impressions.timestamp[clicks]
    clicks = clicks[np.lexsort((clicks, time, impressions.user[clicks]))]
    ends = np.cumsum(np.bincount(impressions.user[clicks], minlength=len(impressions.users)))
    starts = np.maximum(np.concatenate([[0], ends[:-1]]), ends - length)
    place = starts[:, None] + np.arange(length)
    inside = place < ends[:, None]
    items = impressions.item[clicks]
    return np.where(inside, items[np.where(inside, place, 0)] if len(items) else -1, -1).astype(np.int32)
