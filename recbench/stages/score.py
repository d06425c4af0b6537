"""Metrics of anyone's scores: `recbench score FILE`, and `from recbench import score_file`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.metrics.summary import Summary, summarise_ranks, summarise_scores

if TYPE_CHECKING:
    from recbench.data.sources.delimited import Fault
    from recbench.data.sources.tabular import Parser, TableFile

FloatArray = NDArray[np.float64]

_SCORES = ("label", "score")
_COUNTS = ("user", "above", "ties", "n")
_WHOLE = (
    "must be a whole number from 0 to 2^53",
    lambda numbers: (numbers >= 0) & (numbers <= 2**53) & (numbers == np.floor(numbers)),
)
# What each column takes, in words and as a test of numbers; NaN passes none.
_RULES: dict[str, tuple[str, Callable[[FloatArray], NDArray[np.bool_]]]] = {
    "label": ("must be 0 or 1", lambda numbers: (numbers == 0) | (numbers == 1)),
    "score": ("must be a number", lambda numbers: numbers == numbers),
    "above": _WHOLE,
    "ties": _WHOLE,
    "n": _WHOLE,
}
_EXPECTED = "(user, label, score), (label, score) or (user, above, ties, n)"


class LabelledScores(NamedTuple):
    """Rows of a score file: `labels` 0 or 1, `scores`, and `users` as numbers 0..U-1 (None: all rows pooled), [N]."""

    labels: FloatArray
    scores: FloatArray
    users: NDArray[np.int64] | None


class NegativeCounts(NamedTuple):
    """Rows of a ranks file: negatives `above` and in `ties` with the one positive, all `negatives`, `users`, [C]."""

    above: FloatArray
    ties: FloatArray
    negatives: FloatArray
    users: NDArray[np.int64]


def score_file(
    path: str | Path,
    windows: Sequence[Sequence[float]],
    ks: Sequence[int],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Summary:
    """Metrics of the scores in a csv or parquet file, each with a 95% bootstrap interval.

    The columns decide what is computed; others are ignored:
      - (user, label, score): every user's own ROC curve and list, averaged over users, any number of positives a user;
      - (label, score): one ROC curve and one list of all rows;
      - (user, above, ties, n): one positive a row, by the negatives above it, tied with it, and all n of them.

    A million rows take seconds with users, about a minute pooled. Undefined values are NaN, with a warning. Users with
    one class only are left out, and a window narrower than one negative is told, each with a warning.

    Args:
        file: labels in it are 0 or 1, a larger score is more relevant, users are anything.
        windows: FPR windows (a, b).
        ks: Top-K cut-offs.
        samples: bootstrap resamples, drawn from `seed`; 0 gives no intervals.

    Returns:
        name -> {"value", "low", "high"}. Names are those of `recbench.metrics.table`. With several positives, "hr@K"
        asks for at least one among the best K, and "recall@K" is the share of them there.

    Raises:
        UserError: the file cannot be used so; the line or the column is named.

    >>> from recbench import score_file  # doctest: +SKIP
    >>> score_file("scores.csv", windows=[(0.01, 0.05)], ks=[10])["auc"]["value"]  # doctest: +SKIP
    0.81
    """
    rows = read_scores(path)
    if isinstance(rows, NegativeCounts):
        counts = (rows.above, rows.ties, rows.negatives)
        return summarise_ranks(*counts, windows, ks, groups=rows.users, samples=samples, seed=seed)
    return summarise_scores(rows.labels, rows.scores, windows, ks, groups=rows.users, samples=samples, seed=seed)


def read_scores(path: str | Path) -> LabelledScores | NegativeCounts:
    """Read and check a csv or parquet file of scores or of ranks; columns and errors as in `score_file`."""
    file = Path(path)
    if not file.exists():
        raise UserError(f"{file} does not exist; give a csv or parquet file with columns {_EXPECTED}")
    if not file.is_file():
        raise UserError(f"{file} is not a file; give one csv or parquet file with columns {_EXPECTED}")
    if file.stat().st_size == 0:
        raise UserError(f"{file} is empty; expected columns {_EXPECTED}")
    names, table = _open(file)
    layout = _columns_of_layout(file, names)
    columns, line_of = _read(table, layout)
    if "label" in layout:
        return LabelledScores(columns["label"], columns["score"], columns.get("user"))
    counts = NegativeCounts(columns["above"], columns["ties"], columns["n"], columns["user"])
    if len(beyond := np.flatnonzero(counts.above + counts.ties > counts.negatives)):
        found = counts.negatives[beyond[0]]
        raise UserError(f"{file} {line_of(int(beyond[0]))}: n must be at least above + ties, found {found:g}")
    return counts


def _open(file: Path) -> tuple[list[str], "TableFile"]:
    """The names of a file's columns, and the file; UserError where it is neither csv nor Parquet, or has no header."""
    from recbench.data.sources.delimited import DelimitedFile
    from recbench.data.sources.dialect import find_dialect, suffix_of
    from recbench.data.sources.parquet import ParquetTable

    if suffix_of(file) in (".parquet", ".pq"):
        table: TableFile = ParquetTable(file)
    elif ".csv" in file.suffixes:
        dialects = (find_dialect(file, {name: name for name in wanted}) for wanted in (_SCORES, _COUNTS))
        tables = [DelimitedFile(file, dialect) for dialect in dialects]
        table = next((one for one in tables if len(one.names) > 1), tables[0])
    else:
        raise UserError(f"{file} is neither .csv nor .parquet by its name; rename or convert it")
    if not any(table.names):
        raise UserError(f"{file} is empty; expected columns {_EXPECTED}")
    return table.names, table


