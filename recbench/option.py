"""A field of a configuration class: its default, help text, range, and where it has an effect."""

from dataclasses import field
from typing import Any


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    one_of: tuple[str, ...] | None = None,
    of: str | tuple[str, ...] = (),
) -> Any:
    """A dataclass field with a default, a one-line help text, the values it may take, and where it has an effect.

    `of` says when: `kind=llava,text` of keys beside it, several with blanks between where all have to hold, in a tuple
    where one of them has to; `schema/clauses.py` has the grammar.
    """
    needs = (of,) if isinstance(of, str) else of
    metadata = {"help": help, "least": least, "most": most, "one_of": one_of, "of": needs}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
