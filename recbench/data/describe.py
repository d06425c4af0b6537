"""Numbers that describe a data set, and the fingerprint that tells whether two are the same."""

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES, TEST, TRAIN, VALIDATION, Interactions, held_out_cases

QUANTILES = {"min": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "max": 1.0}


def describe(interactions: Interactions, catalogue_size: int) -> dict[str, Any]:
    """Counts, density and history lengths.

    Density is the share of all user-item pairs that occur. `cases` counts the held-out interactions that have a
    history; `unseen_targets` those of them whose item does not occur in training.
    """
    lengths = np.diff(interactions.offsets)
    distinct = len(np.unique(pair_codes(interactions, catalogue_size)))
    trained = np.bincount(interactions.items[interactions.split == TRAIN], minlength=catalogue_size)
    numbers: dict[str, Any] = {
        "users": len(interactions.users),
        "items": catalogue_size,
        "items_with_interactions": len(np.unique(interactions.items)),
        "interactions": len(interactions.items),
        "density": distinct / (len(interactions.users) * catalogue_size),
        "interactions_per_user": {name: float(np.quantile(lengths, q)) for name, q in QUANTILES.items()}
        | {"mean": float(lengths.mean())},
        "splits": {name: int(np.sum(interactions.split == code)) for code, name in enumerate(SPLIT_NAMES)},
        "cases": {},
        "unseen_targets": {},
    }
    for code in (VALIDATION, TEST):
        targets = interactions.items[held_out_cases(interactions, code).position]
        numbers["cases"][SPLIT_NAMES[code]] = len(targets)
        numbers["unseen_targets"][SPLIT_NAMES[code]] = int(np.sum(trained[targets] == 0))
    return numbers


def pair_codes(interactions: Interactions, catalogue_size: int) -> np.ndarray:
    """One integer for each interaction's (user, item) pair: int64 [N]."""
    user = np.repeat(np.arange(len(interactions.users), dtype=np.int64), np.diff(interactions.offsets))
    return user * catalogue_size + interactions.items


def content_fingerprint(catalogue: pa.Table, interactions: Interactions, ratings: np.ndarray | None) -> str:
    """SHA-256 (hex) of everything that a later stage can read, independent of file format and library versions."""
    digest = hashlib.sha256()
    for name in catalogue.column_names:
        digest.update(json.dumps(["column", name]).encode())
        for batch in catalogue.select([name]).to_batches(max_chunksize=65536):
            for value in batch.column(0).to_pylist():
                digest.update(json.dumps(value).encode() + b"\n")
    for user in interactions.users:
        digest.update(json.dumps(user).encode() + b"\n")
    arrays = {
        "offsets": interactions.offsets,
        "items": interactions.items,
        "split": interactions.split,
        "timestamps": interactions.timestamps,
        "ratings": ratings,
    }
    for name, array in arrays.items():
        digest.update(json.dumps(["array", name]).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
