"""Files that appear whole or not at all."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbench.redaction import without_secrets


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder), renamed to `path` when the block ends well.

    When the block raises, what it wrote is removed and `path` is as it was. The suffix is kept, because writers
    choose formats by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        if path.is_dir():  # a folder cannot be renamed onto a folder that has files
            shutil.rmtree(path)
        os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


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


def write_json(path: Path, value: Any) -> None:
    """Write `value` with sorted keys, so that equal values give equal bytes; NaN becomes null."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(plain(value), sort_keys=True, indent=2, allow_nan=False) + "\n", encoding="utf-8")
