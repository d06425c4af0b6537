"""Functions and classes that are named where importing them would cost time, or lead upwards."""

import importlib
from typing import Any


def named(text: str) -> Any:
    """What MODULE:NAME names; its module is imported now.

    >>> named("recbench.dotted:named") is named
    True
    """
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)