def _read(table: "TableFile", layout: list[str]) -> tuple[dict[str, Any], Callable[[int], str]]:
    """Columns as float64, users as numbers 0..U-1, [N]; and what says where a row stands in the file.

    Raises:
        UserError: by its line, the first row in which a value is missing or not what its column takes; no rows.
    """
    from recbench.data.sources.names import Names
    from recbench.data.sources.raw import BrokenLines
    from recbench.data.sources.tabular import read_columns

    class Refusal(BrokenLines):
        """Tells the first wrong line in this command's own words."""

        def check(self, file: "TableFile", faults: Sequence["Fault"]) -> None:
            if faults:
                line = file.lines([faults[0].record])[faults[0].record]
                reason = "user is missing" if faults[0].reason == "no user" else faults[0].reason
                raise UserError(f"{file.path} {file.place} {line}: {reason}")

    parsers = {name: Names("user", ()) if name == "user" else _numbers(name) for name in layout}
    found = read_columns(table, {name: name for name in layout}, parsers, Refusal(skip=False), with_records=True)
    if not found.rows:
        raise UserError(f"{table.path} has columns {', '.join(layout)} but no rows; give at least one")
    columns = dict(found.values)
    if "user" in layout:
        columns["user"] = columns["user"].indices.to_numpy().astype(np.int64)

    def line_of(row: int) -> str:
        record = int(found.records[row])
        return f"{table.place} {table.lines([record])[record]}"

    return {name: one if name == "user" else one.to_numpy() for name, one in columns.items()}, line_of


def _numbers(name: str) -> "Parser":
    """What reads a column of numbers, float64, each within its column's rule."""
    import pyarrow as pa

    from recbench.data.sources.values import Parsed, each_distinct, floats

    rule, holds = _RULES[name]

    def scalar(value: object) -> float:
        number = _number(value)
        if number != number:
            found = "no value (NaN)" if value is None or str(value).strip() in ("", "nan") else repr(value)
            raise ValueError(f"{name} {rule if name == 'label' else 'must be a number'}, found {found}")
        if not holds(np.array([number]))[0]:
            raise ValueError(f"{name} {rule}, found {number:g}")
        return number

    def parse(values: pa.Array) -> Parsed:
        numbers = floats(values)
        rest = np.flatnonzero(~holds(numbers))  # NaN is in no range
        if not len(rest):
            return Parsed(pa.array(numbers))
        slow = each_distinct(values.take(pa.array(rest)), scalar, pa.float64())
        numbers[rest] = slow.values.to_numpy(zero_copy_only=False)
        return Parsed(pa.array(numbers), {reason: rest[rows] for reason, rows in slow.wrong.items()})

    return parse


def _number(value: object) -> float:
    """A cell as float; true and false are 1 and 0, and what is no number is NaN."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {"true": 1.0, "false": 0.0}.get(str(value).strip().lower(), float("nan"))


def _columns_of_layout(file: Path, found: list[str]) -> list[str]:
    """The columns to read, of those found; UserError unless they make exactly one layout."""
    for name in (*_SCORES, *_COUNTS):
        if found.count(name) > 1:
            raise UserError(f"{file} has {found.count(name)} columns called {name!r}; keep one")
    has_scores = set(_SCORES) <= set(found)
    has_counts = set(_COUNTS) <= set(found)
    if has_scores and has_counts:
        raise UserError(f"{file} has both label, score and above, ties, n; keep the columns of one of {_EXPECTED}")
    if has_counts:
        return list(_COUNTS)
    if has_scores:
        return [name for name in ("user", *_SCORES) if name in found]
    raise UserError(f"{file} has columns {', '.join(map(repr, found))}; expected {_EXPECTED}")
