"""Which training interactions a stage may learn from: those that SFT sees, those kept back from it, or both."""

import numpy as np

from recbench.data.interactions import TRAIN, Cases, Interactions, user_of_interaction


def target_positions(interactions: Interactions, which: str, reserved: int) -> np.ndarray:
    """Indices of the training interactions that a stage may learn from, int64, ascending.

    Args:
        which: `seen`, all training interactions but each user's last `reserved`; `reserved`, those; or `all`.
    """
    user = user_of_interaction(interactions)
    training = interactions.split == TRAIN
    per_user = np.bincount(user, weights=training, minlength=len(interactions.users)).astype(np.int64)
    order = np.cumsum(training) - 1
    first = np.concatenate([[0], np.cumsum(per_user)[:-1]])
    kept_back = training & (order - first[user] >= per_user[user] - reserved)
    chosen = {"seen": training & ~kept_back, "reserved": kept_back, "all": training}[which]
    return np.flatnonzero(chosen)


def training_cases(interactions: Interactions, which: str, reserved: int) -> Cases:
    """Training interactions as cases to predict, for RL: those of `target_positions` that have a history."""
    position = target_positions(interactions, which, reserved)
    user = user_of_interaction(interactions)[position]
    chosen = position > interactions.offsets[user]
    return Cases(user[chosen], position[chosen])
