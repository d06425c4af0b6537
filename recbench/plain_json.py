"""Our own values as JSON: equal values give equal bytes, NaN is null, and no secret is in it."""

import json
import math
from pathlib import Path
from typing import Any

from recbench.redaction import without_secrets


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy scalars and arrays become numbers and lists, NaN and infinities null.

    Secrets that this process knows are left out.
    """
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {without_secrets(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy, without importing it
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return without_secrets(str(value))
    return value


def json_text(value: Any) -> str:
    """`value` with sorted keys, so that equal values give equal bytes; NaN becomes null."""
    return json.dumps(plain(value), sort_keys=True, indent=2, allow_nan=False) + "\n"
