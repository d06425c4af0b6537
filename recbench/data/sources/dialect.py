"""How a file of delimited text is written (delimiter, quotes, encoding, header), and its records read exactly.

The exact reader is Python's own csv in its strict form, record by record: it knows every record's line and what is
wrong with it. `recbench.data.sources.delimited` reads what is regular much faster, and comes here for the rest.
"""

import codecs
import csv
import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from recbench.data.sources.compressed import open_bytes
from recbench.errors import UserError

BY_SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
CANDIDATES = (",", "\t", ";", "|", "::")  # tried, in this order, where a file's first line does not fit its name
NAMED = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "\\t": "\t"}
SPOKEN = {"\t": "tab", " ": "space"}
QUOTED = (",", ";")  # files with these put quotes around values; in others, a quote is a character
LONGEST_DELIMITER = 8
MOST_LINES = 1000  # that a quoted value may span: a stray quote must not swallow the file


@dataclass(frozen=True)
class Dialect:
    """How the values of a record are told apart."""

    delimiter: str
    quotes: bool  # whether values may stand in quotes; else a quote is a character like any other
    encoding: str = "utf-8"
    escapes: bool = False  # whether a backslash before a quote makes it a character

    def __str__(self) -> str:
        quotes = "quotes enclose values" if self.quotes else "quotes are characters"
        quotes += ", backslashes escape them" if self.quotes and self.escapes else ""
        return f"delimiter {spoken(self.delimiter)}, {quotes}, {self.encoding}"


@dataclass(frozen=True)
class Layout:
    """What is known of how a file is written before it is looked into."""

    names: Sequence[str] | None = None  # of all columns, where the file has no header
    delimiter: str | None = None  # between values; none: as the file's name ends
    fallback: str | None = None  # the delimiter where the name does not tell it: that of a file beside this one
    quotes: bool | None = None  # whether values may stand in quotes; none: with a comma or a semicolon
    escapes: bool = False  # whether a backslash before a quote makes it a character
    encoding: str = "utf-8"


UNKNOWN = Layout()


class Record(NamedTuple):
    """One record of a file; `fault` says why its fields cannot be had."""

    line: int  # 1-based, the first of those it spans
    fields: list[str]
    text: str = ""  # as it stands in the file, where there is a fault
    fault: str | None = None


def spoken(delimiter: str) -> str:
    """A delimiter as people write it: `tab`, or the characters in quotes."""
    return SPOKEN.get(delimiter, repr(delimiter))


def delimiter_of(given: str, key: str = "data.options.delimiter") -> str:
    """The delimiter that an option means: itself, or one of `NAMED`, such as a typed backslash and t.

    Raises:
        UserError: it cannot be one.
    """
    delimiter = NAMED.get(given, given)
    plain = all(not char.isalnum() and char not in "\"'\r\n\0.-" for char in delimiter)
    if not delimiter or not plain or len(delimiter) > LONGEST_DELIMITER:
        raise UserError(
            f"{key} is {given!r}, expected what stands between values: one or a few characters such as , ; | or ::, "
            "no letters or digits, or one of the words tab, comma, semicolon, pipe and space"
        )
    return delimiter


def encoding_of(given: str, key: str = "data.options.encoding") -> str:
    """The name of an encoding whose line breaks are those of ASCII.

    Raises:
        UserError: Python knows none of that name, or its lines cannot be told apart.
    """
    try:
        name = codecs.lookup(given).name
        fits = "\n,1".encode(name) == b"\n,1"
    except (LookupError, ValueError) as problem:
        raise UserError(f"{key} is {given!r}, no encoding; expected utf-8, latin-1, cp1252 or the like") from problem
    if not fits:
        raise UserError(f"{key} is {given!r}, whose lines cannot be told apart; save the file as UTF-8")
    return "utf-8" if name in ("utf-8", "utf-8-sig", "ascii") else name


