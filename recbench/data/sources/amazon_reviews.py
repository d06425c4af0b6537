"""The raw Amazon reviews: <Category>_5.json.gz with meta_<Category>.json.gz (2018, and 2014 with reviews_ before the
name), <Category>.jsonl.gz with meta_<Category>.jsonl.gz (2023); packed or not.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recbench.data.sources.compressed import open_text
from recbench.data.sources.json_rows import json_rows, name_of, number_of, texts_of, without_tags
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, existing_file, read_options, source_path
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {
    "reviews_file": Option(str, "none: the one file of reviews that does not begin with meta_"),
    "meta_file": Option(str, "none: the one that begins with meta_, if there is one"),
    "positive_rating": Option(1.0, "of 5 stars: with 1 every review is an interaction, as most papers have it"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}
# What names of files end in; where some end as the first group has it, the others are something else.
SUFFIXES = ((".json.gz", ".jsonl.gz"), (".jsonl",), (".json",))
# Of each release: user, item, time, stars. Of 2023 an item is the parent, whose variants share a page.
KEYS = {
    "2018": ("reviewerID", "asin", "unixReviewTime", "overall"),
    "2023": ("user_id", "parent_asin", "timestamp", "rating"),
}
ITEM_KEYS = ("parent_asin", "asin")
MILLISECONDS_FROM = 10**11  # as seconds, the year 5138
BEYOND = 10**14  # as milliseconds, the year 5138


def read(config: DataConfig) -> RawData:
    """Read reviews and item metadata.

    Raises:
        UserError: a missing, empty or broken file, several that fit, metadata of other items, or by its number a line
            that does not parse.
    """
    options = read_options(config, OPTIONS)
    path = source_path(config)
    folder = path if path.is_dir() else path.parent
    broken = BrokenLines(options["skip_bad_lines"])
    names = sorted(entry.name for entry in folder.iterdir())
    given = options["reviews_file"] or (None if path.is_dir() else path.name)
    reviews = given or the_one(folder, packed_first([name for name in names if not name.startswith("meta_")]))
    metas = packed_first([name for name in names if name.startswith("meta_")])
    meta = options["meta_file"] or meta_of(folder, reviews, metas)
    interactions, unit = read_reviews(
        existing_file(folder / reviews, "reviews_file"), options["positive_rating"], broken
    )
    if not interactions.num_rows:
        raise UserError(
            f"{folder / reviews} holds no reviews; expected one JSON object a line, so fetch the file again"
        )
    if meta:
        catalogue = read_meta(existing_file(folder / meta, "meta_file"), broken)
        if not set(catalogue["item"].to_pylist()) & set(interactions["item"].to_pylist()):
            raise UserError(
                f"{folder / meta} describes none of the items of {reviews}; give the metadata of the same category and "
                "release as data.options.meta_file, or move it elsewhere"
            )
    else:
        catalogue = pa.table({"item": interactions["item"].unique()})
    return RawData(catalogue, interactions, broken.problems, dict(broken.skipped), time_unit=unit)


def packed_first(names: list[str]) -> list[str]:
    """Those of the names that may be of reviews: the packed ones where there are any."""
    return next((found for ends in SUFFIXES if (found := [name for name in names if name.endswith(ends)])), [])


def the_one(folder: Path, names: list[str]) -> str:
    """The only name; of one file under two suffixes the first.

    Raises:
        UserError: there is none, or several of different content.
    """
    starts = {_start(folder / name) for name in names} if len({_stem(name) for name in names}) == 1 else {"", " "}
    if not names or (len(names) > 1 and len(starts) > 1):
        found = ", ".join(names) or "none"
        raise UserError(
            f"{folder} should hold one file of reviews (*.json or *.jsonl, or either with .gz) and one meta_* of the "
            f"same, found {found}; name them in data.options.reviews_file and meta_file"
        )
    return names[0]


def meta_of(folder: Path, reviews: str, names: list[str]) -> str | None:
    """The metadata of a file of reviews: the one of the same category, else the only one; none where there is none."""
    category = _stem(reviews).removeprefix("reviews_").removesuffix("_5")
    same = [name for name in names if _stem(name) == f"meta_{category}"]
    return the_one(folder, same or names) if names else None


def _stem(name: str) -> str:
    ends = [suffix for group in SUFFIXES for suffix in group if name.endswith(suffix)]
    return name.removesuffix(ends[0]) if ends else name


def _start(path: Path) -> str:
    with open_text(existing_file(path)) as text:
        return text.read(1 << 16)


def read_reviews(path: Path, positive_rating: float, broken: BrokenLines) -> tuple[pa.Table, str]:
    """user, item, timestamp, rating (stars) and label of every review; and the times' unit, s or ms."""
    columns: dict[str, list[Any]] = {name: [] for name in ("user", "item", "time", "rating")}
    keys: tuple[str, str, str, str] | None = None
    for number, row in json_rows(path, broken):
        if keys is None or not all(key in row for key in keys):
            keys = keys_of(row) or keys
        user, item, time, stars = keys or KEYS["2018"]
        try:
            values = (name_of(row, user), name_of(row, item), milliseconds(row, time), number_of(row, stars))
        except ValueError as problem:
            lacking = [key for key in (user, item, time, stars) if key not in row]
            broken.report(path, number, f"no {user}, {item}, {time} or {stars}" if lacking else str(problem))
            continue
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    times, unit = np.array(columns["time"], dtype=np.int64), "ms"
    if not np.any(times % 1000):
        times, unit = times // 1000, "s"
    table = pa.table(
        {
            "user": pa.array(columns["user"], pa.string()),
            "item": pa.array(columns["item"], pa.string()),
            "timestamp": pa.array(times),
            "rating": pa.array(columns["rating"], pa.float64()),
            "label": pa.array([int(stars >= positive_rating) for stars in columns["rating"]], pa.int8()),
        }
    )
    return table, unit


