"""Every metric of an evaluation by name, each with its bootstrap interval: what `recbench eval` and `score` report.

`recbench/metrics/table.py` has the metrics. Two inputs lead here: counts of negatives above one positive a case, or
labels and scores.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbench.errors import UserError
from recbench.metrics.fpr_window import WHOLE, Window, check_window, window_text
from recbench.metrics.intervals import Intervals, bootstrap_intervals
from recbench.metrics.rankings import IntArray, Ranking, rank_scores
from recbench.metrics.table import EVAL, IDS, SCORE, NamedMetric, named_metrics, read_metric
from recbench.metrics.topk import check_k
from recbench.metrics.windows import check_counts, window_auc_of, window_width, windowed_tpr

FloatArray = NDArray[np.float64]
Summary = dict[str, dict[str, float]]


def metric_names(windows: Sequence[Sequence[float]], ks: Sequence[int]) -> list[str]:
    """Names of the metrics that `summarise_ranks` reports for these FPR windows and cut-offs, in its order.

    >>> metric_names([(0.01, 0.05)], [10])
    ['auc', 'wpauc(0.01,0.05)', 'mcclish(0.01,0.05)', 'pauc(0.01,0.05)', 'hr@10', 'ndcg@10', 'mrr@10']
    """
    return [metric.name for metric in named_metrics(EVAL, windows, ks)]


def metric_of_ranks(name: str, above: ArrayLike, ties: ArrayLike, negatives: ArrayLike) -> FloatArray:
    """One named metric for every case with one positive, float64[C]; its mean is what `summarise_ranks` reports.

    `above`, `ties` and `negatives` count the negatives strictly above the positive, tied with it, and all, [C]; for a
    name with _by_id they are counts of IDs: (31) of docs/methods.md. NaN, with a warning, where an area has no
    negatives. Raises UserError for an unknown name.

    >>> metric_of_ranks("hr@10", above=[3, 12], ties=[0, 0], negatives=[99, 99])
    array([1., 0.])
    """
    return read_metric(name).of_counts(above, ties, negatives)


def summarise_ranks(
    above: ArrayLike,
    ties: ArrayLike,
    negatives: ArrayLike,
    windows: Sequence[Sequence[float]],
    ks: Sequence[int],
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
    own: Sequence[str] = (),
) -> Summary:
    """Mean of every metric over cases with one positive each, with 95% bootstrap intervals over users.

    `above`, `ties` and `negatives` [C] as in `metric_of_ranks`; `groups` [C] is each case's user (default: one case a
    user), the unit that is resampled; `own` names metrics of `add_metric`. Returns name -> {"value", "low", "high"},
    names as in `metric_names`. Cases without negatives are left out of every metric and counted in a warning; a window
    narrower than one negative gets a warning. Raises UserError for malformed windows, cut-offs or counts.

    >>> summary = summarise_ranks([0, 5], [0, 0], [10, 10], [(0.0, 0.5)], [1], samples=0)
    >>> summary["auc"]["value"], summary["hr@1"]["value"]
    (0.75, 0.5)
    """
    g, m, n = check_counts(above, ties, negatives)
    if g.ndim != 1:
        raise UserError(f"counts have shape {g.shape}; give one number a case")
    user = np.arange(g.size) if groups is None else np.asarray(groups)
    if user.shape != g.shape:
        raise UserError(f"there are {g.size} cases but {user.size} groups; give one group a case")
    defined = n > 0
    if not defined.all():
        _warn(f"{np.count_nonzero(~defined)} of {g.size} cases have no negatives and are left out of every metric")
        g, m, n, user = g[defined], m[defined], n[defined], user[defined]
    _warn_of_narrow_windows(windows, n)
    _warn_of_short_lists(ks, n + 1)
    metrics = [*named_metrics(EVAL, windows, ks), *map(read_metric, own)]
    values = _values(metrics, lambda window: windowed_tpr(g, m, n, window), lambda one: one.of_counts(g, m, n))
    return _summary(values, bootstrap_intervals(np.stack(list(values.values()), axis=1), samples, seed, user))


def summarise_ids(
    above: ArrayLike,
    ties: ArrayLike,
    ks: Sequence[int],
    *,
    groups: ArrayLike,
    samples: int = 1000,
    seed: int = 0,
) -> Summary:
    """Hit rate and NDCG of the positive's semantic ID among the IDs: (31) of docs/methods.md.

    `above` and `ties` [C] count IDs above the positive's and tied with it; the rest as in `summarise_ranks`. Source:
    the evaluation that MiniOneRec (arXiv 2510.24431) publishes, for which any item of the ID is a hit.

    >>> summarise_ids([1, 4], [0, 0], [3], groups=[0, 1], samples=0)["hr_by_id@3"]["value"]
    0.5
    """
    beyond = np.asarray(above) + np.asarray(ties)  # how many IDs there are in all makes no difference to these
    values = {one.name: one.of_counts(above, ties, beyond) for one in named_metrics(IDS, (), ks)}
    if not values:
        return {}
    return _summary(values, bootstrap_intervals(np.stack(list(values.values()), axis=1), samples, seed, groups))


def summarise_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    windows: Sequence[Sequence[float]],
    ks: Sequence[int],
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> Summary:
    """Every metric from labels and scores: averaged over users (`groups` [N]), or of all rows pooled (no `groups`).

    With groups, the ROC curve and the list are each user's own, and intervals resample users. Users with one class only
    are left out of every metric and counted in a warning.

    Without groups, there is one ROC curve and one list. ROC intervals resample positives and negatives apart, as pROC
    does. Top-K metrics are of one list, and have NaN for ends. A metric is NaN, with a warning, where a class is
    missing.

    Args:
        labels: 0 or 1, [N], any number of positives a user.
        scores: larger is more relevant, [N].

    Returns:
        What `summarise_ranks` returns, and recall@K.

    Raises:
        UserError: labels other than 0 and 1, NaN scores, malformed windows or cut-offs.
    """
    ranking = rank_scores(labels, scores, groups)
    if groups is not None:
        ranking = _with_both_classes(ranking)
    negatives = ranking.negatives_of_group
    _warn_of_narrow_windows(windows, negatives[negatives > 0])
    _warn_of_short_lists(ks, ranking.positives_of_group + negatives)
    metrics = named_metrics(SCORE, windows, ks)
    values = _values(metrics, lambda window: window_auc_of(ranking, window), lambda one: one.of_lists(ranking))
    if groups is not None:
        return _summary(values, bootstrap_intervals(np.stack(list(values.values()), axis=1), samples, seed))
    resampled = _resampled_areas(ranking, windows, samples, seed)
    means = np.array([column[0] for column in values.values()])
    low, high = np.full(means.size, np.nan), np.full(means.size, np.nan)
    for position, name in enumerate(values):
        if name in resampled and samples:
            low[position], high[position] = np.quantile(resampled[name], [0.025, 0.975])
    return _summary(values, Intervals(means, low, high))


def _values(
    metrics: Sequence[NamedMetric],
    area: Callable[[Window], FloatArray],
    top_k: Callable[[NamedMetric], FloatArray] | None = None,
) -> dict[str, FloatArray]:
    """Values by name, in their order; the area of each window is computed once for all metrics of it."""
    areas: dict[Window, FloatArray] = {}
    values: dict[str, FloatArray] = {}
    for one in metrics:
        if one.metric.of_area is not None:
            window = one.window or WHOLE
            if window not in areas:
                areas[window] = area(window)
            values[one.name] = one.metric.of_area(areas[window], window)
        elif top_k is not None:
            values[one.name] = top_k(one)
    return values


def _summary(values: dict[str, FloatArray], intervals: Intervals) -> Summary:
    ends = zip(values, intervals.mean, intervals.low, intervals.high, strict=True)
    return {name: {"value": float(value), "low": float(low), "high": float(high)} for name, value, low, high in ends}


def _resampled_areas(
    ranking: Ranking, windows: Sequence[Sequence[float]], samples: int, seed: int
) -> dict[str, FloatArray]:
    """Areas of one pooled ROC curve in resamples that keep the numbers of positives and negatives."""
    positives, negatives = int(ranking.positives_of_group[0]), int(ranking.negatives_of_group[0])
    if not positives or not negatives:
        return {}
    blocks = ranking.group.size
    block_of_positive = np.repeat(np.arange(blocks), ranking.positives)
    block_of_negative = np.repeat(np.arange(blocks), ranking.negatives)
    rng, metrics = np.random.default_rng(seed), named_metrics(SCORE, windows, ())
    resampled: dict[str, FloatArray] = {}
    for sample in range(samples):
        drawn_positives = block_of_positive[rng.integers(positives, size=positives)]
        drawn_negatives = block_of_negative[rng.integers(negatives, size=negatives)]
        weight = np.bincount(drawn_positives, minlength=blocks)
        ties = np.bincount(drawn_negatives, minlength=blocks)
        above = np.cumsum(ties) - ties
        used = weight > 0
        area = partial(_weighted_area, weight[used] / positives, above[used], ties[used], negatives)
        for name, value in _values(metrics, area).items():
            resampled.setdefault(name, np.empty(samples))[sample] = value[0]
    return resampled


def _weighted_area(weight: FloatArray, above: IntArray, ties: IntArray, negatives: int, window: Window) -> FloatArray:
    return np.array([weight @ windowed_tpr(above, ties, negatives, window)])


def _with_both_classes(ranking: Ranking) -> Ranking:
    """The ranking without its one-class groups, the others renumbered; warns with their number."""
    both = (ranking.positives_of_group > 0) & (ranking.negatives_of_group > 0)
    if both.all():
        return ranking
    _warn(
        f"{np.count_nonzero(~both)} of {both.size} users have only positives or only negatives: their metrics are "
        "undefined, and they are left out"
    )
    blocks = both[ranking.group]
    return Ranking(
        group=(np.cumsum(both) - 1)[ranking.group[blocks]],
        before=ranking.before[blocks],
        above=ranking.above[blocks],
        positives=ranking.positives[blocks],
        negatives=ranking.negatives[blocks],
        positives_of_group=ranking.positives_of_group[both],
        negatives_of_group=ranking.negatives_of_group[both],
    )


def _warn_of_narrow_windows(windows: Sequence[Sequence[float]], negatives: ArrayLike) -> None:
    n = np.asarray(negatives, dtype=np.float64)
    for window in map(check_window, windows):
        # An end of few decimals, such as 0.0303, may be meant for a rank.
        narrow = window_width(n, window) < 1 - 1e-9
        if narrow.any():
            least = float(window_width(n.min(), window))
            _warn(
                f"window {window_text(window)} is narrower than one negative in {np.count_nonzero(narrow)} of {n.size} "
                f"rankings (at least {least:.3g} of one, of {n.min():g} negatives); its value there is "
                "fractional, read between two ranks"
            )


def _warn_of_short_lists(ks: Sequence[int], candidates: ArrayLike) -> None:
    sizes = np.asarray(candidates)
    for k in map(check_k, ks):
        short = int(np.count_nonzero(sizes <= k))
        if short:
            _warn(f"hr@{k} is 1 whatever the scores in {short} of {sizes.size} rankings: they hold at most {k} items")


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
