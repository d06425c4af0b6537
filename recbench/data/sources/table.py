"""Anyone's interactions or impressions: a csv, tsv or Parquet file, one a row, with a mapping of its columns.

With a label, or a rating and its threshold, the rows are impressions: what was shown, clicked or not. Their positives
are interactions too, where users and items are mapped. Without a column of users, all impressions belong to the one
user `anyone`; without one of items, they are of the one item `anything`, and there are no interactions: logs whose
columns are anonymous (Criteo, Avazu) are then all context.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.interactions import SPLIT_NAMES
from recbench.data.sources import reading
from recbench.data.sources.dialect import Layout, delimiter_of
from recbench.data.sources.item_pictures import images_by_pattern, separated_images
from recbench.data.sources.names import Names, first_rows, in_order, whole_numbers
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, existing_file, read_options, source_path
from recbench.data.sources.tabular import (
    Columns,
    Described,
    Parser,
    TableFile,
    described,
    description_parsers,
    open_table,
    plain_column,
    read_columns,
)
from recbench.data.sources.times import TICKS, Settled, settle, times
from recbench.data.sources.values import (
    DESCRIPTIONS,
    DOUBTFUL_NULLS,
    NULLS,
    labels,
    numbers,
    numbers_or_none,
    positions,
    splits,
)
from recbench.data.splits import at_random, global_time
from recbench.data.splits import in_order as split_in_order
from recbench.errors import UserError
from recbench.schema import DataConfig

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
IMPRESSION_FIELDS = ("user", "item", "label", "timestamp", "query", "position", "propensity", "probability", "split")
ANYONE, ANYTHING = "anyone", "anything"
WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")  # 1970 began on a Thursday
CONTEXT_TIMES = ("hour", "weekday")
SPLITS_BY = ("time", "order", "random")
SPLIT_OPTIONS = {
    "by": Option(str, "time, order or random; none: time where there are timestamps, else the rows' order"),
    "validation": Option(0.1, "share of the impressions", least=0, most=1),
    "test": Option(0.1, "share of the impressions", least=0, most=1),
    "seed": Option(0, "of random", least=0),
}
OPTIONS: dict[str, Option] = {
    "columns": Option(
        {"user": "user", "item": "item"},
        "our field: the file's column; none where there is none",
        keys={name: Option(str, f"column of the {name}") for name in FIELDS},
    ),
    "names": Option(list, "of all columns, where the file has no header"),
    "delimiter": Option(str, "between values: , ; | :: tab ...; none: as the file's name or first line tells"),
    "quotes": Option(bool, "whether values may stand in quotes; none: where the delimiter is a comma or a semicolon"),
    "escapes": Option(False, "whether a backslash before a quote makes it a character, as Spark and MySQL write them"),
    "encoding": Option("utf-8", "of delimited text, in all files"),
    "rows": Option(int, "at most so many are read, from the start; none: all", least=1),
    "timestamp_format": Option(str, "as datetime.strptime reads it; none: numbers, or ISO 8601"),
    "time_unit": Option(str, "of timestamps that are numbers; none: by their size", one_of=tuple(TICKS)),
    "null_values": Option(list(NULLS), "text that stands for no user, item, category or number, besides blanks"),
    "positive_rating": Option(
        float, "rows rated lower are negatives; none: the label column, or every row is positive"
    ),
    "context": Option(
        {},
        "columns of the file that describe an impression",
        keys={
            "numeric": Option([], "numbers"),
            "categorical": Option([], "categories"),
            "time": Option([], "hour, weekday: taken from the timestamp"),
        },
    ),
    "impressions_split": Option({}, "where no column says it", keys=SPLIT_OPTIONS),
    "items_file": Option(str, "one item a row, relative to data.path's folder"),
    "items_names": Option(list, "of all its columns, where it has no header"),
    "items_delimiter": Option(str, "between its values; none: as its name or first line tells, or as the log's"),
    "item_columns": Option(
        {"item": "item", "title": "title"}, "any of text, image, caption too, and others as they will be called"
    ),
    "image_separator": Option(
        str, "between the pictures of an item that has several; none: a row has one, or in Parquet a list of them"
    ),
    "image_pattern": Option(
        str, "path of an item's picture where no column names it, such as {item}.jpg; none: items have a column of them"
    ),
    "users_file": Option(str, "one user a row, relative to data.path's folder"),
    "users_names": Option(list, "of all its columns, where it has no header"),
    "users_delimiter": Option(str, "as items_delimiter"),
    "user_columns": Option({"user": "user"}, "and any others"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}


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
    context = options["context"]
    check_options(options, columns, context, labelled)
    broken = BrokenLines(options["skip_bad_lines"])
    log = Log(path, columns, context, options, broken)
    beside = {
        key: read_beside(path.parent, key, options, broken)
        for key, name in (("item", "items_file"), ("user", "users_file"))
        if options[name]
    }
    telling = [log.facts("impressions" if labelled else "interactions")]
    warnings: list[str] = []
    tables: dict[str, pa.Table] = {}
    for key, fields in (("item", ("item", "query")), ("user", ("user",))):
        in_log = [name for name in fields if name in columns]
        file, found, parsers, given = beside.get(key, (None, None, {}, {}))
        columns_of_key = [log.values[name] for name in in_log] + ([found.values[key]] if found else [])
        whole, example = whole_numbers(columns_of_key)
        log.values.update(zip(in_log, whole, strict=False))
        telling[0]["notes"] += reading.whole_number_note(key, example)
        warnings += reading.rounded_names(key, whole)
        if file is None or found is None:
            continue
        found.values[key] = whole[-1]
        table = tables[key] = described(file, found, key, broken)
        telling.append(reading.facts(file, f"{key}s", found, given, parsers, table))
        if key in columns:
            met, warning = reading.keys_met(key, log.values[key], table[key].combine_chunks(), file.path.name)
            telling[-1]["keys"] = [met]
            warnings += [warning] if warning else []
    table = log.table()
    telling[0]["first_rows"] = reading.first_rows(table, log.times.unit if log.times else "s")
    sequences = None
    if "user" in columns and "item" in columns:
        names = ("user", "item", "timestamp", "label", "rating")
        sequences = table.select([name for name in names if name in table.column_names])
    catalogue = separated_images(
        images_by_pattern(tables.get("item", described_in_log(table)), options["image_pattern"]),
        options["image_separator"],
    )
    per_second = TICKS[log.times.unit] if log.times else 1
    split = options["impressions_split"]
    return RawData(
        catalogue,
        sequences,
        broken.problems,
        dict(broken.skipped),
        impressions=impressions_of(table, context, split, per_second) if labelled and table.num_rows else None,
        user_fields=tables.get("user"),
        time_unit=log.times.unit if log.times else "s",
        reading=telling,
        warnings=warnings,
    )


class Log:
    """The file of interactions or impressions, in columns; identifiers may still be changed."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str],
        context: Mapping[str, list[str]],
        options: Mapping[str, Any],
        broken: BrokenLines,
    ) -> None:
        self.path, self.columns, self.threshold = path, columns, options["positive_rating"]
        wanted = dict(columns) | {f"context {name}": name for name in [*context["numeric"], *context["categorical"]]}
        self.file = open_table(
            path,
            wanted,
            Layout(
                names=options["names"],
                delimiter=None if options["delimiter"] is None else delimiter_of(options["delimiter"]),
                quotes=options["quotes"],
                escapes=options["escapes"],
                encoding=options["encoding"],
            ),
        )
        self.wanted, self.parsers = wanted, log_parsers(columns, context, options)
        self.found = read_columns(self.file, wanted, self.parsers, broken, limit=options["rows"])
        self.values = self.found.values
        self.times: Settled | None = None
        if "timestamp" in columns:
            self.times = settle(
                self.values["timestamp"], f"{path.name}, column {columns['timestamp']}", options["time_unit"]
            )
            if options["timestamp_format"]:
                self.times = self.times._replace(written=options["timestamp_format"])
            self.values["timestamp"] = pa.array(self.times.ticks)

    def facts(self, holds: str) -> dict[str, Any]:
        """How the file was read."""
        told = reading.facts(self.file, holds, self.found, self.wanted, self.parsers, self.table().slice(0, 0))
        told["rows"] = self.found.rows
        if self.times is not None:
            told["time"] = reading.time_facts(self.columns["timestamp"], self.times)
        return told

    def table(self) -> pa.Table:
        """Every mapped field as a column under its own name, then the columns of the context under theirs."""
        values = dict(self.values)
        if self.threshold is not None:
            positive = pc.greater_equal(values["rating"], self.threshold).cast(pa.int8())
            values = {name: column for name, column in values.items() if name != "label"} | {"label": positive}
        return pa.table({name.removeprefix("context "): column for name, column in values.items()})