def keys_of(row: dict[str, Any]) -> tuple[str, str, str, str] | None:
    """The keys of the release that a review is of, by which it has most of; None where it has none of any."""
    found = {release: sum(key in row for key in keys) for release, keys in KEYS.items()}
    release = max(found, key=lambda name: found[name])
    return KEYS[release] if found[release] else None


def milliseconds(row: dict[str, Any], key: str) -> int:
    """A time since 1970 in milliseconds; one that as milliseconds would be of 1973 or before is one of seconds.

    Raises:
        ValueError: it is no number, or beyond any review.
    """
    value = row.get(key)
    time = value if isinstance(value, int) and not isinstance(value, bool) else round(number_of(row, key), 3)
    if abs(time) >= BEYOND:
        raise ValueError(f"{key} is no time in seconds or milliseconds since 1970")
    return int(time) if abs(time) >= MILLISECONDS_FROM else int(1000 * time)


def read_meta(path: Path, broken: BrokenLines) -> pa.Table:
    """The catalogue: title, description as text, brand and category; the first of an item's several lines."""
    rows: dict[str, tuple[str, str, str | None, str | None]] = {}
    odd: Counter[str] = Counter()
    for number, row in json_rows(path, broken):
        try:
            item = name_of(row, next((key for key in ITEM_KEYS if key in row), "asin"))
        except ValueError as problem:
            broken.report(path, number, str(problem))
            continue
        if item in rows:
            continue
        odd.update(key for key in ("title", "description") if isinstance(row.get(key), dict))
        rows[item] = (
            # The release of 2018 has pieces of the web page where the scraper missed a title.
            " ".join(texts_of(without_tags(row.get("title")))),
            " ".join(texts_of(row.get("description"))),
            " ".join(texts_of(row.get("brand")) or texts_of(row.get("store"))) or None,
            " > ".join(category_of(row)) or None,
        )
    for key, count in odd.items():
        broken.problems.append(f"{path.name}: {count} items have an object as {key}, which is read as none")
    values = list(zip(*rows.values(), strict=True)) or [()] * 4
    names = ("title", "text", "brand", "category")
    columns = {name: pa.array(column, pa.string()) for name, column in zip(names, values, strict=True)}
    return pa.table({"item": pa.array(rows, pa.string())} | columns)


def category_of(row: dict[str, Any]) -> list[str]:
    """An item's categories from wide to narrow: of several such paths (2014) the first."""
    for key in ("category", "categories", "main_category"):
        value = row.get(key)
        if isinstance(value, list) and value and isinstance(value[0], list):
            value = value[0]
        if found := texts_of(value):
            return found
    return []
