"""Numbers that describe a data set, and the fingerprint that tells whether two are the same."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recbench.console.visible import for_people
from recbench.data.image_paths import ADDRESS, EMPTY, IRREGULAR, MISSING, OUTSIDE, UNUSABLE, image_names, locate_image
from recbench.data.impressions import Impressions, cold_rows
from recbench.data.interactions import SPLIT_NAMES, TEST, TRAIN, VALIDATION, Interactions, held_out_cases
from recbench.data.ordering import count_distinct

LISTED_IMAGES = 20  # pictures that cannot be read and are named; all are counted
LONGEST_PATH = 120  # letters of one that are shown
QUANTILES = {"min": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "max": 1.0}


def describe(interactions: Interactions, catalogue_size: int) -> dict[str, Any]:
    """Counts, density and history lengths.

    Density is the share of all user-item pairs that occur. `cases` counts the held-out interactions that have a
    history; `unseen_targets` those of them whose item does not occur in training. Without sequences there is but the
    number of items.
    """
    if not len(interactions.items):
        return {"items": catalogue_size, "interactions": 0}
    lengths = np.diff(interactions.offsets)
    distinct = count_distinct(pair_codes(interactions, catalogue_size))
    trained = np.bincount(interactions.items[interactions.split == TRAIN], minlength=catalogue_size)
    numbers: dict[str, Any] = {
        "users": len(interactions.users),
        "items": catalogue_size,
        "items_with_interactions": int(np.count_nonzero(np.bincount(interactions.items))),
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


def describe_impressions(impressions: Impressions) -> dict[str, Any]:
    """Rows, clicks and click rate, in all and by split; `cold` is the share of rows with a cold item (see `cold_rows`).

    A split without rows has rows 0 and nothing else.
    """
    cold = cold_rows(impressions)
    numbers: dict[str, Any] = {
        "rows": len(impressions.label),
        "clicks": int(impressions.label.sum()),
        "click_rate": float(impressions.label.mean()),
        "users": len(impressions.users),
        "items": int(np.count_nonzero(np.bincount(impressions.item))),
        "context": sorted(impressions.context),
        "user_fields": sorted(impressions.user_fields),
        "splits": {},
    }
    if impressions.query is not None:
        numbers["queries"] = int(np.count_nonzero(np.bincount(impressions.query)))
    for code, name in enumerate(SPLIT_NAMES):
        rows = impressions.split == code
        numbers["splits"][name] = {"rows": int(rows.sum())}
        if rows.any():
            numbers["splits"][name] |= {
                "clicks": int(impressions.label[rows].sum()),
                "click_rate": float(impressions.label[rows].mean()),
                "cold": float(cold[rows].mean()),
            }
    return numbers


def describe_images(
    catalogue: pa.Table, folder: Path, outside: bool = False
) -> tuple[dict[str, int], list[str], list[int]]:
    """How many items have a picture, a path to none, or no path; which pictures cannot be read; and all sizes.

    Args:
        outside: whether pictures may lie outside of `folder`.

    Returns:
        First the counts; none where no item has a path. Then a line for each of the first pictures that cannot be read.
        Last the size of every item's file in bytes, or of every file of a list: 0 if it cannot be read, -1 where there
        is no path.
    """
    rows = zip(catalogue["item"].to_pylist(), catalogue["image"].to_pylist(), strict=True)
    named = [(item, path) for item, value in rows for path in image_names(value)]
    paths = [path for _, path in named]
    found = [locate_image(folder, path, outside) for path in paths]
    sizes = [image.size for image in found]
    problems = [
        f"picture {for_people(path, LONGEST_PATH)} of item {for_people(item, LONGEST_PATH)}: {image.problem}"
        for (item, path), image in zip(named, found, strict=True)
        if image.size == 0
    ]
    if max(sizes, default=-1) < 0:
        return {}, [], sizes
    if len(problems) > LISTED_IMAGES:
        problems = [*problems[:LISTED_IMAGES], f"{len(problems) - LISTED_IMAGES} more pictures cannot be read"]
    reasons = Counter(image.problem for image in found)
    missing, beyond = reasons[MISSING] + reasons[EMPTY], reasons[OUTSIDE]
    unusable = reasons[ADDRESS] + reasons[IRREGULAR] + reasons[UNUSABLE]
    if beyond:
        problems.append(
            f"{beyond} pictures lie outside {folder} and are not read: name the folder that holds them all as "
            "data.images=FOLDER, or read them wherever they are with data.images_outside=true"
        )
    counts = {
        "present": sum(size > 0 for size in sizes),
        "missing": missing,
        "items_without": sum(size < 0 for size in sizes),
    }
    counts |= {"outside": beyond} if beyond else {}
    counts |= {"unusable": unusable} if unusable else {}
    return counts, problems, sizes


def content_fingerprint(
    catalogue: pa.Table,
    interactions: Interactions,
    ratings: np.ndarray | None,
    impressions: Impressions | None = None,
    image_sizes: list[int] | None = None,
) -> str:
    """SHA-256 (hex) of everything that a later stage can read, independent of file format and library versions.

    Pictures count by their sizes in bytes: a picture that was missing or broken, and no longer is, makes other data.
    """
    digest = hashlib.sha256()
    for name in catalogue.column_names:
        digest.update(json.dumps(["column", name]).encode())
        for batch in catalogue.select([name]).to_batches(max_chunksize=65536):
            for value in batch.column(0).to_pylist():
                digest.update(json.dumps(value).encode() + b"\n")
    arrays: dict[str, np.ndarray | list[Any] | None] = {
        "users": interactions.users,
        "offsets": interactions.offsets,
        "items": interactions.items,
        "split": interactions.split,
        "timestamps": interactions.timestamps,
        "ratings": ratings,
        "image sizes": None if image_sizes is None else np.array(image_sizes, dtype=np.int64),
    }
    if impressions is not None:
        plain = {name: value for name, value in vars(impressions).items() if not isinstance(value, dict)}
        arrays |= {f"impressions {name}": value for name, value in plain.items()}
        arrays |= {f"context {name}": value for name, value in impressions.context.items()}
        arrays |= {f"user field {name}": value for name, value in impressions.user_fields.items()}
    for name, array in arrays.items():
        digest.update(json.dumps(["array", name]).encode())
        if isinstance(array, np.ndarray) and array.dtype == object:
            encoded = pa.array(array, pa.string()).dictionary_encode(null_encoding="encode")
            array, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
            digest.update(json.dumps(names).encode())
        if isinstance(array, np.ndarray):
            digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
        else:
            digest.update(json.dumps(array).encode())
    return digest.hexdigest()
