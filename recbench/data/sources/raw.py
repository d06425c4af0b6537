"""What every source returns, and how sources read files, options and broken lines."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from omegaconf import OmegaConf

from recbench.data.interactions import Interactions
from recbench.data.sources.compressed import MOST_EXPANSION
from recbench.errors import UserError
from recbench.schema import DataConfig
from recbench.schema.validation import did_you_mean

if TYPE_CHECKING:
    from recbench.data.sources.delimited import Fault
    from recbench.data.sources.tabular import TableFile


@dataclass
class RawData:
    """A source's content before filtering, ordering and splitting."""

    catalogue: pa.Table  # item (string, distinct), any of title, text, image, caption, and categorical columns
    # user, item (text, or codes of it); timestamp (in time_unit), label (1 positive, 0 negative), rating, and split
    # (int8: TRAIN, VALIDATION or TEST, for data.split=given) if known. None: no sequences.
    interactions: pa.Table | None
    problems: list[str] = field(default_factory=list)  # one line each: file, line number, what is wrong
    skipped: dict[str, int] = field(default_factory=dict)  # lines left out, by reason
    # A generated market's exact best ranks, once the splits are known: see bazaar.
    best: Callable[[Interactions], pa.Table] | None = None
    # What was shown, clicked or not; columns as in recbench.data.impression_table. None: clicks are not known.
    impressions: pa.Table | None = None
    user_fields: pa.Table | None = None  # user (string, distinct), then string columns
    time_unit: str = "s"  # of all timestamps: s, ms, us or ns
    # How each file was read, as recbench.data.sources.reading has it; and what a user must not overlook.
    reading: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # Writes what the catalogue's image paths name into the data run's folder, where the source makes the pictures.
    write_files: Callable[[Path], None] | None = None


class BrokenLines:
    """Lines that do not parse: an error at the first, or, where the user allows it, counted and listed."""

    listed = 100  # more would bury the report; all are counted

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.problems: list[str] = []
        self.skipped: Counter[str] = Counter()

    def report(self, path: Path, line: int, reason: str, detail: str = "", place: str = "line") -> None:
        """Note one broken line.

        Args:
            line: 1-based number in the file.
            reason: what is wrong in words that are the same for every such line; they are counted.
            detail: the offending text.
            place: what the number counts: lines, or rows of a format without lines.

        Raises:
            UserError: unless broken lines are skipped.
        """
        problem = f"{path.name} {place} {line}: {reason}" + (f" ({shorten(detail)})" if detail else "")
        if not self.skip:
            raise UserError(f"{problem}; correct it, or leave such {place}s out with data.options.skip_bad_lines=true")
        self.skipped[reason] += 1
        if len(self.problems) < self.listed:
            self.problems.append(problem)

    def check(self, file: "TableFile", faults: Sequence["Fault"]) -> None:
        """Raise UserError for the first of these faults, unless broken lines are skipped."""
        if faults and not self.skip:
            first = faults[0]
            line = file.lines([first.record])[first.record]
            self.report(file.path, line, first.reason, first.detail, place=file.place)

    def add(self, file: "TableFile", faults: Sequence["Fault"], counts: Counter[str]) -> None:
        """Count a file's broken records, and list the first of them by their lines."""
        self.skipped.update(counts)
        listed = faults[: self.listed - len(self.problems)]
        lines = file.lines([fault.record for fault in listed]) if listed else {}
        for fault in listed:
            detail = f" ({shorten(fault.detail)})" if fault.detail else ""
            self.problems.append(f"{file.path.name} {file.place} {lines[fault.record]}: {fault.reason}{detail}")


