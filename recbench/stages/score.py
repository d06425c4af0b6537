"""Metrics of anyone's scores: `recbench score FILE`, and `from recbench import score_file`."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UserError
from recbench.metrics.summary import Summary, summarise_ranks, summarise_scores

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

_SCORES = ("label", "score")
_COUNTS = ("user", "above", "ties", "n")
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
    Labels are 0 or 1; a larger score is more relevant; users are anything. `windows` are FPR windows (a, b) and `ks`
    Top-K cut-offs; `samples` bootstrap resamples (0: no intervals), drawn from `seed`. A million rows take seconds with
    users, about a minute pooled.

    Returns name -> {"value", "low", "high"} with the names "auc", "wpauc(a,b)" (area over width, (1)), "mcclish(a,b)",
    "pauc(a,b)" (raw area), "hr@K" (with several positives: at least one among the best K), "ndcg@K", "mrr@K", and of
    labels "recall@K" (the share of the positives among the best K). Undefined values are NaN and users with one class
    only are left out, both with a warning, as is a window narrower than one negative. Raises UserError, naming the
    line or column, for a file that cannot be used so.

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
    rows = _Rows(file)
    if "label" in rows.columns:
        labels = rows.numbers("label", "must be 0 or 1")
        rows.refuse("label", labels, (labels != 0) & (labels != 1), "must be 0 or 1")
        return LabelledScores(labels, rows.numbers("score"), rows.users() if "user" in rows.columns else None)
    counts = NegativeCounts(rows.numbers("above"), rows.numbers("ties"), rows.numbers("n"), rows.users())
    for name, column in (("above", counts.above), ("ties", counts.ties), ("n", counts.negatives)):
        whole = np.isfinite(column) & (column >= 0) & (column == np.floor(column))
        rows.refuse(name, column, ~whole, "must be a whole number of at least 0")
    beyond = counts.above + counts.ties > counts.negatives
    rows.refuse("n", counts.negatives, beyond, "must be at least above + ties")
    return counts


class _Rows:
    """The columns of one file that make a layout, and where each row stands in it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        if file.suffix in (".parquet", ".pq"):
            self.place, self.table = "row", _read_parquet(file)
            self.first = 1
        elif ".csv" in file.suffixes:
            self.place, self.table = "line", _read_csv(file)
            self.first = 2  # line 1 is the header
        else:
            raise UserError(f"{file} is neither .csv nor .parquet by its name; rename or convert it")
        self.columns = list(self.table.columns)
        if self.table.empty:
            raise UserError(f"{file} has columns {', '.join(self.columns)} but no rows; give at least one")

    def numbers(self, name: str, rule: str = "must be a number") -> FloatArray:
        """A column as float64; UserError, stating `rule`, at the first value that is no number or missing."""
        import pandas as pd

        column = self.table[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = np.array([_number(value) for value in column.to_numpy(dtype=object)])
        self.refuse(name, column, np.isnan(values), rule)
        return values

    def users(self) -> NDArray[np.int64]:
        """The column `user` as numbers 0..U-1, whatever its type; UserError where it is missing."""
        import pandas as pd

        column = self.table["user"]
        try:
            codes = pd.factorize(column)[0].astype(np.int64)
        except TypeError:
            raise UserError(f"{self.file}: column 'user' holds {column.dtype} values that cannot be compared") from None
        self.refuse("user", column, (codes < 0) | (column == "").to_numpy(dtype=bool, na_value=False), "is missing")
        return codes

    def refuse(self, name: str, values: "FloatArray | pd.Series", wrong: NDArray[np.bool_], rule: str) -> None:
        """Raise UserError for the first row where `wrong` holds."""
        if not wrong.any():
            return
        row = int(np.flatnonzero(wrong)[0])
        value = np.asarray(values, dtype=object)[row]
        if str(value) in ("", "nan", "None", "<NA>"):
            shown = "no value (NaN)"
        else:
            shown = f"{value:g}" if isinstance(value, float) else repr(value)
        line = self.table.index[row] + self.first
        raise UserError(f"{self.file} {self.place} {line}: {name} {rule}, found {shown}")


def _number(value: object) -> float:
    """A cell as float; true and false are 1 and 0, and what is no number is NaN."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {"true": 1.0, "false": 0.0}.get(str(value).lower(), float("nan"))


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


def _read_csv(file: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        names = pd.read_csv(file, header=None, nrows=1, dtype=str, encoding="utf-8-sig", skip_blank_lines=False)
        wanted = _columns_of_layout(file, [str(name) for name in names.fillna("").iloc[0]])
        with warnings.catch_warnings():
            # pandas only warns when it cuts a line that is longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                file,
                encoding="utf-8-sig",
                index_col=False,
                # All as text. 7 and 007 stay two users, and one called NA is no missing value; scores are read by
                # float(), which is exact in every version: equal ones must read as equal, unequal ones as unequal.
                dtype=dict.fromkeys(wanted, str),
                keep_default_na=False,
                # Kept, so that a row's position gives its line; dropped below.
                skip_blank_lines=False,
                low_memory=False,
            )[wanted]
    except pd.errors.EmptyDataError:
        raise UserError(f"{file} is empty or starts with a blank line; expected columns {_EXPECTED}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text ({error.reason}); save it as UTF-8 csv") from None
    except pd.errors.ParserWarning:
        raise UserError(f"{file} line 2 has more fields than the header; quote the values that hold commas") from None
    except (pd.errors.ParserError, OSError) as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("Error tokenizing data. C error: ")
        raise UserError(f"{file} cannot be read as csv: {reason}") from None
    blank = (table.isna() | (table == "")).all(axis=1)
    return table[~blank]


def _read_parquet(file: Path) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_schema(file).names
        return pd.read_parquet(file, columns=_columns_of_layout(file, found)).reset_index(drop=True)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{file} cannot be read as parquet: {reason}") from None