def suffix_of(path: Path) -> str:
    """The end of a file's name that tells its format, .gz left aside, in small letters."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def find_dialect(path: Path, wanted: Mapping[str, str], layout: Layout = UNKNOWN) -> Dialect:
    """The dialect of a file: what is given, else what its name says, if the first line agrees.

    Where the first line has not all wanted columns (or, without a header, another number of values than `names`) under
    the delimiter of the file's name, the one candidate under which it has them is taken instead.

    Raises:
        UserError: nothing says what the delimiter is.
    """
    suffix, names, quotes = suffix_of(path), layout.names, layout.quotes
    delimiter, fallback, encoding = layout.delimiter, layout.fallback, encoding_of(layout.encoding)
    if delimiter is None and fallback is None and suffix not in BY_SUFFIX:
        raise UserError(
            f"{path} ends in {suffix or 'nothing'}, expected .csv, .tsv or .parquet; rename it, or say what stands "
            "between values in data.options.delimiter"
        )
    usual = delimiter or BY_SUFFIX.get(suffix) or fallback or ","
    candidates = [usual] if delimiter else [usual, *([fallback] if fallback else []), *CANDIDATES]
    fitting = [
        Dialect(one, one in QUOTED if quotes is None else quotes and len(one) == 1, encoding, layout.escapes)
        for one in dict.fromkeys(candidates)
    ]

    def fits(dialect: Dialect) -> bool:
        fields = first_fields(path, dialect)
        return len(fields) == len(names) if names is not None else set(wanted.values()) <= set(fields)

    if fits(fitting[0]):
        return fitting[0]
    others = [dialect for dialect in fitting[1:] if fits(dialect)]
    return others[0] if len(others) == 1 else fitting[0]


def first_fields(path: Path, dialect: Dialect) -> list[str]:
    """The values of the first record, blanks around them taken off."""
    first = next(iter(exact_records(path, dialect)), Record(1, []))
    return header_names(first.fields)


def header_names(fields: Sequence[str]) -> list[str]:
    """Names of columns: blanks around them taken off, line breaks as blanks."""
    return [" ".join(name.split()) if "\n" in name or "\r" in name else name.strip() for name in fields]


def exact_records(path: Path, dialect: Dialect) -> Iterator[Record]:
    """Every record that is not blank, in order, wrong ones with their fault.

    Values keep bytes that are no text of the encoding as lone surrogates; see `is_text`.
    """
    csv.field_size_limit(min(sys.maxsize, 1 << 30))  # descriptions and lists of titles exceed the default of 128 KiB
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    with io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="surrogateescape", newline="") as text:
        lines = _Lines(text)
        for line in lines:
            if "\0" in line:
                yield Record(lines.number, [], line, "a NUL character; the file is no text, or UTF-16")
            elif not dialect.quotes or '"' not in line:
                if bare := line.rstrip("\r\n"):
                    yield Record(lines.number, bare.split(dialect.delimiter))
            else:
                yield _quoted_record(lines, line, dialect)


def is_text(value: str) -> bool:
    """Whether every byte of a value read by `exact_records` was text."""
    return value.isascii() or not any("\udc80" <= char <= "\udcff" for char in value)


class _Lines:
    """Lines with their numbers; some can be taken back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._back = text, deque[str]()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._text.readline()
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def take_back(self, lines: Sequence[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def _quoted_record(lines: _Lines, line: str, dialect: Dialect) -> Record:
    """The record that begins with this line; after a fault, reading goes on with the next line."""
    start, more = lines.number, list[str]()

    def following() -> Iterator[str]:
        for another in lines:
            more.append(another)
            if len(more) > MOST_LINES:
                return
            yield another

    escape = "\\" if dialect.escapes else None
    reader = csv.reader(chain([line], following()), delimiter=dialect.delimiter, escapechar=escape, strict=True)
    try:
        return Record(start, next(reader))
    except csv.Error as problem:
        lines.take_back(more)
        if "unexpected end" in str(problem):
            fault = "a quote opens a value here that never ends"
        elif more:
            fault = "a quote opens a value here and is closed amid a value below"
        else:
            fault = "text after a closing quote"
        remedy = 'inside quotes, a quote is written ""'
        if '\\"' in line and not dialect.escapes:
            remedy += ', or \\" with data.options.escapes=true'
        return Record(start, [], line.rstrip("\r\n"), f"{fault}; {remedy}")
