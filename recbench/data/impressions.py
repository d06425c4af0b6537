"""What was shown to whom and whether it was clicked, as flat arrays; and what each impression's user had clicked."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recbench.data.interactions import TEST, TRAIN, VALIDATION

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData

BLOCK = 1 << 16  # histories gathered at once


@dataclass(frozen=True)
class Impressions:
    """M impressions, ordered by split, within a split by time where it is known, else as the source has them."""

    users: list[str]  # [U] names
    user: np.ndarray  # int32 [M] index into users
    item: np.ndarray  # int32 [M] row of the catalogue
    label: np.ndarray  # int8 [M] 1 clicked, 0 not
    split: np.ndarray  # int8 [M] TRAIN, VALIDATION or TEST
    timestamp: np.ndarray | None = None  # int64 [M] seconds, or finer: description.json says which
    probability: np.ndarray | None = None  # float64 [M] true probability of a click, of generated data
    propensity: np.ndarray | None = None  # float64 [M] probability with which the logging policy showed the item
    position: np.ndarray | None = None  # int32 [M] place on the page, as logged
    query: np.ndarray | None = None  # int32 [M] row of the item at which the candidate is shown
    # What else is known of an impression: [M] objects (str or None) are categories, float64 numbers, NaN where unknown.
    context: dict[str, np.ndarray] = field(default_factory=dict)
    user_fields: dict[str, np.ndarray] = field(default_factory=dict)  # name -> [U] objects (str or None)


def click_histories(impressions: Impressions, rows: np.ndarray, length: int) -> np.ndarray:
    """The last `length` items that each row's user had clicked before, oldest first from the left, padded with -1.

    With timestamps, before means at an earlier time, and a row sees no clicks of a later split than its own (which
    only matters where the splits are not by time). Without them, a training row sees the training clicks in the rows
    above it; validation and test rows see all training clicks and nothing else. A row never sees its own click.

    Args:
        rows: int [R] rows of the impressions.

    Returns:
        int32 [R, length]
    """
    if length < 1:
        raise ValueError(f"length is {length}, expected at least 1")
    rows = np.asarray(rows, dtype=np.int64)
    count = len(impressions.user)
    if impressions.timestamp is None:
        # Rows below all training rows: whatever is held out comes after all of them.
        place = np.where(impressions.split == TRAIN, np.arange(count), count).astype(np.int64)
    else:
        place = np.unique(impressions.timestamp, return_inverse=True)[1].astype(np.int64)
    key = impressions.user.astype(np.int64) * (count + 1) + place  # by user, then by place: place <= count
    result = np.full((len(rows), length), -1, dtype=np.int32)
    for split in (TRAIN, VALIDATION, TEST):
        chosen = np.flatnonzero(impressions.split[rows] == split)
        visible = TRAIN if impressions.timestamp is None else split
        clicks = np.flatnonzero((impressions.label == 1) & (impressions.split <= visible))
        clicks = clicks[np.argsort(key[clicks], kind="stable")]
        if not len(clicks):
            continue
        clicked = impressions.item[clicks]
        for start in range(0, len(chosen), BLOCK):
            part = chosen[start : start + BLOCK]
            end = np.searchsorted(key[clicks], key[rows[part]], side="left")
            first_of_user = impressions.user[rows[part]].astype(np.int64) * (count + 1)
            begin = np.maximum(np.searchsorted(key[clicks], first_of_user, side="left"), end - length)
            index = begin[:, None] + np.arange(length)
            inside = index < end[:, None]
            result[part] = np.where(inside, clicked[np.where(inside, index, 0)], -1)
    return result


def training_items(data: "RecommendationData") -> np.ndarray:
    """Items that training impressions show, or show candidates at, or training interactions hold: bool [N].

    Interactions count only where there are no impressions.
    """
    shown = data.impressions
    trained = np.zeros(data.catalogue.num_rows, dtype=bool)
    if shown is None:
        trained[data.interactions.items[data.interactions.split == TRAIN]] = True
        return trained
    trained[shown.item[shown.split == TRAIN]] = True
    if shown.query is not None:
        trained[shown.query[shown.split == TRAIN]] = True
    return trained


def cold_rows(impressions: Impressions, most: int = 5) -> np.ndarray:
    """Impressions whose item has at most `most` training impressions: bool [M]."""
    item = impressions.item
    return np.asarray(np.bincount(item[impressions.split == TRAIN], minlength=1 + item.max(initial=0))[item] <= most)
