"""The raw Amazon reviews of 2018: <Category>_5.json.gz with meta_<Category>.json.gz, one JSON object a line."""

import gzip
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.sources.raw import BrokenLines, RawData, read_options, source_file, source_path
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {
    "reviews_file": str,  # none: the one *.json.gz that does not begin with meta_
    "meta_file": str,  # none: the one meta_*.json.gz, if there is one
    "positive_rating": 1.0,  # of 5 stars: with 1 every review is an interaction, as most papers have it
    "skip_bad_lines": False,
}


def read(config: DataConfig) -> RawData:
    """Read reviews and item metadata.

    Raises:
        UserError: a missing, empty or broken file, several that fit, or by its number a line that does not parse.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    names = sorted(path.name for path in folder.glob("*.json.gz"))
    reviews = options["reviews_file"] or the_one(folder, [name for name in names if not name.startswith("meta_")])
    metas = [name for name in names if name.startswith("meta_")]
    meta = options["meta_file"] or (the_one(folder, metas) if metas else None)
    interactions = read_reviews(source_file(folder, reviews), options["positive_rating"], broken)
    if meta:
        catalogue = read_meta(source_file(folder, meta), broken)
    else:
        catalogue = pa.table({"item": interactions["item"].unique()})
    return RawData(catalogue, interactions, broken.problems, dict(broken.skipped))


def the_one(folder: Path, names: list[str]) -> str:
    """The only name.

    Raises:
        UserError: there is none, or several.
    """
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise UserError(
            f"{folder} should hold one file of reviews (*.json.gz) and one meta_*.json.gz, found {found}; name them in "
            "data.options.reviews_file and meta_file"
        )
    return names[0]


def json_lines(path: Path, broken: BrokenLines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of every line that is a JSON object.

    Raises:
        UserError: the file is not gzip, or ends in the middle.
    """
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                if isinstance(row, dict):
                    yield number, row
                else:
                    broken.report(path, number, "not a JSON object", line)
    except (OSError, EOFError) as problem:
        raise UserError(f"{path} breaks off after line {number} ({problem}); fetch the file again") from problem


def read_reviews(path: Path, positive_rating: float, broken: BrokenLines) -> pa.Table:
    """user, item, timestamp (seconds), rating (stars) and label of every review."""
    columns: dict[str, list[Any]] = {name: [] for name in ("user", "item", "timestamp", "rating", "label")}
    for number, row in json_lines(path, broken):
        try:
            rating = float(row["overall"])
            values = (str(row["reviewerID"]), str(row["asin"]), int(row["unixReviewTime"]), rating)
        except (KeyError, TypeError, ValueError) as problem:
            broken.report(path, number, "no reviewerID, asin, unixReviewTime or overall", repr(problem))
            continue
        for column, value in zip(columns.values(), (*values, int(rating >= positive_rating)), strict=True):
            column.append(value)
    types = [pa.string(), pa.string(), pa.int64(), pa.float64(), pa.int8()]
    return pa.table({name: pa.array(columns[name], kind) for name, kind in zip(columns, types, strict=True)})


def read_meta(path: Path, broken: BrokenLines) -> pa.Table:
    """The catalogue: title, description as text, brand and category; the first of an item's several lines."""
    rows: dict[str, tuple[str, str, str | None, str | None]] = {}
    for number, row in json_lines(path, broken):
        if not isinstance(row.get("asin"), str):
            broken.report(path, number, "no asin")
        elif row["asin"] not in rows:
            title = str(row.get("title") or "")
            categories = row["category"] if isinstance(row.get("category"), list) else []
            rows[row["asin"]] = (
                # The release has pieces of the web page where the scraper missed a title.
                "" if "<" in title or "/>" in title else unescape(title),
                unescape(" ".join(str(part) for part in row.get("description") or [])),
                unescape(str(row["brand"])) if row.get("brand") else None,
                unescape(" > ".join(str(part) for part in categories)) or None,
            )
    values = list(zip(*rows.values(), strict=True)) or [()] * 4
    names = ("title", "text", "brand", "category")
    columns = {name: pa.array(column, pa.string()) for name, column in zip(names, values, strict=True)}
    return pa.table({"item": pa.array(rows, pa.string())} | columns)
