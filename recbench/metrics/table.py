"""The metrics, a row each: name, what a name has in brackets or behind @, how it is computed, what shows it.

A name such as `wpauc(0.01,0.05)`, `ndcg@10` or `hr_by_id@10` is read by `read_metric`, and by nothing else. A function
of a user's own is a row like the others. Another metric is one more row here.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.fpr_window import WHOLE, Window, parse_window, window_text
from recbench.metrics.rankings import Ranking
from recbench.metrics.topk import (
    check_k,
    hit_rate,
    hit_rate_several,
    mrr,
    mrr_several,
    ndcg,
    ndcg_several,
    recall_several,
)
from recbench.metrics.windows import check_counts, mcclish_of, rank_of, windowed_tpr

FloatArray = NDArray[np.float64]
# What has metrics without being asked for them by name: eval, score and ctr runs, a comparison,
# tables over the runs of a sweep, and evaluations that know ranks of semantic IDs.
EVAL, SCORE, CTR, COMPARE, SWEEP, IDS = ("eval", "score", "ctr", "compare", "sweep", "ids")
NOTHING, WINDOW, CUTOFF, EITHER = ("nothing", "a window", "a cut-off", "a cut-off or nothing")


@dataclass(frozen=True)
class Metric:
    """A kind of metric, and what is known of it by its name."""

    name: str  # as it begins: hr of hr@10
    takes: str  # WINDOW: wpauc(a,b); CUTOFF: hr@K; NOTHING: auc; EITHER: of a user's own
    of_area: Callable[[FloatArray, Window], FloatArray] | None = None  # of the area over the window's width
    of_counts: Callable[..., ArrayLike] | None = None  # (above, ties, negatives[, k]), one positive a case
    of_lists: Callable[[Ranking, int], FloatArray] | None = None  # (ranking, k), several positives a list
    shown: tuple[str, ...] = ()  # what has it without being asked
    by_id: bool = False  # its counts are of semantic IDs
    needs_several: bool = False  # with one positive a list it is another metric
    smaller_is_better: bool = False
    own: bool = False  # a user's function

    @property
    def written(self) -> str:
        """How its names are written: hr@K."""
        return self.name + {WINDOW: "(a,b)", CUTOFF: "@K"}.get(self.takes, "")


def _of(measure: Callable[[ArrayLike, ArrayLike, int], FloatArray]) -> Callable[..., FloatArray]:
    """A Top-K metric of the three counts: how many negatives there are makes no difference."""
    return lambda above, ties, negatives, k: measure(above, ties, k)


ROWS = (
    Metric("auc", NOTHING, of_area=lambda area, window: area, shown=(EVAL, SCORE, COMPARE, SWEEP)),
    Metric("wpauc", WINDOW, of_area=lambda area, window: area, shown=(EVAL, SCORE, CTR, COMPARE, SWEEP)),
    Metric("mcclish", WINDOW, of_area=mcclish_of, shown=(EVAL, SCORE, CTR)),
    Metric("pauc", WINDOW, of_area=lambda area, window: area * (window[1] - window[0]), shown=(EVAL, SCORE)),
    Metric(
        "hr",
        CUTOFF,
        of_counts=_of(hit_rate),
        of_lists=hit_rate_several,
        shown=(EVAL, SCORE, CTR, COMPARE, SWEEP),
    ),
    Metric("recall", CUTOFF, of_counts=_of(hit_rate), of_lists=recall_several, shown=(SCORE,), needs_several=True),
    Metric("ndcg", CUTOFF, of_counts=_of(ndcg), of_lists=ndcg_several, shown=(EVAL, SCORE, CTR, COMPARE, SWEEP)),
    Metric("mrr", CUTOFF, of_counts=_of(mrr), of_lists=mrr_several, shown=(EVAL, SCORE, CTR, SWEEP)),
    Metric("hr_by_id", CUTOFF, of_counts=_of(hit_rate), shown=(IDS, SWEEP), by_id=True),
    Metric("ndcg_by_id", CUTOFF, of_counts=_of(ndcg), shown=(IDS, SWEEP), by_id=True),
    Metric("mrr_by_id", CUTOFF, of_counts=_of(mrr), by_id=True),
)
METRICS = {row.name: row for row in ROWS}


def add_metric(name: str, function: Callable[..., ArrayLike]) -> None:
    """Make `name` a metric, and `name@K` where the function takes a `k`: (above, ties, negatives[, k]) to [C] numbers.

    An attribute `smaller_is_better` of the function says so; else a larger value is the better one.
    """
    smaller = bool(getattr(function, "smaller_is_better", False))
    METRICS[name] = Metric(name, EITHER, of_counts=function, smaller_is_better=smaller, own=True)


def is_built_in(name: str) -> bool:
    """Whether a name is one that the package keeps for its own metrics."""
    return "(" in name or any(row.name == _base(name) for row in ROWS)


@dataclass(frozen=True)
class NamedMetric:
    """A metric with its window or cut-off, as a name says: `ndcg@10`."""

    name: str
    metric: Metric
    window: Window | None = None
    k: int | None = None

    def of_counts(self, above: ArrayLike, ties: ArrayLike, negatives: ArrayLike) -> FloatArray:
        """Its value for every case with one positive, float64[C]; counts as in `metric_of_ranks`.

        Raises:
            UserError: counts are impossible, or a user's own function gives no number a case.
        """
        if self.metric.of_area is not None:
            window = self.window or WHOLE
            return self.metric.of_area(windowed_tpr(above, ties, negatives, window), window)
        counts = check_counts(above, ties, negatives)
        assert self.metric.of_counts is not None
        cutoff = [] if self.k is None else [self.k]
        if not self.metric.own:
            return np.asarray(self.metric.of_counts(above, ties, negatives, *cutoff))
        found = self.metric.of_counts(*(count.copy() for count in counts), *cutoff)
        return _numbers(found, counts[0].shape, f"metric {self.name}")

    def of_lists(self, ranking: Ranking) -> FloatArray:
        """Its value for every list of a ranking, float64[U], with any number of positives; of Top-K metrics alone."""
        assert self.metric.of_lists is not None and self.k is not None
        return self.metric.of_lists(ranking, self.k)

    def ranks_needed(self, negatives: int) -> float:
        """How many of the best items settle it: K; b n for a window [a, b] and n negatives; else all of them."""
        if self.k is not None:
            return self.k
        return float(rank_of((self.window or WHOLE)[1], negatives))

    @property
    def needs_all_ranks(self) -> bool:
        """Whether it looks at the whole list, however short that is."""
        return self.k is None and self.window is None


def read_metric(name: str) -> NamedMetric:
    """The metric that a name says.

    Raises:
        UserError: there is none of that name, or what it has in brackets or behind @ is no window or no cut-off.

    >>> read_metric("hr@10").k, read_metric("wpauc(0.01,0.05)").window
    (10, (0.01, 0.05))
    """
    row, rest = METRICS.get(_base(name)), name[len(_base(name)) :]
    if row is not None:
        if not rest and row.takes in (NOTHING, EITHER):
            return NamedMetric(name, row)
        if row.takes == WINDOW and rest.startswith("(") and rest.endswith(")"):
            return NamedMetric(name, row, window=parse_window(rest[1:-1], told=f"metric {name}"))
        if row.takes in (CUTOFF, EITHER) and re.fullmatch(r"@\d+", rest):
            return NamedMetric(name, row, k=check_k(int(rest[1:])))
    raise UserError(f"metric {name!r} is not one of {', '.join(row.written for row in ROWS)}")


def named_metrics(report: str, windows: Sequence[Sequence[float]], ks: Sequence[int]) -> list[NamedMetric]:
    """The metrics that a report has for these windows and cut-offs, each once, in its order: areas, then K by K."""
    rows = [row for row in ROWS if report in row.shown]
    found = [NamedMetric(row.name, row) for row in rows if row.takes == NOTHING]
    for window in windows:
        ends = parse_window(text := window_text(window))
        found += [NamedMetric(f"{row.name}({text})", row, window=ends) for row in rows if row.takes == WINDOW]
    for k in map(check_k, ks):
        found += [NamedMetric(f"{row.name}@{k}", row, k=k) for row in rows if row.takes == CUTOFF]
    return list({metric.name: metric for metric in found}.values())


def metric_order(name: str) -> tuple[int, str, list[float]]:
    """A key to sort names by: auc, then windows, then Top-K, each by its numbers, hr@5 before hr@10; others last."""
    known = [row.name for row in ROWS]
    place = known.index(_base(name)) if _base(name) in known else len(known)
    return place, _base(name), [float(text) for text in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", name)]


def shown_over_runs(name: str) -> bool:
    """Whether a table over the runs of a sweep has a column for a metric of theirs; a user's own always has one."""
    row = next((row for row in ROWS if row.name == _base(name)), None)
    return row is None or SWEEP in row.shown


def _numbers(found: ArrayLike, shape: tuple[int, ...], asked: str) -> FloatArray:
    """What a user's function gave, as numbers; raises UserError in words where it is not one for each case."""
    try:
        array = np.asarray(found)
    except ValueError:  # lists of several lengths
        raise UserError(f"{asked} gave lists of several lengths: expected a number for each case") from None
    if array.shape == shape and array.dtype.kind in "bif":
        return array.astype(np.float64)
    kind = {"U": "text", "S": "text", "c": "complex number", "b": "number", "i": "number", "u": "number", "f": "number"}
    word = kind.get(array.dtype.kind, "object")
    gave = f"one {word}" if array.ndim == 0 else f"{array.size} {word}s" if array.ndim == 1 else f"a table of {word}s"
    raise UserError(f"{asked} gave {gave} for {shape[0]} cases: expected a number for each case")


def _base(name: str) -> str:
    return re.split(r"[@(]", name)[0]
