"""Who interacted with what, in which order, as flat arrays; and the held-out cases that a recommender is judged on."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Interactions:
    """Interactions grouped by user, each user's oldest first (compressed sparse rows).

    The interactions of user u are `items[offsets[u]:offsets[u + 1]]`.
    """

    users: list[str]  # [U] names
    offsets: np.ndarray  # int64 [U + 1]
    items: np.ndarray  # int32 [N] rows of the catalogue
    split: np.ndarray  # int8 [N] TRAIN, VALIDATION or TEST
    timestamps: (
        np.ndarray | None
    )  # int64 [N] seconds, or finer: description.json says which; None where the source has only an order


NO_INTERACTIONS = Interactions([], np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int8), None)


class Cases(NamedTuple):
    """Interactions to predict, each from what its user did before."""

    user: np.ndarray  # int64 [C]
    position: np.ndarray  # int64 [C] index into Interactions.items: the interaction to predict


def user_of_interaction(interactions: Interactions) -> np.ndarray:
    """Row of the user of every interaction: int64 [N]."""
    return np.repeat(np.arange(len(interactions.users), dtype=np.int64), np.diff(interactions.offsets))


def held_out_cases(interactions: Interactions, split: int) -> Cases:
    """Every interaction of a split that has at least one earlier interaction of its user, in user order.

    Args:
        split: TRAIN, VALIDATION or TEST.
    """
    user = user_of_interaction(interactions)
    position = np.arange(len(interactions.items), dtype=np.int64)
    chosen = (interactions.split == split) & (position > interactions.offsets[user])
    return Cases(user[chosen], position[chosen])


def sample_cases(cases: Cases, limit: int) -> Cases:
    """A fixed random sample of at most `limit` cases in their order, all of them for 0.

    It is the same for every seed, so that runs compare and results on it are paired.
    """
    if not limit or limit >= len(cases.user):
        return cases
    chosen = np.sort(np.random.default_rng(0).choice(len(cases.user), limit, replace=False))
    return Cases(cases.user[chosen], cases.position[chosen])


def histories(interactions: Interactions, cases: Cases, length: int) -> np.ndarray:
    """The last `length` items before each case, oldest first from the left, padded with -1 on the right.

    Everything before a case belongs to its history, whatever its split: a test case sees the validation item.

    Returns:
        int32 [C, length]
    """
    if length < 1:
        raise ValueError(f"length is {length}, expected at least 1")
    first = np.maximum(interactions.offsets[cases.user], cases.position - length)  # [C]
    index = first[:, None] + np.arange(length)  # [C, length]
    inside = index < cases.position[:, None]
    # Indices beyond the end are read at 0 and then masked, so that an empty tail needs no special case.
    gathered = interactions.items[np.where(inside, index, 0)]
    return np.where(inside, gathered, -1).astype(np.int32)
