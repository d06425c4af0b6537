"""Users, items, queries and categories: text by which rows are the same thing, as codes into distinct values.

What differs in writing alone is one name: blanks around it are taken off, and whole numbers that passed through
floating point (101.0) are whole numbers again, if every name of their kind is a whole number. Whatever else looks like
a number stays text: 007 is not 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.values import NULLS, Parsed, is_blank

EXACT = 2**53  # whole numbers up to here are exact in floating point
WHOLE = r"^-?(0|[1-9]\d*)(\.0+)?$"
POINT_ZERO = r"\.0+$"


@dataclass
class Names:
    """Reads a column of names; counts what was changed on the way."""

    field: str
    nulls: Sequence[str] = NULLS
    required: bool = True  # else null where there is no value
    blanks: int = 0  # distinct values that lost blanks around them
    spellings: dict[str, int] | None = None  # rows of optional fields that say none, by how they say it

    def __call__(self, values: pa.Array) -> Parsed:
        """Codes and distinct texts: dictionary<int32, string>."""
        encoded = encode(values)
        given = encoded.dictionary
        texts, reasons = _texts(given, self.field)
        trimmed = pc.utf8_trim_whitespace(texts)
        changed = pc.sum(pc.not_equal(pc.binary_length(trimmed), pc.binary_length(texts))).as_py() or 0
        self.blanks += changed
        trimmed = trimmed if changed else texts
        indices = encoded.indices
        wrong: dict[str, np.ndarray] = {}
        stands_for_none = pc.is_in(trimmed, value_set=pa.array(["", *self.nulls], pa.string()))
        missing = pc.or_kleene(stands_for_none, trimmed.is_null()).to_numpy(zero_copy_only=False)
        if missing.any() or indices.null_count:
            code = indices.fill_null(-1).to_numpy()
            absent = (code < 0) | (missing[code] if len(missing) else False)
            for spelling in np.flatnonzero(missing):
                text = trimmed[spelling].as_py()
                rows = np.flatnonzero(code == spelling)
                if text and not self.required:
                    self.spellings = self.spellings or {}
                    self.spellings[text] = self.spellings.get(text, 0) + len(rows)
                reason = reasons.get(int(spelling)) or (
                    f"no {self.field}: {text} is in data.options.null_values" if text else ""
                )
                if self.required and reason:
                    wrong[reason] = rows
                    absent[rows] = False
            if self.required and absent.any():
                wrong[f"no {self.field}"] = np.flatnonzero(absent)
            trimmed = pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), trimmed)
        if trimmed is given:
            return Parsed(encoded, wrong)
        return Parsed(recode(indices, trimmed), wrong)


def encode(values: pa.Array) -> pa.DictionaryArray:
    """Codes and distinct values, in the order of their first row; null rows have a null code."""
    return values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()


def recode(indices: pa.Array, texts: pa.Array) -> pa.DictionaryArray:
    """A dictionary of distinct texts for codes into texts that may repeat or be null."""
    distinct = texts.dictionary_encode()
    codes = distinct.indices if len(distinct.dictionary) < len(texts) else None
    if codes is None:
        return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), texts)
    return pa.DictionaryArray.from_arrays(codes.take(indices).cast(pa.int32()), distinct.dictionary)


def one_dictionary(chunks: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Chunks as one array over one dictionary, in the order of the texts' first chunk."""
    if not chunks:
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    return pa.chunked_array(chunks).unify_dictionaries().combine_chunks()


def whole_numbers(columns: Sequence[pa.DictionaryArray]) -> tuple[list[pa.DictionaryArray], str | None]:
    """Columns of one kind of name with 101.0 as 101, if all their names are whole numbers; and an example if so."""
    texts = [column.dictionary for column in columns]
    floats = [pc.filter(text, pc.ends_with(text, pattern=".0")) for text in texts]
    example = next((found[0].as_py() for found in floats if len(found)), None)
    if example is None or not all(pc.all(pc.match_substring_regex(text, WHOLE)).as_py() is not False for text in texts):
        return list(columns), None
    whole = [pc.replace_substring_regex(text, POINT_ZERO, "") for text in texts]
    return [recode(column.indices, text) for column, text in zip(columns, whole, strict=True)], example


def first_rows(codes: np.ndarray, count: int) -> np.ndarray:
    """The first row of every code from 0 to `count` - 1: int64 [count], -1 for a code that does not occur."""
    first = np.full(count, -1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of several, the last assignment stays: the first row's
    return first


def dictionary_of(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A column of text, or of codes into it, as codes into one dictionary."""
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not encoded.num_chunks:
        return one_dictionary([])
    indices = pa.concat_arrays([chunk.indices for chunk in encoded.chunks])
    return pa.DictionaryArray.from_arrays(indices, encoded.chunk(encoded.num_chunks - 1).dictionary)


def in_order(column: pa.DictionaryArray) -> tuple[pa.Array, np.ndarray]:
    """Distinct values in the order of their first row, unused ones left out, and every row's index: int64 [rows]."""
    codes = column.indices.to_numpy()
    if len(codes):  # as encoding leaves them, if no row was left out since
        highest = np.maximum.accumulate(codes)
        if highest[0] == 0 and highest[-1] == len(column.dictionary) - 1 and (np.diff(highest) <= 1).all():
            return column.dictionary, codes.astype(np.int64)
    codes = codes.astype(np.int64)
    first = first_rows(codes, len(column.dictionary))
    used = np.flatnonzero(first >= 0)
    used = used[np.argsort(first[used])]
    place = np.empty(len(first), dtype=np.int64)
    place[used] = np.arange(len(used))
    return column.dictionary.take(pa.array(used)), place[codes]


def _texts(values: pa.Array, field: str) -> tuple[pa.Array, dict[int, str]]:
    """Distinct values as text; and, by place, why one is none."""
    if pa.types.is_string(values.type):
        return values, {}
    if pa.types.is_integer(values.type):
        return values.cast(pa.string()), {}
    texts, reasons = [], dict[int, str]()
    for place, value in enumerate(values.to_pylist()):
        if isinstance(value, float) and abs(value) >= EXACT:
            reasons[place] = f"the {field} is a floating-point number beyond 2^53, which is not exact"
        texts.append(None if place in reasons or is_blank(value) else text_of(value))
    return pa.array(texts, pa.string()), reasons


def text_of(value: Any) -> str:
    """A value of a Parquet column as a csv would have it."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return " ".join(text_of(part) for part in value if part is not None)
    return str(value)
