"""Rows of files that hold one JSON object a line, or one array of them; and the texts in them, whatever their shape."""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

from recbench.data.sources.compressed import open_text, text_lines
from recbench.data.sources.raw import BrokenLines
from recbench.data.sources.values import NULLS
from recbench.errors import UserError
from recbench.strict_json import HALF_CHARACTER, parse, whole_characters

LONGEST_ARRAY = 1 << 28  # characters; a file of lines has no such limit
LONGEST_LITERAL = 1 << 20  # characters of a Python literal, whose parser takes a hundred times the memory
ONE_A_LINE = "not a JSON object"
ATTRIBUTE = r"\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)"
# Of HTML, and nothing that is less than three: complete, or cut off after an attribute.
TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|center|div|dd|dl|dt|em|font|h[1-6]|hr|i|img|input|label|li|ol|p|q|script|small|span|strike|"
    rf"strong|style|sub|sup|table|tbody|td|th|tr|tt|u|ul)(?:(?:{ATTRIBUTE})*\s*/?>|(?:{ATTRIBUTE})+\s*$)",
    re.IGNORECASE,
)
CONTROL = re.compile("[\x00-\x1f\x7f]+")


def json_rows(path: Path, broken: BrokenLines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number, from 1, and content of every line, or entry of one array, that is a JSON object; blank lines are none.

    Lines as Python writes dictionaries, which the release of 2014 has, are read as literals; nothing in them is run.

    Raises:
        UserError: the file cannot be read, or a line is no object and broken lines are not skipped.
    """
    rows = _array(path)
    if rows is not None:
        for number, row in enumerate(rows, start=1):
            if isinstance(row, dict):
                yield number, row
            else:
                broken.report(path, number, ONE_A_LINE, json.dumps(row)[:200], place="entry")
        return
    for number, line in text_lines(path):
        if not line.strip():
            continue
        problem = ""
        try:
            row = parse(line)
        except json.JSONDecodeError:
            row = literal(line.strip()) if line.startswith("{'") else None
        except ValueError as found:
            row, problem = None, str(found)
        if isinstance(row, dict):
            yield number, row
        else:
            broken.report(path, number, ONE_A_LINE, problem or line[:200])


def _array(path: Path) -> list[Any] | None:
    """The entries where the whole file is one JSON array; None where it is not."""
    with open_text(path) as text:
        start = text.read(1 << 12).lstrip()
        if not start.startswith("["):
            return None
        content = start + text.read(LONGEST_ARRAY)
    if len(content) >= LONGEST_ARRAY:
        raise UserError(f"{path} is one JSON array of more than {LONGEST_ARRAY >> 20} MiB; write one object a line")
    try:
        rows = parse(content)
    except json.JSONDecodeError as problem:
        if problem.msg == "Extra data":  # lines that are arrays
            return None
        raise UserError(f"{path} is no JSON array ({problem}); fetch the file again") from problem
    except ValueError as problem:
        raise UserError(f"{path} is no JSON array ({problem}); fetch the file again") from problem
    return rows if isinstance(rows, list) else None


def literal(text: str) -> Any:
    """The value of a Python literal, in which nothing is run; None for anything else, and for a very long one."""
    if len(text) > LONGEST_LITERAL:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


# ---- values


def name_of(row: dict[str, Any], key: str) -> str:
    """A user or an item: a text, or a whole number as text.

    Raises:
        ValueError: there is none; in words that are the same for every such row.
    """
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"no {key}")
    if value.strip() in NULLS:
        raise ValueError(f"no {key}: {value.strip()} stands for none")
    if HALF_CHARACTER.search(value):
        raise ValueError(f"{key} is not UTF-8 text")
    return value.strip()


def number_of(row: dict[str, Any], key: str) -> float:
    """A finite number, also one that is written as text.

    Raises:
        ValueError: as `name_of`.
    """
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"no {key}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is no number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"{key} is no finite number")
    return number


def texts_of(value: Any) -> list[str]:
    """The texts in a value: of a text or number itself, of a list each, lists in it included; of anything else none.

    Entities are decoded once; white space at the ends, control characters and halves of characters are taken out.
    """
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts_of(part)]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return []
    text = CONTROL.sub(" ", whole_characters(unescape(str(value)))).strip()
    return [text] if text else []


def without_tags(value: Any) -> Any:
    """A text without the HTML tags in it; anything else as it is."""
    if not isinstance(value, str) or TAG.search(value) is None:
        return value
    return " ".join(TAG.sub(" ", value).split())
