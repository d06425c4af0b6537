"""Values written in Hydra's override grammar."""

import re
from typing import Any


def quote(value: Any) -> str:
    """Render a Python value in Hydra's override grammar: no comma, '=' or '${' in it is read as syntax."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(quote, value)) + "]"
    text = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", str(value))  # literal for OmegaConf
    return quoted(text)


def quoted(text: str) -> str:
    """The text in quotes that Hydra takes off again; interpolations in it stay."""
    text = re.sub(r"(\\+)(?='|$)", lambda match: match[1] * 2, text).replace("'", r"\'")
    return f"'{text}'"
