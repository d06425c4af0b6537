"""How ordered interactions are split into train, validation and test."""

import numpy as np

from recbench.data.interactions import TEST, TRAIN, VALIDATION


def leave_one_out(offsets: np.ndarray) -> np.ndarray:
    """Each user's last interaction is for test, the one before it for validation, the rest for training.

    Users with fewer than three interactions would leave nothing to train on; all of theirs are for training.

    Args:
        offsets: int64 [U + 1], interactions grouped by user, oldest first.

    Returns:
        int8 [N]
    """
    split = np.full(int(offsets[-1]), TRAIN, dtype=np.int8)
    ends = offsets[1:][np.diff(offsets) >= 3]
    split[ends - 1] = TEST
    split[ends - 2] = VALIDATION
    return split


def global_time(timestamps: np.ndarray, train: float = 0.8, validation: float = 0.1) -> np.ndarray:
    """Everything before one moment is for training, up to a second one for validation, the rest for test.

    The moments are the timestamps at the shares `train` and `train + validation` of all interactions, so that no
    two interactions of one moment are split apart (shares are exact only without ties).

    Args:
        timestamps: int64 [N]

    Returns:
        int8 [N]
    """
    ordered = np.sort(timestamps)
    count = len(ordered)
    first_validation = ordered[min(round(train * count), count - 1)]
    first_test = ordered[min(round((train + validation) * count), count - 1)]
    split = np.full(count, TRAIN, dtype=np.int8)
    split[timestamps >= first_validation] = VALIDATION
    split[timestamps >= first_test] = TEST
    return split


def in_order(count: int, train: float = 0.8, validation: float = 0.1) -> np.ndarray:
    """The first share of the rows is for training, the next for validation, the rest for test: int8 [N]."""
    split = np.full(count, TRAIN, dtype=np.int8)
    split[round(train * count) :] = VALIDATION
    split[round((train + validation) * count) :] = TEST
    return split


def at_random(count: int, train: float, validation: float, rng: np.random.Generator) -> np.ndarray:
    """Shares as in `in_order`, of the rows in random order: int8 [N]."""
    return np.asarray(rng.permutation(in_order(count, train, validation)))
