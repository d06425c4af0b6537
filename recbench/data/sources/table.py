"""Anyone's interactions or impressions: a csv, tsv or Parquet file, one a row, with a mapping of its columns.

With a label, or a rating and its threshold, the rows are impressions: what was shown, clicked or not. Their positives
are interactions too, where users and items are mapped. Without a column of users, all impressions belong to the one
user `anyone`; without one of items, they are of the one item `anything`, and there are no interactions: logs whose
columns are anonymous (Criteo, Avazu) are then all context.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recbench.data.interactions import SPLIT_NAMES
from recbench.data.sources.raw import BrokenLines, RawData, existing_file, read_options, source_path
from recbench.data.sources.tabular import read_descriptions, read_rows
from recbench.data.sources.values import DESCRIPTIONS, finite, parse
from recbench.data.splits import at_random, global_time, in_order
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS: dict[str, Any] = {
    "columns": {"user": "user", "item": "item"},  # our field, any of FIELDS: the file's column
    "names": list,  # of all columns, where the file has no header
    "delimiter": str,  # between values; none: as the file's name ends
    "rows": int,  # at most so many are read, from the start; none: all
    "timestamp_format": str,  # as datetime.strptime reads it; none: seconds, or ISO 8601
    "positive_rating": float,  # rows rated lower are negatives; none: the label column, or every row is positive
    "context": {"numeric": [], "categorical": [], "time": []},  # columns of the file; time: hour, weekday
    "impressions_split": {"by": None, "validation": 0.1, "test": 0.1, "seed": 0},  # by time, order or random
    "items_file": str,  # relative to data.path's folder
    "item_columns": {
        "item": "item",
        "title": "title",
    },  # any of text, image, caption too, and others as they will be called
    "users_file": str,  # relative to data.path's folder
    "user_columns": {"user": "user"},  # and any others
    "skip_bad_lines": False,
}
FIELDS = (
    "user",
    "item",
    "timestamp",
    "label",
    "rating",
    "query",
    "position",
    "propensity",
    "probability",
    "split",
    *DESCRIPTIONS,
)
TYPES = {"timestamp": pa.int64(), "label": pa.int64(), "position": pa.int64()} | dict.fromkeys(
    ("rating", "propensity", "probability"), pa.float64()
)
IMPRESSION_FIELDS = ("user", "item", "label", "timestamp", "query", "position", "propensity", "probability", "split")
ANYONE, ANYTHING = "anyone", "anything"
WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")  # 1970 began on a Thursday
CONTEXT_TIMES = ("hour", "weekday")
SPLITS_BY = ("time", "order", "random")


def read(config: DataConfig) -> RawData:
    """Read interactions, impressions where rows have labels, and a catalogue and users where files give them.

    Raises:
        UserError: a missing or empty file, a missing column, options that contradict each other; and, by its line, a
            value that is no number, no time or out of range.
    """
    options = read_options(config, OPTIONS)
    path = existing_file(source_path(config))
    labelled = options["columns"].get("label") is not None or options["positive_rating"] is not None
    columns = mapping(options["columns"], "columns", required=() if labelled else ("user", "item"))
    context = {**OPTIONS["context"], **options["context"]}
    check_options(options, columns, context, labelled)
    broken = BrokenLines(options["skip_bad_lines"])
    table = read_log(path, columns, context, options, broken)
    folder = path.parent
    if options["items_file"]:
        given = mapping(options["item_columns"], "item_columns", required=("item",))
        catalogue = read_descriptions(existing_file(folder / options["items_file"]), given, broken)
    else:
        catalogue = described_in_log(table)
    users = None
    if options["users_file"]:
        given = mapping(options["user_columns"], "user_columns", required=("user",))
        users = read_descriptions(existing_file(folder / options["users_file"]), given, broken, key="user")
    sequences = None
    if "user" in columns and "item" in columns:
        names = ("user", "item", "timestamp", "label", "rating")
        sequences = table.select([name for name in names if name in table.column_names])
    impressions = impressions_of(table, context, options["impressions_split"]) if labelled and table.num_rows else None
    return RawData(
        catalogue, sequences, broken.problems, dict(broken.skipped), impressions=impressions, user_fields=users
    )


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


def check_options(
    options: dict[str, Any], columns: dict[str, str], context: dict[str, list[str]], labelled: bool
) -> None:
    """Raise UserError for unknown fields and for options that need others."""
    for field in columns:
        if field not in FIELDS:
            raise UserError(f"data.options.columns maps {field!r}, expected some of {', '.join(FIELDS)}")
    threshold = options["positive_rating"]
    if threshold is not None and "rating" not in columns:
        raise UserError(f"data.options.positive_rating is {threshold}, but data.options.columns maps no rating; add it")
    if unknown := set(context) - set(OPTIONS["context"]):
        raise UserError(f"data.options.context has {sorted(unknown)[0]!r}, expected numeric, categorical or time")
    for name in context["time"]:
        if name not in CONTEXT_TIMES or "timestamp" not in columns:
            raise UserError(
                f"data.options.context.time has {name!r}, expected hour or weekday and data.options.columns.timestamp"
            )
    given = [*context["numeric"], *context["categorical"]]
    for name in given:
        if name in [columns.get("label"), columns.get("rating")]:
            raise UserError(f"data.options.context has {name!r}, which the label is made of; take it out")
        if name in IMPRESSION_FIELDS or name in CONTEXT_TIMES or given.count(name) > 1:
            raise UserError(
                f"data.options.context has a column {name!r}, twice or a name that means something else here; rename it"
            )
    if given and not labelled:
        raise UserError("data.options.context needs impressions: map a label, or a rating and positive_rating")
    described = [field for field in DESCRIPTIONS if field in columns]
    if described and (options["items_file"] or "item" not in columns):
        raise UserError(
            f"data.options.columns maps {described[0]}, which needs an item column and no items_file; use item_columns"
        )
    if options["rows"] is not None and options["rows"] < 1:
        raise UserError(f"data.options.rows is {options['rows']}, expected at least 1, or null for all")


def read_log(
    path: Path, columns: dict[str, str], context: dict[str, list[str]], options: dict[str, Any], broken: BrokenLines
) -> pa.Table:
    """Every mapped field as a column under its own name, then the columns of the context under theirs."""
    numeric, categorical = context["numeric"], context["categorical"]
    wanted = columns | {f"context {name}": name for name in [*numeric, *categorical]}
    values: dict[str, list[Any]] = {field: [] for field in wanted}
    known: dict[str, str] = {}  # one object for equal texts: logs repeat few of them many times
    rows = read_rows(path, wanted, broken, names=options["names"], delimiter=options["delimiter"])
    for line, row in rows:
        try:
            parsed = {field: parse(field, row[field], options["timestamp_format"]) for field in columns}
            for name in numeric:
                value = row[f"context {name}"]
                parsed[f"context {name}"] = None if value is None or value == "" else finite(name, value)
        except ValueError as problem:
            broken.report(path, line, str(problem))
            continue
        for name in categorical:
            value = row[f"context {name}"]
            parsed[f"context {name}"] = None if value is None or value == "" else str(value)
        for field, value in parsed.items():
            values[field].append(known.setdefault(value, value) if isinstance(value, str) else value)
        if options["rows"] and len(next(iter(values.values()))) == options["rows"]:
            break
    if options["positive_rating"] is not None:
        values["label"] = [int(rating >= options["positive_rating"]) for rating in values["rating"]]
    types = TYPES | {f"context {name}": pa.float64() for name in numeric}
    table = pa.table({name: pa.array(column, types.get(name, pa.string())) for name, column in values.items()})
    return table.rename_columns([name.removeprefix("context ") for name in table.column_names])


def described_in_log(table: pa.Table) -> pa.Table:
    """A catalogue of the items in the order of their first row, with the first title, text and image of each."""
    if "item" not in table.column_names:
        return pa.table({"item": [ANYTHING]})
    items = table["item"].unique()
    columns = {"item": items}
    for field in DESCRIPTIONS:
        if field in table.column_names:
            described = table.select(["item", field]).filter(table[field].is_valid())
            first: dict[str, str] = {}
            for item, value in zip(described["item"].to_pylist(), described[field].to_pylist(), strict=True):
                first.setdefault(item, value)
            columns[field] = pa.array([first.get(item) for item in items.to_pylist()], pa.string())
    return pa.table(columns)


def impressions_of(table: pa.Table, context: dict[str, list[str]], split: dict[str, Any]) -> pa.Table:
    """The rows as impressions; see the module for what stands in for missing users and items."""
    names = [name for name in IMPRESSION_FIELDS if name in table.column_names]
    impressions = table.select([*names, *context["numeric"], *context["categorical"]])
    for name, stand_in in (("user", ANYONE), ("item", ANYTHING)):
        if name not in names:
            impressions = impressions.append_column(name, pa.repeat(pa.scalar(stand_in), table.num_rows))
    if "split" not in names:
        times = table["timestamp"].to_numpy() if "timestamp" in names else None
        codes = split_of(table.num_rows, times, {**OPTIONS["impressions_split"], **split})
        impressions = impressions.append_column("split", pa.array(SPLIT_NAMES).take(pa.array(codes)))
    for name in context["time"]:
        times = table["timestamp"].to_numpy()
        of_day = [str(hour) for hour in range(24)]
        texts, code = (of_day, times // 3600 % 24) if name == "hour" else (WEEKDAYS, times // 86400 % 7)
        impressions = impressions.append_column(name, pa.array(texts).take(pa.array(code)))
    return impressions


def split_of(count: int, times: np.ndarray | None, options: dict[str, Any]) -> np.ndarray:
    """Split of every impression, int8 [M], as data.options.impressions_split says.

    Raises:
        UserError: an unknown way, a split by time without times, or shares out of range.
    """
    by = options["by"] or ("order" if times is None else "time")
    validation, test = float(options["validation"]), float(options["test"])
    if by not in SPLITS_BY or (by == "time" and times is None):
        raise UserError(
            f"data.options.impressions_split.by is {by!r}, expected order, random or, with a timestamp, time"
        )
    if validation < 0 or test < 0 or validation + test >= 1:
        raise UserError(
            f"data.options.impressions_split has validation {validation} and test {test}, expected shares that leave "
            "some for training"
        )
    train = 1 - validation - test
    if times is not None and by == "time":
        return global_time(times, train, validation)
    if by == "order":
        return in_order(count, train, validation)
    return at_random(count, train, validation, np.random.default_rng(options["seed"]))
