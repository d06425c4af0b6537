"""Tables of values: csv, tsv, other delimited text or Parquet, read in columns, or row by row where files are small."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.delimited import Batch, DelimitedFile, Fault
from recbench.data.sources.dialect import UNKNOWN, Layout, find_dialect, suffix_of
from recbench.data.sources.names import Names, dictionary_of, one_dictionary, text_of
from recbench.data.sources.parquet import ParquetTable
from recbench.data.sources.raw import BrokenLines
from recbench.data.sources.times import Times, join
from recbench.data.sources.values import NULLS, Parsed, shown
from recbench.errors import UserError
from recbench.schema.validation import did_you_mean

TableFile = DelimitedFile | ParquetTable
Parser = Callable[[pa.Array], Parsed]
PARQUET = (".parquet", ".pq")
TEXTS = ("title", "text", "caption")  # taken as they stand; other columns of descriptions are categories


def open_table(path: Path, columns: Mapping[str, str], layout: Layout = UNKNOWN) -> TableFile:
    """A file whose format its name tells, its columns checked. The name may end in .gz besides.

    Args:
        columns: our name of a field -> its column in the file.

    Raises:
        UserError: another format, a column that is missing or there twice, or a file that its format's reader rejects.
    """
    if suffix_of(path) in PARQUET:
        file: TableFile = ParquetTable(path)
    else:
        file = DelimitedFile(path, find_dialect(path, columns, layout), layout.names)
    check_columns(path, file.names, columns)
    return file


def check_columns(path: Path, found: list[str], columns: Mapping[str, str]) -> None:
    """Raise UserError for a column that the file lacks, or has twice."""
    if not any(found):
        raise UserError(f"{path} is blank; expected a line with the names of columns, then rows")
    for name, column in columns.items():
        if column not in found:
            near = did_you_mean(column, found)
            raise UserError(
                f"{path} has no column {column!r} (for {name}), only {', '.join(found)}; map it in data.options{near}"
            )
        if (times := found.count(column)) > 1:
            raise UserError(f"{path} has {times} columns called {column!r} (for {name}); rename or drop all but one")


@dataclass
class Columns:
    """What was read of a file."""

    values: dict[str, Any]  # field -> pa.Array, Times or pa.DictionaryArray, [rows]
    rows: int
    records: np.ndarray  # int64 [rows], the record of each, where asked for; else empty
    left_out: Counter[str] = field(default_factory=Counter)  # records, by reason


def read_columns(
    file: TableFile,
    columns: Mapping[str, str],
    parsers: Mapping[str, Parser],
    broken: BrokenLines,
    *,
    limit: int | None = None,
    with_records: bool = False,
) -> Columns:
    """Every row of a file in which all columns are right.

    Args:
        parsers: field -> what makes a column of the file's values, for every field of `columns`.
        limit: at most so many rows, from the start.
        with_records: whether to keep which record each row was.

    Raises:
        UserError: by its line, the first record that is wrong, unless broken lines are left out.
    """
    parts: dict[str, list[Any]] = {name: [] for name in columns}
    records, rows, left_out, faults = [np.zeros(0, np.int64)], 0, Counter[str](), list[Fault]()
    for batch in file.batches(columns):
        parsed = {
            name: _parse(file, name, columns[name], parser, batch.columns[name]) for name, parser in parsers.items()
        }
        wrong = _faults(batch, parsed)
        found = sorted([*batch.faults, *wrong.values()])
        keep = np.setdiff1d(np.arange(batch.count), list(wrong)) if wrong else None
        count = batch.count - len(wrong)
        if limit is not None and rows + count >= limit:
            keep = (np.arange(batch.count) if keep is None else keep)[: limit - rows]
            found = [fault for fault in found if fault.record < batch.records[keep[-1]]]
            count = len(keep)
        broken.check(file, found)
        left_out.update(fault.reason for fault in found)
        faults += found[: broken.listed - len(faults)]
        for name, column in parsed.items():
            parts[name].append(column.values if keep is None else _take(column.values, keep))
        if with_records:
            records.append(batch.records if keep is None else batch.records[keep])
        rows += count
        if limit is not None and rows >= limit:
            break
    broken.add(file, faults, left_out)
    nothing = pa.array([], pa.string())
    joined = {name: _joined(parts[name] or [parser(nothing).values]) for name, parser in parsers.items()}
    return Columns(joined, rows, np.concatenate(records), left_out)


def _parse(file: TableFile, name: str, column: str, parser: Parser, values: pa.Array | pa.ChunkedArray) -> Parsed:
    if pa.types.is_nested(values.type) and not (isinstance(parser, Described) and pa.types.is_list(values.type)):
        raise UserError(
            f"{file.path}: column {column!r} (for {name}) holds {values.type}, expected one value a row; write a "
            "row for each, or leave the column out"
        )
    if isinstance(values, pa.ChunkedArray):
        values = dictionary_of(values) if isinstance(parser, Names) else values.combine_chunks()
    return parser(values)


def _faults(batch: Batch, parsed: Mapping[str, Parsed]) -> dict[int, Fault]:
    """Row -> what is wrong with it first, in the order of the columns."""
    faults: dict[int, Fault] = {}
    records = batch.records if any(column.wrong for column in parsed.values()) else np.zeros(0)
    for name, column in parsed.items():
        for reason, rows in column.wrong.items():
            for row in rows.tolist():
                if row not in faults:
                    value = batch.columns[name][row].as_py()
                    detail = "" if reason.startswith("no ") else shown(value)
                    faults[row] = Fault(int(records[row]), reason, detail)
    return faults


def _take(values: Any, rows: np.ndarray) -> Any:
    return values.take(rows) if isinstance(values, Times) else values.take(pa.array(rows, pa.int64()))


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], Times):
        return join(parts)
    if isinstance(parts[0], pa.DictionaryArray):
        return one_dictionary(parts)
    return pa.concat_arrays(parts)


# ---- descriptions


@dataclass
class Described:
    """Reads a column of descriptions: text as it stands, lists as they are, categories as names; null where blank."""

    name: str
    nulls: Sequence[str] = NULLS

    def __post_init__(self) -> None:
        self.names = Names(self.name, self.nulls, required=False)

    def __call__(self, values: pa.Array) -> Parsed:
        """Codes and distinct texts, or lists of texts."""
        if pa.types.is_list(values.type) and self.name not in TEXTS:
            parts = [row if row is None or self.name != "image" else filter(None, row) for row in values.to_pylist()]
            rows = [None if row is None else [text_of(part) for part in row] for row in parts]
            return Parsed(pa.array(rows, pa.list_(pa.string())))
        if self.name not in TEXTS:
            return self.names(values)
        if not pa.types.is_string(values.type):
            texts = [None if value is None else text_of(value) for value in values.to_pylist()]
            values = pa.array(texts, pa.string())
        encoded = values.dictionary_encode()
        blank = pc.equal(pc.utf8_trim_whitespace(encoded.dictionary), "")
        distinct = pc.if_else(blank, pa.scalar(None, pa.string()), encoded.dictionary)
        return Parsed(pa.DictionaryArray.from_arrays(encoded.indices, distinct))


def read_descriptions(
    path: Path,
    columns: Mapping[str, str],
    broken: BrokenLines,
    key: str = "item",
    *,
    nulls: Sequence[str] = (),
    layout: Layout = UNKNOWN,
) -> pa.Table:
    """Items, or users, from a csv, tsv or Parquet file, in its order; every column as text.

    Args:
        columns: our name of a field -> its column in the file; `key` is among them.
        nulls: what stands for no value, besides blanks.

    Raises:
        UserError: a missing column, or, by its line, a key that is missing or occurs twice.
    """
    file = open_table(path, columns, layout)
    found = read_columns(file, columns, description_parsers(columns, key, nulls, nulls), broken, with_records=True)
    return described(file, found, key, broken)


def description_parsers(
    columns: Mapping[str, str], key: str, nulls: Sequence[str], of_categories: Sequence[str]
) -> dict[str, Parser]:
    """What reads each column of descriptions.

    Args:
        nulls: what stands for no key, besides blanks; `of_categories` for no category.
    """
    return {name: Names(key, nulls) if name == key else Described(name, of_categories) for name in columns}


def described(file: TableFile, found: Columns, key: str, broken: BrokenLines) -> pa.Table:
    """The columns as a table of distinct keys; a key's further lines are broken ones."""
    codes = found.values[key].indices.to_numpy()
    first = np.zeros(len(codes), dtype=bool)
    first[np.unique(codes, return_index=True)[1]] = True
    if not first.all():
        reason = f"the {key} has a line already"
        again = np.flatnonzero(~first)
        names = found.values[key].take(pa.array(again[: broken.listed])).to_pylist()
        faults = [Fault(int(found.records[row]), reason, name) for row, name in zip(again, names, strict=False)]
        broken.check(file, faults)
        broken.add(file, faults, Counter({reason: len(again)}))
        found.left_out[reason] += len(again)
    keep = pa.array(first)
    columns = {name: plain_column(values).filter(keep) for name, values in found.values.items()}
    return pa.table(columns)


def plain_column(values: pa.Array) -> pa.Array:
    """Text without its dictionary."""
    return values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values


# ---- row by row


def read_rows(
    path: Path, columns: Mapping[str, str], broken: BrokenLines, layout: Layout = UNKNOWN
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (rows count from 1 in Parquet) and the values of every row; for files that are small.

    Args:
        columns: our name of a field -> its column in the file.

    Raises:
        UserError: as `open_table` and `read_columns`.
    """
    file = open_table(path, columns, layout)
    for batch in file.batches(columns):
        lines = file.lines([*batch.records.tolist(), *(fault.record for fault in batch.faults)])
        values = {name: column.to_pylist() for name, column in batch.columns.items()}
        rows = {int(record): row for row, record in enumerate(batch.records)}
        faults = {fault.record: fault for fault in batch.faults}
        for record in sorted([*rows, *faults]):
            if fault := faults.get(record):
                broken.report(path, lines[record], fault.reason, fault.detail, place=file.place)
            else:
                yield lines[record], {name: column[rows[record]] for name, column in values.items()}
