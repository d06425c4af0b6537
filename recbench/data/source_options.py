"""Every key that a source takes below data.options, in words."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from recbench.data.build import SOURCES
from recbench.data.sources.raw import Option, shorten


def option_rows() -> list[tuple[str, str, str, str]]:
    """(key, default, what it takes, help) of every option of every source; conf/data may set other defaults."""
    return [
        (key, default, takes, f"of data.source={source}: {what}")
        for source in SOURCES
        for key, default, takes, what in _rows(
            import_module(f"recbench.data.sources.{source}").OPTIONS, "data.options."
        )
    ]


def _rows(known: Mapping[str, Option], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, option in known.items():
        if option.keys is not None:
            yield from _rows(option.keys, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _default(option.default), _takes(option), option.help


def _default(default: Any) -> str:
    return "none" if isinstance(default, type) or default is None else shorten(str(default), 36)


def _takes(option: Option) -> str:
    if option.one_of:
        return "one of " + ", ".join(option.one_of)
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", option.least), ("at most", option.most))
        if bound is not None
    ]
    kind = option.default if isinstance(option.default, type) else type(option.default)
    return " and ".join(bounds) or kind.__name__
