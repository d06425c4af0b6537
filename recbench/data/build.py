"""From a source's raw rows to the files of a data run: filter, order, split, check, describe, write."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recbench.data.describe import content_fingerprint, describe, describe_images, describe_impressions
from recbench.data.impression_table import impression_rows, prepare_impressions
from recbench.data.impressions import Impressions
from recbench.data.interactions import NO_INTERACTIONS, SPLIT_NAMES, Interactions, user_of_interaction
from recbench.data.ordering import stable_order
from recbench.data.sources.compressed import MOST_EXPANSION, expanding
from recbench.data.sources.interface import reader_of
from recbench.data.sources.names import dictionary_of, in_order
from recbench.data.sources.raw import RawData, given_path
from recbench.data.splits import global_time, leave_one_out
from recbench.errors import UserError
from recbench.runs import atomic_path, write_json
from recbench.schema import DataConfig, is_outside

SOURCES: tuple[str, ...] = next(field.metadata["one_of"] for field in fields(DataConfig) if field.name == "source")
MANY_TIES = 0.05  # of neighbouring interactions; fewer hardly change an order
TEXT_COLUMNS = ("item", "title", "text", "image")  # in every catalogue, in this order


@dataclass(frozen=True)
class PreparedData:
    """A data set ready to be written."""

    catalogue: pa.Table  # item, title, text, image, a reference caption where there are any, then categorical columns
    interactions: Interactions  # of no users where the source has no sequences
    ratings: np.ndarray | None  # float64 [N]
    dropped: dict[str, int]  # what was left out on the way, by reason
    problems: list[str]
    best: pa.Table | None
    impressions: Impressions | None


def build(config: DataConfig, folder: Path) -> dict[str, Any]:
    """Read a data set and write catalogue, interactions and description to a folder; nothing is written on an error.

    Returns:
        Counts, density, history lengths and what was dropped: nested dicts of numbers. `description.json` has the same
        with the fingerprint and the problems found.

    Raises:
        UserError: the data are missing, broken, or nothing is left of them.
    """
    if config.source not in SOURCES and not is_outside(config):
        raise UserError(f"data.source is {config.source!r}, expected one of {', '.join(SOURCES)}")
    with expanding(packed_limit(config)):
        raw = reader_of(config)(config)
    data = prepare(raw, config)
    check_columns_named(config, data)
    if raw.write_files is not None:
        folder.mkdir(parents=True, exist_ok=True)
        raw.write_files(folder)
    images = None if raw.write_files is not None else image_folder(config)
    image_numbers, image_problems, image_sizes = describe_images(
        data.catalogue, images or folder, config.images_outside
    )
    numbers = describe(data.interactions, data.catalogue.num_rows)
    if data.impressions is not None:
        numbers["impressions"] = describe_impressions(data.impressions)
    if image_numbers:
        numbers["images"] = image_numbers
    numbers["dropped"] = data.dropped
    description = {
        "name": config.name,
        "source": config.source,
        "split": config.split,
        "time_unit": raw.time_unit,
        "images": None if images is None else str(images),
        "images_outside": config.images_outside,
        # Pictures that the source makes follow from the catalogue; their bytes may differ between library versions.
        "fingerprint": content_fingerprint(
            data.catalogue,
            data.interactions,
            data.ratings,
            data.impressions,
            image_sizes if raw.write_files is None else None,
        ),
        "columns": data.catalogue.column_names,
        "problems": data.problems + image_problems,
        "warnings": [*raw.warnings, *warnings_of(data, config)],
        "reading": raw.reading,
        "numbers": numbers,
    }
    tables = {"catalogue": data.catalogue}
    if data.interactions.users:
        tables["interactions"] = interaction_rows(data.interactions, data.ratings)
    if data.impressions is not None:
        tables["impressions"], tables["users"] = impression_rows(data.impressions)
    if data.best is not None:
        tables["best"] = data.best
    for name, table in tables.items():
        with atomic_path(folder / f"{name}.parquet") as path:
            pq.write_table(table, path)
    write_json(folder / "description.json", description)  # last: its presence says that the folder is complete
    return numbers


def warnings_of(data: PreparedData, config: DataConfig) -> list[str]:
    """What a user must not overlook in a data set: splits without a row, and orders that its times do not tell."""
    found = []
    interactions, impressions = data.interactions, data.impressions
    for what, split in (
        ("interactions", interactions.split if interactions.users else None),
        ("impressions", None if impressions is None else impressions.split),
    ):
        empty = [] if split is None else [name for code, name in enumerate(SPLIT_NAMES) if not np.any(split == code)]
        if empty and (what == "impressions" or config.split != "leave_one_out"):
            found.append(
                f"no {what} for {' and '.join(empty)}: too many share one time, or there are too few; "
                "split in another way"
            )
    times = interactions.timestamps
    if times is not None and len(times):
        same_user = np.diff(user_of_interaction(interactions)) == 0
        tied = int(np.sum(same_user & (np.diff(times) == 0)))
        if tied > MANY_TIES * max(int(same_user.sum()), 1):
            found.append(
                f"{tied:,} of {int(same_user.sum()):,} neighbouring interactions of a user have the same time; "
                "their order is the file's"
            )
    return found


def packed_limit(config: DataConfig) -> float:
    """data.options.most_expansion as it stands; what is no number there, the source refuses with its other options."""
    given = config.options.get("most_expansion")
    return float(given) if isinstance(given, int | float) else MOST_EXPANSION


def image_folder(config: DataConfig) -> Path | None:
    """The folder that image paths start from: data.images, or data.path or the folder of the file it names.

    None where there is neither. Raises UserError where data.images is no folder.
    """
    if config.images:
        folder = given_path(str(config.images))
        if not folder.is_dir():
            raise UserError(f"data.images={config.images} is no folder: give the folder that holds the pictures")
        return folder
    if not config.path:
        return None
    path = given_path(str(config.path))
    return path.parent if path.is_file() else path


def check_columns_named(config: DataConfig, data: PreparedData) -> None:
    """Raise UserError for a name in data.fields, attributes, family or user_fields that the data have no column for."""
    user_fields = [] if data.impressions is None else list(data.impressions.user_fields)
    for key, names, found in (
        ("fields", config.fields, data.catalogue.column_names),
        ("attributes", config.attributes, data.catalogue.column_names),
        ("family", [config.family] if config.family else [], data.catalogue.column_names),
        ("user_fields", config.user_fields, user_fields),
    ):
        for name in names:
            if name not in found:
                known = ", ".join(found) or "none"
                raise UserError(f"data.{key} names {name!r}, no column of data set {config.name}; it has: {known}")


def prepare(raw: RawData, config: DataConfig) -> PreparedData:
    """Drop negatives, duplicates and users or items outside the core; order and split what is left.

    Impressions keep all their rows but those of items outside the core.

    Raises:
        UserError: nothing is left, or a split by time without times.
    """
    dropped = {f"skipped lines: {reason}": count for reason, count in sorted(raw.skipped.items())}
    positives, rows = raw.interactions, 0 if raw.interactions is None else raw.interactions.num_rows
    if positives is not None and "label" in positives.column_names:
        positives = positives.filter(pc.fill_null(pc.greater(positives["label"], 0), False))
        dropped["negatives"] = rows - positives.num_rows
    tables = [(positives, ("item",)), (raw.impressions, ("item", "query"))]
    used = [table[name] for table, names in tables if table is not None for name in names if name in table.column_names]
    catalogue, without_description = complete_catalogue(raw.catalogue, used)
    dropped["items without a description"] = without_description
    interactions, ratings = NO_INTERACTIONS, None
    if positives is not None:
        # Sequences may all be too short for the core where impressions are what the data are about.
        needed = raw.impressions is None
        if needed and not rows and raw.problems:
            raise UserError(f"every line of data set {config.name} was left out, the first as {raw.problems[0]}")
        if needed and not rows and not any(raw.skipped.values()):
            raise UserError(
                f"data set {config.name} has no rows: {config.path} names columns and nothing else; give "
                "data.path a file with interactions"
            )
        interactions, ratings, items = prepare_sequences(positives, catalogue, config, dropped, needed=needed)
        catalogue = catalogue.take(pa.array(items))
    impressions = None
    if raw.impressions is not None:
        items_left = catalogue["item"].combine_chunks()
        impressions, without_item = prepare_impressions(raw.impressions, raw.user_fields, items_left, config.name)
        dropped |= without_item
    elif raw.interactions is None:
        raise UserError(f"data set {config.name} has neither interactions nor impressions; check data.options")
    best = raw.best(interactions) if raw.best is not None else None
    return PreparedData(catalogue, interactions, ratings, dropped, raw.problems, best, impressions)


def prepare_sequences(
    rows: pa.Table, catalogue: pa.Table, config: DataConfig, dropped: dict[str, int], *, needed: bool
) -> tuple[Interactions, np.ndarray | None, np.ndarray]:
    """Interactions, their ratings (float64 [N]) if known, and the rows of the catalogue that are left (int64).

    Args:
        rows: positives alone.
        dropped: gets how many were left out, by reason.
        needed: whether it is an error when nothing is left; else the whole catalogue is left.

    Raises:
        UserError: nothing is left, a split by time without times, or one as given that no file gives.
    """
    user_names, user = encode(rows["user"])
    item = pc.index_in(rows["item"].combine_chunks(), value_set=catalogue["item"].combine_chunks())
    item = item.to_numpy(zero_copy_only=False).astype(np.int64)
    timestamps = timestamps_of(rows, config)
    ratings = rows["rating"].to_numpy().astype(np.float64) if "rating" in rows.column_names else None
    given = rows["split"].to_numpy().astype(np.int8) if "split" in rows.column_names else None

    keep = np.ones(len(user), dtype=bool)
    if timestamps is not None:
        keep = first_occurrences(user, item, timestamps)
        dropped["duplicates"] = int(np.sum(~keep))
    keep = core(user, item, keep, config.min_user_interactions, config.min_item_interactions)
    dropped["outside the core"] = len(user) - dropped.get("duplicates", 0) - int(keep.sum())
    if not keep.any() and not needed:
        return NO_INTERACTIONS, None, np.arange(catalogue.num_rows)
    if not keep.any():
        raise UserError(
            f"no interactions of data set {config.name} are left after filtering {rows.num_rows}; lower "
            f"data.min_user_interactions ({config.min_user_interactions}) or data.min_item_interactions "
            f"({config.min_item_interactions}), or check the file"
        )
    chosen = np.flatnonzero(keep)
    user = user[chosen]
    occurs = np.bincount(user, minlength=len(user_names)) > 0
    kept_users, user = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[user]  # codes: the order of first appearance
    order = stable_order([user] if timestamps is None else [user, timestamps[chosen]])
    chosen, user = chosen[order], user[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(kept_users)))]).astype(np.int64)
    item = item[chosen]
    # With a threshold of 1 the catalogue stays whole: an item without interactions can still be recommended.
    kept_items = np.arange(catalogue.num_rows)
    if config.min_item_interactions > 1:
        kept_items, item = np.unique(item, return_inverse=True)
    times = None if timestamps is None else timestamps[chosen]
    interactions = Interactions(
        users=user_names.take(pa.array(kept_users)).to_pylist(),
        offsets=offsets,
        items=item.astype(np.int32),
        split=split_of(config, offsets, times, None if given is None else given[chosen]),
        timestamps=times,
    )
    return interactions, None if ratings is None else ratings[chosen], kept_items


def encode(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct values in the order of their first appearance, and every row's index into them: int64 [N]."""
    return in_order(dictionary_of(column))


