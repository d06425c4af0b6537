"""Files of delimited text as batches of columns: Arrow reads what is regular, the exact reader the rest.

A file is regular as far as nothing in it depends on whose reading it is: quotes stand around whole values, every line
ends in a line feed, all is text of the encoding, and there are no NUL characters. `RegularBytes` checks that as bytes
go by, so that a file is read once. From the first irregular place on, `recbench.data.sources.dialect` reads it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from recbench.data.sources.compressed import open_bytes
from recbench.data.sources.dialect import Dialect, Record, exact_records, header_names, is_text
from recbench.data.sources.raw import shorten
from recbench.errors import UserError

BLOCK = 1 << 20  # bytes that Arrow parses at once
GATHERED = 128 << 20  # bytes of parsed columns in a batch
MOST_GROWTH = 3  # times that other encodings grow as UTF-8
EXACT_ROWS = 1 << 15  # records of a batch of the exact reader
SEPARATOR = b"\x1f"  # stands for a delimiter of several bytes; Arrow takes but one
QUOTE, LINE_FEED, RETURN = b'"\n\r'


class Fault(NamedTuple):
    """What is wrong with one record."""

    record: int  # from 0, blank lines and the header not counted
    reason: str  # in words that are the same for every such record
    detail: str = ""


@dataclass
class Batch:
    """Some consecutive rows of a file."""

    columns: dict[str, pa.Array | pa.ChunkedArray]  # field -> values
    count: int  # rows
    start: int = 0  # the first row's record, if the rows are consecutive records
    scattered: np.ndarray | None = None  # int64 [rows], each row's record, if they are not
    faults: list[Fault] = field(default_factory=list)  # of records between these that are no rows

    @property
    def records(self) -> np.ndarray:
        """Each row's record: int64 [rows]."""
        if self.scattered is not None:
            return self.scattered
        return np.arange(self.start, self.start + self.count, dtype=np.int64)


class Irregular(Exception):
    """The bytes depend on whose reading it is."""


