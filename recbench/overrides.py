"""KEY=VALUE as people type it in Hydra's override grammar: a value that is none of the grammar is the text it is.

Lists, dicts, quoted values, interpolations, functions and, in a multirun, commas keep their meaning.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from recbench import schema
from recbench.quoting import quote, quoted

KEY = re.compile(r"(~|\+\+?)?[A-Za-z_][\w./@:$-]*")
# Of these a comma, white space at the ends and a number are a part, never a sweep.
TEXTS = re.compile(r"(captioner\.(fallback_)?prompt|data\.options\.(delimiter|timestamp_format))")
# What `data.options` has of names; the schema knows no types there.
NAMES = re.compile(r"data\.options\.(\w*columns\.\w+|\w+_file|\w+_column)")


def as_typed(stage: str, overrides: Sequence[str], multirun: bool = False) -> list[str]:
    """The overrides, with quotes around values that the shell has delivered whole and Hydra would refuse or change.

    `data.path=clicks (1).csv` is a path with a blank and brackets; `data.path=1e5` is no number; `a,b.csv` outside a
    multirun is a file where there is one of that name. What is no KEY=VALUE at all stays for Hydra to refuse.
    """
    return [_as_typed(stage, override, multirun) for override in overrides]


def _as_typed(stage: str, override: str, multirun: bool) -> str:
    key, sign, text = override.partition("=")
    if not sign or not text or not KEY.fullmatch(key):
        return override
    name = key.lstrip("~+")
    try:
        parsed = OverridesParser.create().parse_override(override)
    except (HydraException, ValueError):  # ValueError: a number of thousands of digits
        if multirun and "," in text and not text.startswith(("[", "{", "'", '"')):
            return f"{key}={','.join(_part(part) for part in text.split(','))}"
        return f"{key}={quoted(text)}"
    if parsed.is_sweep_override():
        whole = TEXTS.fullmatch(name) is not None or (not multirun and _exists(text))
        return f"{key}={quoted(text)}" if whole else override
    value = parsed.value()
    if isinstance(value, bool | int | float):
        return f"{key}={quoted(text)}" if name in _free_texts(stage) or NAMES.fullmatch(name) else override
    if name in _lists_of_numbers(stage) and isinstance(value, list) and _whole_within(value):
        return f"{key}={quote([[float(end) for end in inner] for inner in value])}"  # OmegaConf refuses 0 for 0.0 here
    if isinstance(value, str) and value == text.strip() != text:  # Hydra takes white space off the ends
        return f"{key}={quoted(text)}"
    return override


def _part(text: str) -> str:
    """One value of a sweep: as it is where Hydra can read it."""
    try:
        OverridesParser.create().parse_override(f"key={text}")
    except HydraException:
        return quoted(text)
    return text


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null character, no such user
        return False


def _whole_within(value: list[Any]) -> bool:
    """Whether a list of lists of numbers has whole ones."""
    inner = [end for part in value if isinstance(part, list) for end in part]
    numbers = len(inner) and all(isinstance(part, list) for part in value)
    return bool(numbers) and all(type(end) in (int, float) for end in inner) and any(type(end) is int for end in inner)


@lru_cache
def _lists_of_numbers(stage: str) -> frozenset[str]:
    """Keys of a stage that take lists of lists of numbers: windows."""
    found = schema.options(schema.STAGE_SCHEMAS[stage]) if stage in schema.STAGE_SCHEMAS else ()
    return frozenset(key for key, item in found if item.type == list[list[float]])


@lru_cache
def _free_texts(stage: str) -> frozenset[str]:
    """Keys of a stage that take any text."""
    if stage not in schema.STAGE_SCHEMAS:
        return frozenset()
    found = schema.options(schema.STAGE_SCHEMAS[stage])
    return frozenset(key for key, item in found if item.type in (str, str | None) and not item.metadata.get("one_of"))