def complete_catalogue(catalogue: pa.Table, used: list[pa.ChunkedArray]) -> tuple[pa.Table, int]:
    """The text columns first, no null title or text, and every used item; and how many items were lacking.

    Used items that the catalogue lacks are appended in the order of their first appearance.
    """
    known = catalogue["item"].combine_chunks()
    distinct = pa.concat_arrays([encode(column)[0] for column in used] or [known[:0]]).unique()
    missing = distinct.filter(pc.invert(pc.is_in(distinct, value_set=known))).drop_null()
    if len(missing):
        catalogue = pa.concat_tables([catalogue, pa.table({"item": missing})], promote_options="default")
    empty = pa.nulls(catalogue.num_rows, pa.string())
    columns = {name: catalogue[name] if name in catalogue.column_names else empty for name in TEXT_COLUMNS}
    for name in ("title", "text"):
        columns[name] = pc.fill_null(columns[name], "")
    first = ["caption"] if "caption" in catalogue.column_names else []
    others = first + [name for name in catalogue.column_names if name not in (*TEXT_COLUMNS, "caption")]
    return pa.table(columns | {name: catalogue[name] for name in others}), len(missing)


def timestamps_of(rows: pa.Table, config: DataConfig) -> np.ndarray | None:
    """Times of every interaction, in the source's unit: int64 [N], or None where it has only an order.

    Raises:
        UserError: some interactions have a time and others none.
    """
    if "timestamp" not in rows.column_names:
        return None
    if rows["timestamp"].null_count:
        raise UserError(
            f"{rows['timestamp'].null_count} of {rows.num_rows} interactions of data set {config.name} have no "
            "timestamp; give every one a time, or leave the column out where the rows are in order"
        )
    return rows["timestamp"].to_numpy().astype(np.int64)


