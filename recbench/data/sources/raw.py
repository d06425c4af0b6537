"""What every source returns, and how sources read files, options and broken lines."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from omegaconf import OmegaConf

from recbench.data.interactions import Interactions
from recbench.errors import UserError
from recbench.schema import DataConfig


@dataclass
class RawData:
    """A source's content before filtering, ordering and splitting."""

    catalogue: pa.Table  # item (string, distinct), any of title, text, image, caption, and categorical columns
    # user, item (strings); timestamp (seconds), label (1 positive, 0 negative), rating if known. None: no sequences.
    interactions: pa.Table | None
    problems: list[str] = field(default_factory=list)  # one line each: file, line number, what is wrong
    skipped: dict[str, int] = field(default_factory=dict)  # lines left out, by reason
    # A generated market's exact best ranks, once the splits are known: see bazaar.
    best: Callable[[Interactions], pa.Table] | None = None
    # What was shown, clicked or not; columns as in recbench.data.impression_table. None: clicks are not known.
    impressions: pa.Table | None = None
    user_fields: pa.Table | None = None  # user (string, distinct), then string columns
    # Writes what the catalogue's image paths name into the data run's folder, where the source makes the pictures.
    write_files: Callable[[Path], None] | None = None


class BrokenLines:
    """Lines that do not parse: an error at the first, or, where the user allows it, counted and listed."""

    listed = 100  # more would bury the report; all are counted

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.problems: list[str] = []
        self.skipped: Counter[str] = Counter()

    def report(self, path: Path, line: int, reason: str, detail: str = "") -> None:
        """Note one broken line.

        Args:
            line: 1-based number in the file.
            reason: what is wrong in words that are the same for every such line; they are counted.
            detail: the offending text.

        Raises:
            UserError: unless broken lines are skipped.
        """
        problem = f"{path.name} line {line}: {reason}" + (f" ({shorten(detail)})" if detail else "")
        if not self.skip:
            raise UserError(f"{problem}; correct it, or leave such lines out with data.options.skip_bad_lines=true")
        self.skipped[reason] += 1
        if len(self.problems) < self.listed:
            self.problems.append(problem)


def shorten(text: str, width: int = 60) -> str:
    """The text on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."


def read_options(config: DataConfig, defaults: dict[str, Any]) -> dict[str, Any]:
    """The source's options with defaults filled in.

    Args:
        defaults: option -> its default; a type stands for an option of that type that is None by default.

    Raises:
        UserError: an option that the source does not know, or of another type than its default's.
    """
    options: Any = config.options
    plain: Any = OmegaConf.to_container(options, resolve=True) if OmegaConf.is_config(options) else options
    values = {name: None if isinstance(default, type) else default for name, default in defaults.items()}
    for name, value in dict(plain).items():
        if name not in defaults:
            known = ", ".join(sorted(defaults))
            raise UserError(f"data.options.{name} is no option of source {config.source}; it knows: {known}")
        default = defaults[name]
        expected = default if isinstance(default, type) else type(default)
        if value is None and isinstance(default, type):
            continue
        if expected is float and type(value) is int:
            value = float(value)
        if type(value) is not expected:
            raise UserError(f"data.options.{name} is {value!r}, expected a value of type {expected.__name__}")
        values[name] = value
    return values


def given_path(text: str) -> Path:
    """The path that a user wrote; `~` is the home folder, unless it begins the name of a file."""
    path = Path(text)
    with suppress(RuntimeError):  # no such user: ~a.csv is a file
        return path.expanduser()
    return path


def source_path(config: DataConfig) -> Path:
    """The configured path.

    Raises:
        UserError: none is configured, or nothing is there.
    """
    if not config.path:
        raise UserError(f"data.path is missing: source {config.source} reads a file or folder; give data.path=PATH")
    path = given_path(str(config.path))
    if not path.exists():
        raise UserError(f"{path} does not exist; put the data there, or give its place as data.path=PATH")
    return path


def source_file(folder: Path, name: str) -> Path:
    """A file of the source's folder.

    Raises:
        UserError: the folder is a file, or the file is missing or empty.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is a file, expected the folder that holds {name}; give data.path=FOLDER")
    return existing_file(folder / name)


def existing_file(path: Path) -> Path:
    """The path itself, once it is known to be a file with content.

    Raises:
        UserError: the file is missing, a folder, or empty.
    """
    if not path.is_file():
        raise UserError(f"{path} is no file; check data.path and the file names in data.options")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty; expected data, so fetch the file again")
    return path
