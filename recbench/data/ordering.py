"""Orders of rows by several integers, in one sort where they fit 64 bits."""

from collections.abc import Sequence

import numpy as np

MOST = 2**62


def joint_key(keys: Sequence[np.ndarray]) -> np.ndarray | None:
    """One integer a row that orders as the keys do, the first one first: int64 [N]; None where they do not fit."""
    joint = np.zeros(len(keys[0]), dtype=np.int64)
    size = 1
    for key in keys:
        least, most = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        span = most - least + 1
        size *= span
        if size >= MOST or abs(least) >= MOST:
            return None
        joint *= span
        joint += key.astype(np.int64, copy=False) - least
    return joint


def stable_order(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Rows by the first key, then the next, rows that agree in all in their own order: int64 [N]."""
    joint = joint_key(keys)
    return np.lexsort(tuple(reversed(keys))) if joint is None else np.argsort(joint, kind="stable")


def count_distinct(values: np.ndarray) -> int:
    """How many different integers there are."""
    ordered = np.sort(values)
    return int(np.sum(ordered[1:] != ordered[:-1])) + bool(len(ordered))
