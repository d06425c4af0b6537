"""Values of fields as they stand in files: text, numbers, times."""

import math
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

SPLIT_WORDS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}
TEXT = ("user", "item", "query")  # required where they are mapped
DESCRIPTIONS = ("title", "text", "image")  # may be missing


def parse(field: str, value: Any, timestamp_format: str | None = None) -> Any:
    """A field's value.

    Text for user, item and query, text or None for title, text and image, seconds for timestamp, 0 or 1 for label, a
    split's name, a whole number from 0 for position, a number above 0 and up to 1 for propensity, a number from 0 to 1
    for probability, and a finite number for anything else.

    Args:
        timestamp_format: how times are written, as datetime.strptime reads it; none: seconds, or ISO 8601.

    Raises:
        ValueError: with a reason in words that do not contain the value, so that equal reasons can be counted.
    """
    if field in DESCRIPTIONS:
        return None if value is None or not str(value).strip() else str(value)
    if value is None or value == "":
        raise ValueError(f"no {field}")
    if field in TEXT:
        return str(value)
    if field == "timestamp":
        return seconds(value) if timestamp_format is None else formatted_seconds(str(value), timestamp_format)
    if field == "split":
        if value not in SPLIT_WORDS:
            raise ValueError(f"the split is none of {', '.join(SPLIT_WORDS)}")
        return SPLIT_WORDS[value]
    number = finite(field, value)
    if field == "label" and number not in (0, 1):
        raise ValueError("the label is neither 0 nor 1")
    if field == "position" and (number < 0 or number != int(number)):
        raise ValueError("the position is no whole number from 0")
    if field == "propensity" and not 0 < number <= 1:
        raise ValueError("the propensity is not above 0 and at most 1")
    if field == "probability" and not 0 <= number <= 1:
        raise ValueError("the probability is not from 0 to 1")
    return int(number) if field in ("label", "position") else number


def finite(field: str, value: Any) -> float:
    """A finite number; raises ValueError for anything else, naming the field."""
    try:
        number = float(value)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the {field} is no number") from problem
    if not math.isfinite(number):
        raise ValueError(f"the {field} is no finite number")
    return number


def seconds(value: Any) -> int:
    """Seconds since 1970 from a number of seconds or from an ISO 8601 time (UTC unless it says otherwise).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        try:
            return int(float(value))
        except (TypeError, ValueError, OverflowError):
            pass
        try:
            value = datetime.fromisoformat(str(value))
        except ValueError as problem:
            raise ValueError("the timestamp is neither a number of seconds nor an ISO 8601 time") from problem
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


@lru_cache(maxsize=65536)  # logs that write times by the hour have few of them
def formatted_seconds(value: str, timestamp_format: str) -> int:
    """Seconds since 1970 of a time written in a format of datetime.strptime (UTC unless it says otherwise).

    Raises:
        ValueError: it is not of that format.
    """
    try:
        return seconds(datetime.strptime(value, timestamp_format))
    except ValueError as problem:
        raise ValueError("the timestamp is not of data.options.timestamp_format") from problem
