"""The first rows of a file whose columns nobody has named yet: for `recbench init`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.delimited import DelimitedFile
from recbench.data.sources.dialect import (
    BY_SUFFIX,
    CANDIDATES,
    QUOTED,
    Dialect,
    delimiter_of,
    encoding_of,
    exact_records,
    first_fields,
    suffix_of,
)
from recbench.data.sources.parquet import ParquetTable
from recbench.data.sources.raw import existing_file, given_path
from recbench.data.sources.tabular import PARQUET, TableFile, check_columns
from recbench.data.sources.values import NUMBER
from recbench.errors import UserError
from recbench.schema import did_you_mean

SAMPLE = 100_000  # rows that guesses are made from
FIRST_LINES = 20  # that tell a delimiter


@dataclass(frozen=True)
class Sample:
    """The first rows of a file: its name for messages, and columns of text, null where blank."""

    file: str
    columns: Mapping[str, pa.Array]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()), ()))


def open_any(path: Path, delimiter: str | None, names: Sequence[str], encoding: str) -> TableFile:
    """A file of rows whose columns are not known yet.

    Raises:
        UserError: there is no such file, nothing tells its delimiter, or it has no header and no names are given.
    """
    path = existing_file(given_path(str(path))) if path.is_file() else _missing(path)
    if suffix_of(path) in PARQUET:
        return ParquetTable(path)
    encoding = encoding_of(encoding, "--encoding")
    wanted = None if delimiter is None else delimiter_of(delimiter, "--delimiter")
    dialect = _dialect(path, wanted, encoding)
    header = first_fields(path, dialect)
    if not names and (value := next((cell for cell in header if re.fullmatch(NUMBER, cell)), None)) is not None:
        raise UserError(
            f"{path.name}: the first line has {value!r} where the name of a column was expected; where the file has no "
            f"header, name its {len(header)} columns: --names user,item,..."
        )
    if names and len(names) != len(header):
        raise UserError(f"{path.name} has {len(header)} columns, and --names gives {len(names)}; name each")
    file = DelimitedFile(path, dialect, list(names) or None)
    check_columns(path, file.names, {name: name for name in file.names})
    return file


def _missing(path: Path) -> Path:
    folder = path.parent
    near = did_you_mean(path.name, sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ""
    raise UserError(f"{path} is no file{near or '; give the path of a csv, tsv or Parquet file'}")


def _dialect(path: Path, delimiter: str | None, encoding: str) -> Dialect:
    """The name's own if the first lines have two or more columns by it, all alike; else what gives them most."""
    usual = BY_SUFFIX.get(suffix_of(path))
    counted = {}
    for one in [delimiter] if delimiter else list(dict.fromkeys([usual or ",", *CANDIDATES])):
        dialect = Dialect(one, one in QUOTED, encoding)
        records = exact_records(path, dialect)
        counts = {
            len(record.fields) for _, record in zip(range(FIRST_LINES), records, strict=False) if not record.fault
        }
        if len(counts) == 1 and (count := counts.pop()) > 1:
            counted[dialect] = count
    if not counted:
        raise UserError(
            f"{path}: no delimiter gives its first lines the same number of columns, two or more; say what stands "
            "between values with --delimiter, or correct the lines"
        )
    first = next(iter(counted))
    return first if first.delimiter == usual else max(counted, key=lambda dialect: counted[dialect])


def sample_of(file: TableFile) -> Sample:
    """The first rows of a file, as text."""
    names = {name: name for name in file.names}
    parts: dict[str, list[pa.Array]] = {name: [] for name in names}
    rows = 0
    for batch in file.batches(names):
        taken = min(batch.count, SAMPLE - rows)
        for name, column in batch.columns.items():
            parts[name].append(_text(column.slice(0, taken)))
        rows += taken
        if rows >= SAMPLE:
            break
    if not rows:
        raise UserError(f"{file.path} has no rows, only the names of columns; give a file with rows")
    return Sample(file.path.name, {name: pa.concat_arrays(columns) for name, columns in parts.items()})


def _text(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_nested(column.type):  # a list is known by its first value
        lists = column.to_pylist()
        return pa.array([str(one[0]) if isinstance(one, list) and one else None for one in lists], pa.string())
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
