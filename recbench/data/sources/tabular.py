"""Rows of a csv, tsv or Parquet file, one at a time, with their line numbers and only the columns asked for."""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.sources.raw import BrokenLines
from recbench.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read_rows(path: Path, columns: Mapping[str, str], broken: BrokenLines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number (rows count from 1 in Parquet) and the values of every row.

    Args:
        columns: our name of a field -> its column in the file.

    Raises:
        UserError: another format, a missing column, or a file that its format's reader rejects.
    """
    if path.suffix == ".parquet":
        return read_parquet(path, columns)
    if path.suffix in DELIMITERS:
        return read_delimited(path, columns, broken)
    raise UserError(f"{path} ends in {path.suffix or 'nothing'}, expected .csv, .tsv or .parquet; convert or rename it")


def check_columns(path: Path, found: list[str], columns: Mapping[str, str]) -> None:
    """Raise UserError for a column that the file lacks."""
    for field, column in columns.items():
        if column not in found:
            raise UserError(
                f"{path} has no column {column!r} (for {field}), only {', '.join(found)}; map it in data.options"
            )


def read_delimited(path: Path, columns: Mapping[str, str], broken: BrokenLines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a csv or tsv file with a header; values are text."""
    csv.field_size_limit(min(sys.maxsize, 1 << 30))  # descriptions and lists of titles exceed the default of 128 KiB
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        rows = csv.reader(text, delimiter=DELIMITERS[path.suffix])
        header = next(rows, [])
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
                broken.report(path, rows.line_num, "another number of fields than the header", ", ".join(row))
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