def first_occurrences(user: np.ndarray, item: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
    """True for the first of the rows that agree in user, item and timestamp: bool [N]."""
    first = np.ones(len(user), dtype=bool)
    order = stable_order([user, timestamps])
    tied = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (user, timestamps):
        ordered = column[order]
        tied &= ordered[1:] == ordered[:-1]
    # Few rows share user and time with another: only among them, items are compared.
    among = np.zeros(len(order), dtype=bool)
    among[1:] |= tied
    among[:-1] |= tied
    rows = np.sort(order[among])
    order = rows[np.lexsort((timestamps[rows], item[rows], user[rows]))]  # stable: the first of equals comes first
    repeats = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (user, item, timestamps):
        repeats &= column[order][1:] == column[order][:-1]
    first[order[1:][repeats]] = False
    return first


def core(user: np.ndarray, item: np.ndarray, keep: np.ndarray, least_user: int, least_item: int) -> np.ndarray:
    """The largest subset of the kept rows in which every user and every item occurs often enough: bool [N]."""
    keep = keep.copy()
    while True:
        users = np.bincount(user[keep], minlength=1 + user.max(initial=0))
        items = np.bincount(item[keep], minlength=1 + item.max(initial=0))
        enough = keep & (users[user] >= least_user) & (items[item] >= least_item)
        if np.array_equal(enough, keep):
            return keep
        keep = enough


def split_of(
    config: DataConfig, offsets: np.ndarray, timestamps: np.ndarray | None, given: np.ndarray | None
) -> np.ndarray:
    """The split of every interaction, int8 [N], as data.split says; `given` is the source's own.

    Raises:
        UserError: a split by time without times, or one as given where the source gives none.
    """
    if config.split == "leave_one_out":
        return leave_one_out(offsets)
    if config.split == "given":
        if given is None:
            raise UserError(
                f"data.split=given: source {config.source} of data set {config.name} does not say which interactions "
                "are for training, validation and test, as minionerec does; use data.split=leave_one_out"
            )
        return given
    if timestamps is None:
        raise UserError(
            f"data.split=global_time needs timestamps, which data set {config.name} has none of; use "
            "data.split=leave_one_out"
        )
    return global_time(timestamps)


def interaction_rows(interactions: Interactions, ratings: np.ndarray | None) -> pa.Table:
    """One row an interaction: user (name), item (row of the catalogue), split (name), timestamp and rating if known."""
    user = pa.DictionaryArray.from_arrays(
        user_of_interaction(interactions).astype(np.int32), pa.array(interactions.users, pa.string())
    )
    split = pa.DictionaryArray.from_arrays(interactions.split, pa.array(SPLIT_NAMES))
    columns = {"user": user.cast(pa.string()), "item": pa.array(interactions.items), "split": split.cast(pa.string())}
    if interactions.timestamps is not None:
        columns["timestamp"] = pa.array(interactions.timestamps)
    if ratings is not None:
        columns["rating"] = pa.array(ratings)
    return pa.table(columns)
