"""Times as they stand in files, exactly: numbers since 1970 in any unit, dates as numbers, ISO 8601, a format given.

Numbers are whole, with billionths beside them, and never pass through floating point unless the file holds such. What
their unit is follows from a whole column (`settle`): the bands of seconds, milliseconds, microseconds and nanoseconds
do not overlap for times between 1973 and 5138. The result is in the coarsest unit that loses nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.values import NULLS, Parsed, is_blank
from recbench.errors import UserError

TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # a second's, by unit
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
BILLION = 10**9
SECONDS_BELOW = 10**11  # larger numbers are milliseconds; a thousand times larger ones microseconds, and so on
YEARS = (1990, 2035)  # of dates written as numbers: outside them, 20200705 is a number of seconds
DATE_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
DECIMAL = r"^-?\d{1,17}\.\d{1,9}$"
INTEGER = r"^-?\d{1,18}$"
LOCAL = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?$"
ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$"
EXPONENT = re.compile(r"[+-]?(\d+)\.?(\d*)[eE]\+?(\d+)")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 2**63 - 1


class Moment(NamedTuple):
    """One time: a number in the file's unit, or seconds since 1970."""

    numeric: bool
    whole: int
    billionths: int


@dataclass
class Times:
    """A column of times, as `Moment` has it: arrays [rows]."""

    whole: np.ndarray  # int64
    numeric: np.ndarray | None = None  # bool; None: all are numbers
    billionths: np.ndarray | None = None  # int32; None: all are 0
    rounded: bool = False  # some were floating-point numbers too large to be exact

    def take(self, rows: np.ndarray) -> "Times":
        """The times of some rows."""
        numeric = None if self.numeric is None else self.numeric[rows]
        billionths = None if self.billionths is None else self.billionths[rows]
        return Times(self.whole[rows], numeric, billionths, self.rounded)

    def is_numeric(self) -> np.ndarray:
        """`numeric` as an array."""
        return np.ones(len(self.whole), dtype=bool) if self.numeric is None else self.numeric

    def fractions(self) -> np.ndarray:
        """`billionths` as an array."""
        return np.zeros(len(self.whole), dtype=np.int32) if self.billionths is None else self.billionths


class Settled(NamedTuple):
    """A column of times in one unit."""

    ticks: np.ndarray  # int64 since 1970
    unit: str  # of TICKS
    written: str  # how the file has them, in words


def join(parts: list[Times]) -> Times:
    """Columns of times as one."""
    numeric = None if all(one.numeric is None for one in parts) else np.concatenate([one.is_numeric() for one in parts])
    whole = np.concatenate([part.whole for part in parts])
    billionths = (
        None if all(one.billionths is None for one in parts) else np.concatenate([one.fractions() for one in parts])
    )
    return Times(whole, numeric, billionths, any(part.rounded for part in parts))


# ---- one value