class RegularBytes:
    """The content after the header, as Arrow reads it; raises Irregular before it gives out what is not regular."""

    def __init__(self, path: Path, dialect: Dialect, header_lines: int) -> None:
        self._stream: BinaryIO = open_bytes(path)
        self._dialect = dialect
        self._delimiter = dialect.delimiter.encode()
        self._rest = b""  # the beginning of a line
        self._inside = False  # a quoted value goes on
        self.closed = False
        for _ in range(header_lines):
            self._stream.readline()
        self._at_start = header_lines == 0

    def read(self, count: int) -> bytes:
        """Whole lines of up to `count` bytes, at the end what is left, then nothing."""
        if self._dialect.encoding != "utf-8":
            count //= MOST_GROWTH
        content = self._rest + self._stream.read(count - len(self._rest))
        end = len(content)
        if end == count:
            end = content.rfind(b"\n") + 1
            if not end:
                raise Irregular  # a line longer than a block
        content, self._rest = content[:end], content[end:]
        if not content and self._inside:
            raise Irregular
        return self._checked(content)

    def readable(self) -> bool:
        """Arrow asks."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self.closed = True

    def _checked(self, content: bytes) -> bytes:
        if self._at_start:
            content, self._at_start = content.removeprefix(b"\xef\xbb\xbf"), False
        if not content.isascii():
            try:
                text = content.decode(self._dialect.encoding)
            except UnicodeDecodeError:
                raise Irregular from None
            content = content if self._dialect.encoding == "utf-8" else text.encode()
        if b"\0" in content or (b"\r" in content and content.count(b"\r") != content.count(b"\r\n")):
            raise Irregular
        if self._dialect.escapes and b'\\"' in content:
            raise Irregular
        if self._dialect.quotes and b'"' in content:
            self._check_quotes(np.frombuffer(content, np.uint8))
        if len(self._delimiter) > 1:
            if SEPARATOR in content:
                raise Irregular
            content = content.replace(self._delimiter, SEPARATOR)
        return content

    def _check_quotes(self, content: np.ndarray) -> None:
        """Quotes come in pairs around whole values; a doubled one ends one pair and begins another."""
        places = np.flatnonzero(content == QUOTE)
        opening = (np.arange(len(places)) + self._inside) % 2 == 0
        self._inside = bool((len(places) + self._inside) % 2)
        before = np.where(places > 0, content[places - 1], LINE_FEED)[opening]
        after = np.where(places + 1 < len(content), content[np.minimum(places + 1, len(content) - 1)], LINE_FEED)
        delimiter = self._delimiter[0]
        if not np.isin(before, (delimiter, LINE_FEED, QUOTE)).all():
            raise Irregular
        if not np.isin(after[~opening], (delimiter, LINE_FEED, RETURN, QUOTE)).all():
            raise Irregular


class DelimitedFile:
    """A file of delimited text, its header read and checked."""

    place = "line"

    def __init__(self, path: Path, dialect: Dialect, names: Sequence[str] | None = None) -> None:
        self.path, self.dialect = path, dialect
        self.has_header = names is None
        self._header_lines = 0
        if names is not None:
            self.names = list(names)
            return
        records = exact_records(path, dialect)
        first = next(records, Record(1, []))
        if first.fault:
            raise UserError(f"{path.name} line {first.line}: {first.fault} ({shorten(first.text)}); correct the header")
        if not all(map(is_text, first.fields)):
            encoding = dialect.encoding.upper()
            raise UserError(f"{path} line {first.line}: not {encoding} text; save it as UTF-8, or name its encoding")
        self.names = header_names(first.fields)
        # A header of several lines is rare: what follows it then is left to the exact reader.
        several = any("\n" in name or "\r" in name for name in first.fields)
        self._header_lines = -1 if several else first.line

    def batches(self, columns: Mapping[str, str]) -> Iterator[Batch]:
        """The rows, with only the columns asked for (field -> name in the file), as text.

        Raises:
            UserError: the file cannot be read on, such as damaged gzip.
        """
        done = 0
        if self._header_lines >= 0:
            try:
                for batch in self._regular(columns):
                    yield batch
                    done += batch.count + len(batch.faults)
                return
            except (Irregular, pa.ArrowInvalid):  # Arrow's: a record longer than a block
                pass
        yield from self._exact(columns, done)

    def lines(self, records: Sequence[int]) -> dict[int, int]:
        """The lines on which these records begin."""
        wanted, last = set(records), max(records, default=-1)
        found = enumerate(islice(self._records(), last + 1))
        return {number: record.line for number, record in found if number in wanted}

    def _records(self) -> Iterator[Record]:
        records = exact_records(self.path, self.dialect)
        return islice(records, 1, None) if self.has_header else records

    def _places(self, columns: Mapping[str, str]) -> dict[str, int]:
        return {field: self.names.index(column) for field, column in columns.items()}

    def _regular(self, columns: Mapping[str, str]) -> Iterator[Batch]:
        wrong: list[Fault] = []

        def note(row: pa_csv.InvalidRow) -> str:
            wrong.append(Fault(row.number - 1, self._miscounted, row.text))
            return "skip"

        delimiter = self.dialect.delimiter if len(self.dialect.delimiter.encode()) == 1 else SEPARATOR.decode()
        places = self._places(columns)
        used = sorted(set(places.values()))
        content = RegularBytes(self.path, self.dialect, self._header_lines)
        try:
            reader = _open(content, delimiter, self.dialect.quotes, len(self.names), used, note)
            record = taken = 0
            for rows in _gathered(reader):
                values = {name: rows.column(used.index(place)) for name, place in places.items()}
                batch = Batch(values, rows.num_rows, record)
                if taken < len(wrong):  # the rows are the next records without those that Arrow handed to `note`
                    left_out = np.array([fault.record for fault in wrong[taken:]], dtype=np.int64)
                    before = np.searchsorted(left_out - np.arange(len(left_out)), batch.records, side="right")
                    batch.scattered = batch.records + before
                    batch.faults = wrong[taken : taken + (int(before[-1]) if len(before) else 0)]
                yield batch
                record, taken = record + batch.count + len(batch.faults), taken + len(batch.faults)
            if taken < len(wrong):
                empty = {field: pa.array([], pa.string()) for field in columns}
                yield Batch(empty, 0, faults=wrong[taken:])
        finally:
            content.close()

    def _exact(self, columns: Mapping[str, str], start: int) -> Iterator[Batch]:
        places = self._places(columns)
        records = enumerate(self._records())
        for _ in islice(records, start):
            pass
        while chunk := list(islice(records, EXACT_ROWS)):
            rows, numbers, faults = [], [], []
            for number, record in chunk:
                fault = record.fault
                if fault is None and len(record.fields) != len(self.names):
                    fault = self._miscounted
                elif fault is None and not all(is_text(record.fields[place]) for place in places.values()):
                    fault = f"not {self.dialect.encoding.upper()} text"
                if fault is None:
                    rows.append(record.fields)
                    numbers.append(number)
                else:
                    text = record.text or self.dialect.delimiter.join(record.fields)
                    faults.append(Fault(number, fault, text.encode("utf-8", "replace").decode()))
            values = {field: pa.array([row[place] for row in rows], pa.string()) for field, place in places.items()}
            yield Batch(values, len(numbers), scattered=np.array(numbers, dtype=np.int64), faults=faults)

    @property
    def _miscounted(self) -> str:
        return f"another number of fields than {'the header' if self.has_header else 'data.options.names'}"


def _gathered(reader: pa_csv.CSVStreamingReader | None) -> Iterator[pa.Table]:
    """Tables of about `GATHERED` bytes: distinct values are found faster in few large ones.

    Raises:
        Irregular, pa.ArrowInvalid: after all that could be read before.
    """
    batches, size = list[pa.RecordBatch](), 0
    try:
        for batch in reader or ():
            batches.append(batch)
            size += batch.nbytes
            if size >= GATHERED:
                yield pa.Table.from_batches(batches)
                batches, size = [], 0
    except (Irregular, pa.ArrowInvalid):
        if batches:
            yield pa.Table.from_batches(batches)
        raise
    if batches:
        yield pa.Table.from_batches(batches)


def _open(
    content: RegularBytes, delimiter: str, quotes: bool, width: int, used: list[int], note: object
) -> pa_csv.CSVStreamingReader | None:
    """Arrow's reader of the columns in these places, as text; None where there are no rows."""
    names = [str(place) for place in range(width)]
    try:
        return pa_csv.open_csv(
            content,
            read_options=pa_csv.ReadOptions(column_names=names, block_size=BLOCK, use_threads=False),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quotes else False,
                double_quote=quotes,
                escape_char=False,
                newlines_in_values=quotes,
                ignore_empty_lines=True,
                invalid_row_handler=note,
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=[names[place] for place in used],
                column_types={names[place]: pa.string() for place in used},
                strings_can_be_null=False,
                check_utf8=False,  # RegularBytes did
            ),
        )
    except pa.ArrowInvalid as problem:
        if "Empty CSV" in str(problem):
            return None
        raise
