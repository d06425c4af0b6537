"""JSON that others wrote: any fault of it is one ValueError or one UserError, never another exception."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from recbench.errors import UserError

HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # what an escape such as \ud800 alone becomes; no file can hold it


class DoubledKeyError(ValueError):
    """An object has one key twice, and which value is meant cannot be known."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; NaN, which JSON lacks and Python's writer makes of missing numbers, is None.

    Raises:
        ValueError: no JSON, nested too deeply, a key twice in one object, or a number that is not finite; the message
            names the place.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as problem:
        raise ValueError(f"it is not UTF-8 text (byte {problem.start})") from None


def read_object(path: Path, content: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        content: what the object should hold, for the message, such as `an object of item id -> tokens`.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        value = parse(path.read_bytes())
    except OSError as problem:
        raise UserError(f"{path} cannot be read ({problem.strerror}); expected {content}") from problem
    except ValueError as problem:
        raise UserError(f"{path} is not JSON ({problem}); expected {content}") from problem
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {kind_of(value)}, expected {content}")
    return value


def kind_of(value: Any) -> str:
    """What a JSON value is, in JSON's words and with its article."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def whole_characters(text: str) -> str:
    """The text with U+FFFD for every half of a character, which a JSON escape can name and no file can hold."""
    return HALF_CHARACTER.sub("\ufffd", text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        (doubled, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise DoubledKeyError(f"an object has the key {doubled[:60]!r} twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:60]} is beyond every range")
    return number


def _constant(text: str) -> None:
    if text != "NaN":
        raise ValueError(f"{text} is no JSON number")