def moment(value: Any, timestamp_format: str | None = None) -> Moment:
    """What one value says.

    Raises:
        ValueError: it is no time, or not of the format.
    """
    if is_blank(value):
        raise ValueError("no timestamp")
    if timestamp_format is not None:
        return _formatted(str(value).strip(), timestamp_format)
    if isinstance(value, datetime):
        return _since_1970(value)
    if isinstance(value, date):
        return _since_1970(datetime(value.year, value.month, value.day))
    text = str(value).strip()
    if text in NULLS:
        raise ValueError(f"no timestamp: {text} stands for none")
    if rounded := EXPONENT.fullmatch(text):
        digits, exponent = len(rounded[2]), int(rounded[3])
        if exponent > max(digits, 5) and exponent > 5:
            raise ValueError("the timestamp lost its last digits (scientific notation); export it with all of them")
    try:
        number = Decimal(text)
    except ArithmeticError:
        try:
            return _since_1970(datetime.fromisoformat(text))
        except ValueError as problem:
            raise ValueError(
                "the timestamp is neither a number nor an ISO 8601 time; say its form in data.options.timestamp_format"
            ) from problem
    if not number.is_finite() or abs(number) > MOST:
        raise ValueError("the timestamp is beyond what 64 bits hold")
    whole = int(number // 1) if number >= 0 or number == int(number) else int(number) - 1
    return Moment(True, whole, round((number - whole) * BILLION))


def _since_1970(value: datetime) -> Moment:
    passed = (value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH
    seconds, rest = divmod(passed, timedelta(seconds=1))
    return Moment(False, seconds, rest.microseconds * 1000)


@lru_cache(maxsize=65536)  # logs that write times by the hour have few of them
def _formatted(value: str, timestamp_format: str) -> Moment:
    try:
        return _since_1970(datetime.strptime(value, timestamp_format))
    except ValueError as problem:
        raise ValueError("the timestamp is not of data.options.timestamp_format") from problem


# ---- one column


def times(values: pa.Array, timestamp_format: str | None = None) -> Parsed:
    """A column of times; those that are none, by reason."""
    kind = values.type
    if timestamp_format is None and pa.types.is_timestamp(kind):
        ticks, per = values.cast(pa.int64()), TICKS[kind.unit]
        whole, rest = np.divmod(ticks.fill_null(0).to_numpy(), per)
        return _with_gaps(Times(whole, _none(whole), (rest * (BILLION // per)).astype(np.int32)), values)
    if timestamp_format is None and pa.types.is_integer(kind) and kind != pa.uint64():
        whole = values.fill_null(0).cast(pa.int64()).to_numpy()
        return _with_gaps(Times(whole), values)
    if timestamp_format is None and pa.types.is_floating(kind):
        return _of_floats(values)
    if timestamp_format is None and pa.types.is_string(kind):
        return _of_text(values)
    return _of_each(values, partial(moment, timestamp_format=timestamp_format))


def _none(whole: np.ndarray) -> np.ndarray:
    return np.zeros(len(whole), dtype=bool)


def _with_gaps(found: Times, values: pa.Array) -> Parsed:
    if not values.null_count:
        return Parsed(found)
    return Parsed(found, {"no timestamp": np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))})


def _of_floats(values: pa.Array) -> Parsed:
    number = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    usable = np.isfinite(number) & (np.abs(number) < 2.0**63)
    plain = np.where(usable, number, 0)
    whole = np.floor(plain).astype(np.int64)
    # Seconds of today are exact to a quarter of a microsecond: what was written has no finer digits.
    millionths = np.round((plain - np.floor(plain)) * 10**6).astype(np.int64)
    whole, millionths = whole + millionths // 10**6, millionths % 10**6
    billionths = (millionths * 1000).astype(np.int32) if millionths.any() else None
    digits = {pa.float16(): 11, pa.float32(): 24}.get(values.type, 53)  # binary ones that such a number holds
    found = Times(whole, None, billionths, bool(np.any(np.abs(plain) >= 2**digits)))
    wrong = {}
    if np.isnan(number).any():
        wrong["no timestamp"] = np.flatnonzero(np.isnan(number))
    if (beyond := ~usable & ~np.isnan(number)).any():
        wrong["the timestamp is beyond what 64 bits hold"] = np.flatnonzero(beyond)
    return Parsed(found, wrong)


def _of_text(values: pa.Array) -> Parsed:
    try:
        whole = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
        if (
            not values.null_count and not pc.any(pc.match_substring(values, "x", ignore_case=True)).as_py()
        ):  # 0x10 is none
            return Parsed(Times(whole))
    except pa.ArrowInvalid:
        pass
    count = len(values)
    found = Times(np.zeros(count, np.int64), np.ones(count, bool), np.zeros(count, np.int32))
    left = np.ones(len(values), bool)
    readers: tuple[tuple[str, Callable[[pa.Array], Times]], ...] = (
        (INTEGER, _integers),
        (DECIMAL, _decimals),
        (LOCAL, partial(_iso, zone=None)),
        (ZONED, partial(_iso, zone="UTC")),
    )
    for pattern, reader in readers:
        rows = np.flatnonzero(pc.match_substring_regex(values, pattern).fill_null(False).to_numpy(zero_copy_only=False))
        if len(rows):
            try:
                part = reader(values.take(pa.array(rows)))
            except pa.ArrowInvalid:  # some month 13: one by one
                continue
            _put(found, rows, part)
            left[rows] = False
    rest = np.flatnonzero(left)
    if not len(rest):
        return Parsed(found)
    slow = _of_each(values.take(pa.array(rest)), moment)
    _put(found, rest, slow.values)
    return Parsed(found, {reason: rest[rows] for reason, rows in slow.wrong.items()})


def _put(into: Times, rows: np.ndarray, part: Times) -> None:
    assert into.numeric is not None and into.billionths is not None
    into.whole[rows], into.numeric[rows], into.billionths[rows] = part.whole, part.is_numeric(), part.fractions()


def _integers(values: pa.Array) -> Times:
    return Times(values.cast(pa.int64()).to_numpy())


def _decimals(values: pa.Array) -> Times:
    fixed = values.cast(pa.decimal128(27, 9)).cast(pa.decimal128(36, 9))
    whole = pc.floor(fixed).cast(pa.decimal128(36, 0)).cast(pa.int64()).to_numpy()
    parts = pc.utf8_rpad(pc.list_element(pc.split_pattern(values, "."), 1), 9, "0").cast(pa.int64()).to_numpy()
    negative = pc.starts_with(values, "-").to_numpy(zero_copy_only=False) & (parts > 0)
    return Times(whole, None, np.where(negative, BILLION - parts, parts).astype(np.int32))


def _iso(values: pa.Array, zone: str | None) -> Times:
    ticks = values.cast(pa.timestamp("ns", zone)).cast(pa.int64()).to_numpy()
    whole, rest = np.divmod(ticks, BILLION)
    return Times(whole, _none(whole), rest.astype(np.int32))


def _of_each(values: pa.Array, scalar: Callable[[Any], Moment]) -> Parsed:
    encoded = values.dictionary_encode(null_encoding="encode")
    moments, reasons = list[Moment](), list[str | None]()
    for value in encoded.dictionary.to_pylist():
        try:
            moments.append(scalar(value))
            reasons.append(None)
        except (ValueError, OverflowError) as problem:
            moments.append(Moment(True, 0, 0))
            reasons.append(str(problem))
    code = encoded.indices.to_numpy()
    columns = list(zip(*moments, strict=True)) or [(), (), ()]
    numeric, whole, billionths = (
        np.array(column, dtype)[code] for column, dtype in zip(columns, (np.bool_, np.int64, np.int32), strict=True)
    )
    found = Times(whole, numeric, billionths)
    wrong = {
        reason: np.flatnonzero(np.array([one == reason for one in reasons])[code])
        for reason in dict.fromkeys(reason for reason in reasons if reason)
    }
    return Parsed(found, wrong)


# ---- the unit of a column


def settle(found: Times, name: str, unit: str | None = None) -> Settled:
    """The column in the coarsest unit in which nothing is lost.

    Args:
        name: of the column, for messages.
        unit: of numbers, where the user says it; none: by their size.

    Raises:
        UserError: the numbers' unit is not clear, or they are beyond int64 in the unit that they need.
    """
    numeric = None if found.numeric is None or found.numeric.all() else found.numeric
    numbers = found.whole if numeric is None else found.whole[numeric]
    billionths = found.billionths if found.billionths is not None and found.billionths.any() else None
    whole, written = found.whole, "ISO 8601, UTC where it names no zone"
    if len(numbers):
        dates = None if unit or billionths is not None else _dates(numbers, name)
        if dates is not None:
            numbers, written, unit = *dates, "s"
        else:
            unit = unit or _unit_of(numbers, name)
            written = f"{UNIT_NAMES[unit]} since 1970"
        if numeric is None and billionths is None:
            return Settled(*_coarsest(numbers, unit), _noted(written, found))
        whole, billionths = _in_seconds(found, numbers, unit)
        if numeric is not None:
            written += ", and ISO 8601"
    elif billionths is None:
        return Settled(whole, "s", written)
    billionths = found.fractions() if billionths is None else billionths
    finest = next(one for one in TICKS if not np.any(billionths % (BILLION // TICKS[one])))
    per = TICKS[finest]
    if len(whole) and max(abs(int(whole.min())), abs(int(whole.max()))) >= MOST // per:
        raise UserError(
            f"the timestamps of {name} do not fit 64 bits in {UNIT_NAMES[finest]}; give their unit as "
            "data.options.time_unit (s, ms, us or ns), or correct them"
        )
    return Settled(whole * per + billionths // (BILLION // per), finest, _noted(written, found))


def _noted(written: str, found: Times) -> str:
    return written + ("; FLOATING-POINT NUMBERS TOO LARGE TO BE EXACT" if found.rounded else "")


def _coarsest(ticks: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    """Whole numbers of a unit in the coarsest one that loses nothing, and which it is."""
    for coarser in list(TICKS)[: list(TICKS).index(unit)]:
        per = TICKS[unit] // TICKS[coarser]
        if not len(ticks) or (ticks[0] % per == 0 and not np.any(ticks % per)):
            return ticks // per, coarser
    return ticks, unit


def _in_seconds(found: Times, numbers: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and billionths of a column, in which `numbers` (of `unit`) stand for the numeric ones."""
    numeric, per = found.is_numeric(), TICKS[unit]
    whole, billionths = found.whole.copy(), found.fractions().astype(np.int64)
    seconds, rest = np.divmod(numbers, per)
    finer = rest * (BILLION // per) + np.round(billionths[numeric] / per).astype(np.int64)
    whole[numeric], billionths[numeric] = seconds + finer // BILLION, finer % BILLION
    return whole, billionths


def _unit_of(numbers: np.ndarray, name: str) -> str:
    """s, ms, us or ns, by the size of all numbers but 0."""
    if numbers.min() <= 0:
        numbers = np.abs(numbers[numbers != 0])
    least, most = (int(numbers.min()), int(numbers.max())) if len(numbers) else (1, 1)
    units = list(TICKS)

    def place(size: int) -> int:
        return sum(size >= SECONDS_BELOW * 1000**k for k in range(3))

    if place(least) != place(most):
        small, large = units[place(least)], units[place(most)]
        raise UserError(
            f"the timestamps of {name} go from {least} to {most} in size, which look like {UNIT_NAMES[small]} and "
            f"{UNIT_NAMES[large]}; say which they are in data.options.time_unit (s, ms, us or ns), or correct them"
        )
    return units[place(most)]


def _dates(numbers: np.ndarray, name: str) -> tuple[np.ndarray, str] | None:
    """Seconds since 1970 of numbers that are dates such as 20200705, and how they are written; None if they are not.

    Raises:
        UserError: they can be read either way.
    """
    digits = len(str(int(numbers.max())))
    if digits not in DATE_DIGITS or numbers.min() <= 0:
        return None
    scale = 10 ** (digits - 4)
    if numbers.min() // scale < YEARS[0] or numbers.max() // scale > YEARS[1]:
        return None
    distinct, code = np.unique(numbers, return_inverse=True)
    try:
        moments = [_formatted(str(number), DATE_DIGITS[digits]).whole for number in distinct.tolist()]
    except ValueError:
        return None
    if digits == 10:  # seconds of 2033 and 2034
        raise UserError(
            f"the timestamps of {name}, such as {distinct[0]}, are seconds since 1970 or dates with the hour; say "
            "which: data.options.time_unit=s, or data.options.timestamp_format=%Y%m%d%H"
        )
    return np.array(moments, np.int64)[code], f"dates as {distinct[0]}"


def when(ticks: int, unit: str) -> str:
    """A time for people, in UTC."""
    seconds, rest = divmod(int(ticks), TICKS[unit])
    try:
        text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{ticks} {unit}"
    return text + (f".{rest:0{len(str(TICKS[unit])) - 1}d}" if unit != "s" else "")
