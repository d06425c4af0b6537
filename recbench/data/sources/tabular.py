"""Rows of a csv, tsv or Parquet file, one at a time, with their line numbers and only the columns asked for."""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.sources.compressed import open_text
from recbench.data.sources.raw import BrokenLines
from recbench.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read_rows(
    path: Path,
    columns: Mapping[str, str],
    broken: BrokenLines,
    *,
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (rows count from 1 in Parquet) and the values of every row.

    Args:
        columns: our name of a field -> its column in the file.
        names: of all columns, where the file has no header.
        delimiter: between values; none: as the file's name ends. A name may end in .gz besides.

    Raises:
        UserError: another format, a missing column, or a file that its format's reader rejects.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".parquet":
        return read_parquet(path, columns)
    if delimiter is None and suffix not in DELIMITERS:
        raise UserError(f"{path} ends in {suffix or 'nothing'}, expected .csv, .tsv or .parquet; convert or rename it")
    return read_delimited(path, columns, broken, names, delimiter or DELIMITERS[suffix])


def check_columns(path: Path, found: list[str], columns: Mapping[str, str]) -> None:
    """Raise UserError for a column that the file lacks."""
    for field, column in columns.items():
        if column not in found:
            raise UserError(
                f"{path} has no column {column!r} (for {field}), only {', '.join(found)}; map it in data.options"
            )


def read_delimited(
    path: Path, columns: Mapping[str, str], broken: BrokenLines, names: Sequence[str] | None, delimiter: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of delimited text, with a header unless all columns' names are given; values are text."""
    csv.field_size_limit(min(sys.maxsize, 1 << 30))  # descriptions and lists of titles exceed the default of 128 KiB
    with open_text(path) as text:
        rows = csv.reader(text, delimiter=delimiter)
        header = next(rows, []) if names is None else list(names)
        check_columns(path, header, columns)
        places = {field: header.index(column) for field, column in columns.items()}
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as problem:
                broken.report(path, rows.line_num, "not a line of csv", str(problem))
                continue
            if not row:
                continue
            if len(row) != len(header):
                expected = "the header" if names is None else "data.options.names"
                broken.report(path, rows.line_num, f"another number of fields than {expected}", ", ".join(row))
                continue
            values = {field: row[place] for field, place in places.items()}
            if any("\ufffd" in value for value in values.values()):
                broken.report(path, rows.line_num, "not UTF-8 text", ", ".join(row))
            else:
                yield rows.line_num, values


def read_parquet(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a Parquet file; values are Python's."""
    number = 0
    with open_parquet(path) as file:
        check_columns(path, file.schema_arrow.names, columns)
        for batch in file.iter_batches(columns=sorted(set(columns.values()))):
            for row in batch.to_pylist():
                number += 1
                yield number, {field: row[column] for field, column in columns.items()}


def open_parquet(path: Path) -> pq.ParquetFile:
    """The file, opened.

    Raises:
        UserError: it is not Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise UserError(f"{path} is not a Parquet file ({problem}); convert it, or rename it to .csv") from problem


def read_descriptions(path: Path, columns: Mapping[str, str], broken: BrokenLines, key: str = "item") -> pa.Table:
    """Items, or users, from a csv, tsv or Parquet file, in its order; every column as text.

    Args:
        columns: our name of a field -> its column in the file; `key` is among them.

    Raises:
        UserError: a missing column, or, by its line, a key that is missing or occurs twice.
    """
    rows: dict[str, dict[str, str | None]] = {}
    for line, row in read_rows(path, columns, broken):
        name = "" if row[key] is None else str(row[key])
        if not name:
            broken.report(path, line, f"no {key}")
        elif name in rows:
            broken.report(path, line, f"the {key} has a line already", name)
        else:
            rows[name] = {field: None if value is None else str(value) for field, value in row.items()} | {key: name}
    return pa.table({field: pa.array([row[field] for row in rows.values()], pa.string()) for field in columns})