def log_parsers(
    columns: Mapping[str, str], context: Mapping[str, list[str]], options: Mapping[str, Any]
) -> dict[str, Parser]:
    """What reads each column of a log."""
    nulls, of_categories = null_values(options)
    parsers: dict[str, Parser] = {}
    for name in columns:
        if name in ("user", "item", "query"):
            parsers[name] = Names(name, nulls)
        elif name in DESCRIPTIONS:
            parsers[name] = Described(name, of_categories)
        elif name == "timestamp":
            parsers[name] = partial(times, timestamp_format=options["timestamp_format"])
        else:
            parsers[name] = {"label": labels, "position": positions, "split": splits}.get(name, partial(numbers, name))
    for name in context["numeric"]:
        parsers[f"context {name}"] = partial(numbers_or_none, name, nulls=nulls)
    for name in context["categorical"]:
        parsers[f"context {name}"] = Names(name, of_categories, required=False)
    return parsers


def null_values(options: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands for no user, item or number, and for no category: without what may be one, unless it is asked for."""
    nulls = tuple(str(one) for one in options["null_values"])
    return nulls, tuple(one for one in nulls if one not in DOUBTFUL_NULLS) if nulls == NULLS else nulls


def read_beside(
    folder: Path, key: str, options: Mapping[str, Any], broken: BrokenLines
) -> tuple[TableFile, Columns, dict[str, Parser], dict[str, str]]:
    """The file of items or of users beside the log: its columns, what read them, and which they are."""
    given = mapping(options[f"{key}_columns"], f"{key}_columns", required=(key,))
    own = options[f"{key}s_delimiter"]
    layout = Layout(
        names=options[f"{key}s_names"],
        delimiter=None if own is None else delimiter_of(own, f"data.options.{key}s_delimiter"),
        fallback=None if options["delimiter"] is None else delimiter_of(options["delimiter"]),
        quotes=options["quotes"],
        escapes=options["escapes"],
        encoding=options["encoding"],
    )
    file = open_table(existing_file(folder / options[f"{key}s_file"], f"{key}s_file"), given, layout)
    parsers = description_parsers(given, key, *null_values(options))
    return file, read_columns(file, given, parsers, broken, with_records=True), parsers, given


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
    options: Mapping[str, Any], columns: Mapping[str, str], context: Mapping[str, list[str]], labelled: bool
) -> None:
    """Raise UserError for unknown fields and for options that need others."""
    threshold = options["positive_rating"]
    if threshold is not None and "rating" not in columns:
        raise UserError(f"data.options.positive_rating is {threshold}, but data.options.columns maps no rating; add it")
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


def described_in_log(table: pa.Table) -> pa.Table:
    """A catalogue of the items in the order of their first row, with the first title, text and image of each."""
    if "item" not in table.column_names:
        return pa.table({"item": [ANYTHING]})
    items, code = in_order(table["item"].combine_chunks())
    columns = {"item": items}
    for field in DESCRIPTIONS:
        if field in table.column_names:
            texts = table[field].combine_chunks()
            texts = plain_column(texts)  # lists, of pictures, have no dictionary
            rows = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
            first = first_rows(code[rows], len(items))
            place = pa.array(rows[first] if len(rows) else first, mask=first < 0)
            columns[field] = texts.take(place)
    return pa.table(columns)


def impressions_of(
    table: pa.Table, context: Mapping[str, list[str]], split: Mapping[str, Any], per_second: int
) -> pa.Table:
    """The rows as impressions; see the module for what stands in for missing users and items.

    Args:
        per_second: units of the timestamps.
    """
    names = [name for name in IMPRESSION_FIELDS if name in table.column_names]
    impressions = table.select([*names, *context["numeric"], *context["categorical"]])
    for name, stand_in in (("user", ANYONE), ("item", ANYTHING)):
        if name not in names:
            codes = pa.array(np.zeros(table.num_rows, np.int32))
            impressions = impressions.append_column(name, pa.DictionaryArray.from_arrays(codes, pa.array([stand_in])))
    if "split" not in names:
        moments = table["timestamp"].to_numpy() if "timestamp" in names else None
        split_codes = split_of(table.num_rows, moments, split)
        impressions = impressions.append_column("split", pa.array(SPLIT_NAMES).take(pa.array(split_codes)))
    for name in context["time"]:
        seconds = table["timestamp"].to_numpy() // per_second
        of_day = [str(hour) for hour in range(24)]
        texts, code = (of_day, seconds // 3600 % 24) if name == "hour" else (WEEKDAYS, seconds // 86400 % 7)
        impressions = impressions.append_column(name, pa.array(texts).take(pa.array(code)))
    return impressions


def split_of(count: int, times: np.ndarray | None, options: Mapping[str, Any]) -> np.ndarray:
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
        return split_in_order(count, train, validation)
    return at_random(count, train, validation, np.random.default_rng(options["seed"]))
