"""Parquet files as batches of columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.sources.delimited import Batch
from recbench.errors import UserError

ROWS = 1 << 18  # of a batch


class ParquetTable:
    """A Parquet file; its values keep their types, but dictionaries are decoded and all text is one type."""

    place = "row"

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_parquet(path) as file:
            self.names = list(file.schema_arrow.names)

    def batches(self, columns: Mapping[str, str]) -> Iterator[Batch]:
        """The rows, with only the columns asked for (field -> name in the file).

        Raises:
            UserError: the file is damaged.
        """
        done = 0
        with open_parquet(self.path) as file:
            batches = file.iter_batches(batch_size=ROWS, columns=sorted(set(columns.values())))
            while True:
                try:
                    batch = next(batches, None)
                    values = None if batch is None else {name: plain(batch[column]) for name, column in columns.items()}
                except (pa.ArrowException, OSError) as problem:
                    reason = str(problem).partition("\n")[0]
                    raise UserError(f"{self.path} is damaged ({reason}); write or fetch it again") from problem
                if batch is None or values is None:
                    return
                yield Batch(values, batch.num_rows, done)
                done += batch.num_rows

    def lines(self, records: Sequence[int]) -> dict[int, int]:
        """The numbers of these rows, from 1."""
        return {record: record + 1 for record in records}


def plain(values: pa.Array) -> pa.Array:
    """Values without their dictionary, and text as one type."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return values.cast(pa.string())
    return values


def open_parquet(path: Path) -> pq.ParquetFile:
    """The file, opened.

    Raises:
        UserError: it is not Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as problem:
        reason = str(problem).partition("\n")[0]
        raise UserError(f"{path} is not a Parquet file ({reason}); convert it, or rename it to .csv") from problem
