"""Anyone's interactions: a csv, tsv or Parquet file, one interaction a row, with a mapping of its columns."""

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.sources.raw import BrokenLines, RawData, existing_file, read_options, source_path
from recbench.data.sources.tabular import read_rows
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS: dict[str, Any] = {
    "columns": {"user": "user", "item": "item"},  # and any of timestamp, label, rating
    "positive_rating": float,  # rows rated lower are negatives; none: the label column, or every row is positive
    "items_file": str,  # relative to data.path's folder
    "item_columns": {
        "item": "item",
        "title": "title",
    },  # any of text, image too, and others under the name to give them
    "skip_bad_lines": False,
}
FIELDS = ("user", "item", "timestamp", "label", "rating")


def read(config: DataConfig) -> RawData:
    """Read interactions, and a catalogue where a file gives it.

    Raises:
        UserError: a missing or empty file, a missing column, a value that is no number or time, by its line.
    """
    options = read_options(config, OPTIONS)
    path = existing_file(source_path(config))
    columns = mapping(options["columns"], "columns", required=("user", "item"))
    for field in columns:
        if field not in FIELDS:
            raise UserError(f"data.options.columns maps {field!r}, expected some of {', '.join(FIELDS)}")
    threshold = options["positive_rating"]
    if threshold is not None and "rating" not in columns:
        raise UserError(f"data.options.positive_rating is {threshold}, but data.options.columns maps no rating; add it")
    broken = BrokenLines(options["skip_bad_lines"])
    values: dict[str, list[Any]] = {field: [] for field in columns}
    for line, row in read_rows(path, columns, broken):
        try:
            parsed = {field: parse(field, value) for field, value in row.items()}
        except ValueError as problem:
            broken.report(path, line, str(problem))
            continue
        for field, value in parsed.items():
            values[field].append(value)
    if threshold is not None:
        values["label"] = [int(rating >= threshold) for rating in values["rating"]]
    types = {"user": pa.string(), "item": pa.string(), "timestamp": pa.int64(), "label": pa.int64()}
    interactions = pa.table({field: pa.array(column, types.get(field)) for field, column in values.items()})
    if options["items_file"]:
        items_path = existing_file(path.parent / options["items_file"])
        catalogue = read_items(items_path, mapping(options["item_columns"], "item_columns", required=("item",)), broken)
    else:
        catalogue = pa.table({"item": interactions["item"].unique()})
    return RawData(catalogue, interactions, broken.problems, dict(broken.skipped))


def mapping(given: dict[str, str | None], name: str, required: tuple[str, ...]) -> dict[str, str]:
    """Fields that are mapped to a column; null leaves a field out.

    Raises:
        UserError: a required field is left out.
    """
    columns = {str(field): str(column) for field, column in given.items() if column is not None}
    for field in required:
        if field not in columns:
            raise UserError(f"data.options.{name} maps no {field}; add data.options.{name}.{field}=COLUMN")
    return columns


def parse(field: str, value: Any) -> Any:
    """A field's value: text for user and item, seconds for timestamp, 0 or 1 for label, a number for rating.

    Raises:
        ValueError: with a reason in words that do not contain the value, so that equal reasons can be counted.
    """
    if value is None or value == "":
        raise ValueError(f"no {field}")
    if field in ("user", "item"):
        return str(value)
    if field == "timestamp":
        return seconds(value)
    try:
        number = float(value)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the {field} is no number") from problem
    if not math.isfinite(number):
        raise ValueError(f"the {field} is no finite number")
    if field == "label" and number not in (0, 1):
        raise ValueError("the label is neither 0 nor 1")
    return int(number) if field == "label" else number


def seconds(value: Any) -> int:
    """Seconds since 1970 from a number of seconds or from an ISO 8601 time (UTC unless it says otherwise).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        try:
            return int(float(value))
        except (TypeError, ValueError, OverflowError):
            pass
        try:
            value = datetime.fromisoformat(str(value))
        except ValueError as problem:
            raise ValueError("the timestamp is neither a number of seconds nor an ISO 8601 time") from problem
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


def read_items(path: Path, columns: dict[str, str], broken: BrokenLines) -> pa.Table:
    """A catalogue from a csv, tsv or Parquet file, in its order; every column as text.

    Raises:
        UserError: a missing column, or, by its line, an item that is missing or occurs twice.
    """
    rows: dict[str, dict[str, str | None]] = {}
    for line, row in read_rows(path, columns, broken):
        item = "" if row["item"] is None else str(row["item"])
        if not item:
            broken.report(path, line, "no item")
        elif item in rows:
            broken.report(path, line, "the item has a line already", item)
        else:
            rows[item] = {field: None if value is None else str(value) for field, value in row.items()} | {"item": item}
    return pa.table({field: pa.array([row[field] for row in rows.values()], pa.string()) for field in columns})