def shorten(text: str, width: int = 60) -> str:
    """The text on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."


@dataclass(frozen=True)
class Option:
    """One key below data.options."""

    default: Any  # a type stands for an option of that type that is None by default
    help: str
    least: float | None = None
    most: float | None = None
    # Of an option that is a mapping: its keys; none: any.
    keys: Mapping[str, "Option"] | None = None
    one_of: tuple[str, ...] = ()


OF_FILES = {  # of every source that reads some
    "most_expansion": Option(MOST_EXPANSION, "times that packed files may grow when they are unpacked", least=1),
}


def read_options(config: DataConfig, known: Mapping[str, Option]) -> dict[str, Any]:
    """The source's options with defaults filled in, mappings' keys included.

    Raises:
        UserError: an option that the source does not know, of another type than its default's, or out of its range.
    """
    options: Any = config.options
    plain: Any = OmegaConf.to_container(options, resolve=True) if OmegaConf.is_config(options) else options
    given = {str(name): value for name, value in dict(plain).items()}
    return _filled("data.options", given, known, f"option of source {config.source}")


def _filled(prefix: str, given: Mapping[str, Any], known: Mapping[str, Option], what: str) -> dict[str, Any]:
    for name in given:
        if name not in known:
            near = did_you_mean(name, list(known))
            raise UserError(f"{prefix}.{name} is no {what}; it knows: {', '.join(sorted(known))}{near}")
    return {
        name: _checked(f"{prefix}.{name}", given.get(name, option.default), option) for name, option in known.items()
    }


def _checked(key: str, value: Any, option: Option) -> Any:
    default = option.default
    expected = default if isinstance(default, type) else type(default)
    if value is None or isinstance(value, type):
        if isinstance(default, type) or default is None:
            return None
        raise UserError(f"{key} is None, expected a value of type {expected.__name__}")
    if expected is float and type(value) is int:
        value = float(value)
    if default is str and type(value) is int:  # a column called 0 comes as a number
        value = str(value)
    if type(value) is not expected and default is not None:
        raise UserError(f"{key} is {value!r}, expected a value of type {expected.__name__}")
    if value == "":
        raise UserError(f"{key}='' is empty: give a value, or leave {key} out")
    if isinstance(value, list):
        value = [str(one) if type(one) is int else one for one in value]  # columns called 0, 1, ...
        if wrong := [one for one in value if not isinstance(one, str)]:
            raise UserError(f"{key} has {wrong[0]!r}, expected texts only")
    if option.one_of and value not in option.one_of:
        near = did_you_mean(str(value), option.one_of)
        raise UserError(f"{key} is {value!r}, expected one of {', '.join(option.one_of)}{near}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_range(key, value, option)
    if isinstance(value, dict) and option.keys is not None:
        return _filled(key, {str(name): one for name, one in value.items()}, option.keys, f"key of {key}")
    return value


def _check_range(key: str, value: float, option: Option) -> None:
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", option.least), ("at most", option.most))
        if bound is not None
    ]
    wrong = option.least is not None and value < option.least or option.most is not None and value > option.most
    if not math.isfinite(value) or wrong:
        raise UserError(f"{key} is {value}, expected {' and '.join(bounds) or 'a finite number'}")


def given_path(text: str) -> Path:
    """The path that a user wrote; `~` is the home folder, unless it begins the name of a file.

    Raises:
        UserError: no file can have it: it is too long, or a link in it leads to itself.
    """
    path = Path(text)
    with suppress(RuntimeError):  # no such user: ~a.csv is a file
        path = path.expanduser()
    try:
        path.exists()
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise UserError(f"{text}: no file can have this path ({reason}); give another") from problem
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


def source_file(folder: Path, name: str, key: str | None = None) -> Path:
    """A file of the source's folder; `key` of data.options names it.

    Raises:
        UserError: the folder is a file, or the file is missing or empty.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is a file, expected the folder that holds {name}; give data.path=FOLDER")
    return existing_file(folder / name, key)


def existing_file(path: Path, key: str | None = None) -> Path:
    """The path itself, once it is known to be a file with content; `key` of data.options gives its name.

    Raises:
        UserError: the file is missing, a folder, or empty.
    """
    if not path.is_file():
        named = f"data.options.{key}={path.name}" if key is not None else "the file names in data.options"
        raise UserError(f"{path} is no file; check data.path and {named}")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty; expected data, so fetch the file again")
    return path
