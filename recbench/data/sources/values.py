"""Values of fields as they stand in files: text, numbers, labels, splits. Times are in `times`, names in `names`.

A scalar function says what a value means, or raises ValueError with a reason; a column is read by what is fast where
all values are of the usual form, and by the scalar function, once a distinct value, where they are not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SPLIT_WORDS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}
DESCRIPTIONS = ("title", "text", "image")  # may be missing
BOOLEANS = {"true": 1.0, "false": 0.0}
# What files say where there is no value, besides nothing and blanks. Never a user or an item, unless asked for.
NULLS = ("NULL", "Null", "null", "\\N", "nan", "NaN", "NAN", "None", "NA", "N/A", "<NA>", "#N/A", "NaT")
# Of these, what may be the name of a category: Namibia, North America, a pattern called None.
DOUBTFUL_NULLS = ("None", "NA", "N/A")
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
RANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "propensity": lambda number: (number > 0) & (number <= 1),
    "probability": lambda number: (number >= 0) & (number <= 1),
}


@dataclass
class Parsed:
    """A column's values, and the rows in which there are none that can be used."""

    values: Any  # pa.Array [rows]; of times, recbench.data.sources.times.Times
    wrong: dict[str, np.ndarray] = field(default_factory=dict)  # reason -> int rows, ascending


def shown(value: Any) -> str:
    """A value for a message: on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 40 else text[:37] + "...")


def is_blank(value: Any) -> bool:
    """Whether a file says nothing here: null, NaN, or text of blanks alone."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()


def parse(name: str, value: Any) -> Any:
    """A field's value: 0 or 1 for label, a split's name, a whole number from 0 for position, a number above 0 and up to
    1 for propensity, a number from 0 to 1 for probability, and a finite number for anything else.

    Raises:
        ValueError: with a reason in words that do not contain the value, so that equal reasons can be counted.
    """
    if is_blank(value):
        raise ValueError(f"no {name}")
    if name == "split":
        word = SPLIT_WORDS.get(str(value).strip())
        if word is None:
            raise ValueError(f"the split is none of {', '.join(SPLIT_WORDS)}")
        return word
    if name == "label":
        return label(value)
    number = finite(name, value)
    if name == "position" and (number < 0 or number != int(number) or number > np.iinfo(np.int32).max):
        raise ValueError("the position is no whole number from 0")
    if name == "propensity" and not 0 < number <= 1:
        raise ValueError("the propensity is not above 0 and at most 1")
    if name == "probability" and not 0 <= number <= 1:
        raise ValueError("the probability is not from 0 to 1")
    return int(number) if name == "position" else number


def label(value: Any) -> int:
    """0 or 1 of a number, or of true and false in any case; raises ValueError for anything else."""
    try:
        number = BOOLEANS[str(value).strip().lower()]
    except KeyError:
        number = finite("label", value)
    if number not in (0, 1):
        raise ValueError("the label is neither 0 nor 1, nor true or false")
    return int(number)


def finite(name: str, value: Any) -> float:
    """A finite number; raises ValueError for anything else, naming the field."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as problem:
        raise ValueError(f"the {name} is no number") from problem
    if not math.isfinite(number):
        raise ValueError(f"the {name} is no finite number")
    return number


def each_distinct(values: pa.Array, scalar: Callable[[Any], Any], kind: pa.DataType) -> Parsed:
    """A column by a scalar function, called once a distinct value; null where it raises."""
    encoded = values.dictionary_encode(null_encoding="encode")
    results, reasons = [], list[str | None]()
    for value in encoded.dictionary.to_pylist():
        try:
            results.append(scalar(value))
            reasons.append(None)
        except ValueError as problem:
            results.append(None)
            reasons.append(str(problem))
    wrong: dict[str, np.ndarray] = {}
    if any(reasons):
        code = encoded.indices.to_numpy()
        for reason in dict.fromkeys(reason for reason in reasons if reason):
            wrong[reason] = np.flatnonzero(np.array([one == reason for one in reasons])[code])
    return Parsed(pa.array(results, kind).take(encoded.indices), wrong)


def labels(values: pa.Array) -> Parsed:
    """A column of labels: int8."""
    return each_distinct(values, partial(parse, "label"), pa.int8())


def splits(values: pa.Array) -> Parsed:
    """A column of splits' names."""
    return each_distinct(values, partial(parse, "split"), pa.string())


def positions(values: pa.Array) -> Parsed:
    """A column of whole numbers from 0."""
    return each_distinct(values, partial(parse, "position"), pa.int64())


def numbers(name: str, values: pa.Array) -> Parsed:
    """A column of numbers, float64, each within its field's range."""
    return _numbers(name, values, partial(parse, name))


def numbers_or_none(name: str, values: pa.Array, nulls: tuple[str, ...] = NULLS) -> Parsed:
    """A column of numbers, float64, null where a value is blank or stands for none."""

    def scalar(value: Any) -> float | None:
        return None if is_blank(value) or str(value).strip() in nulls else finite(name, value)

    return _numbers(name, values, scalar)


def _numbers(name: str, values: pa.Array, scalar: Callable[[Any], Any]) -> Parsed:
    quick = floats(values)
    fine = np.isfinite(quick)
    if name in RANGES:
        fine &= RANGES[name](quick)
    if fine.all():
        return Parsed(pa.array(quick))
    rest = np.flatnonzero(~fine)
    slow = each_distinct(values.take(pa.array(rest)), scalar, pa.float64())
    quick[rest] = slow.values.to_numpy(zero_copy_only=False)
    missing = np.zeros(len(quick), dtype=bool)
    missing[rest] = slow.values.is_null().to_numpy(zero_copy_only=False)
    return Parsed(pa.array(quick, mask=missing), {reason: rest[rows] for reason, rows in slow.wrong.items()})


def floats(values: pa.Array) -> np.ndarray:
    """Numbers of the usual forms, NaN for everything else: float64 [rows]."""
    if pa.types.is_string(values.type):
        try:
            values = values.cast(pa.float64())
        except pa.ArrowInvalid:
            usual = pc.match_substring_regex(values, NUMBER)
            values = pc.if_else(usual, values, pa.scalar(None, pa.string())).cast(pa.float64())
    elif pa.types.is_boolean(values.type) or pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        values = values.cast(pa.float64(), safe=False)
    else:
        values = pa.nulls(len(values), pa.float64())
    return np.array(values.to_numpy(zero_copy_only=False))
