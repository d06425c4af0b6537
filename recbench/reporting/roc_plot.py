"""The head of the ROC curve on a logarithmic FPR axis, from ranks alone."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLUE, ORANGE, GREY, INK = "#1f5fa8", "#d9822b", "#8a8f98", "#22262d"
WINDOW_COLOURS = ("#e9b949", "#57a773", "#b07aa1", "#d1605e", "#6baed6")  # told apart by most colour-blind readers


def mean_roc(
    above: NDArray[np.int64], ties: NDArray[np.int64], negatives: NDArray[np.int64], rates: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """TPR at each false positive rate, averaged over cases by equation (2), and its standard error (n - 1).

    `above`, `ties` and `negatives` are counts of shape [C], `rates` lie in [0, 1] and have shape [R]; both results have
    shape [R]. Cases without negatives are left out; without any case both are NaN, with one the error is.
    """
    defined = negatives > 0
    if not defined.any():
        return np.full(len(rates), np.nan), np.full(len(rates), np.nan)
    g, m, n = (part[defined, None].astype(np.float64) for part in (above, ties, negatives))
    total, squares, count = np.zeros(len(rates)), np.zeros(len(rates)), int(defined.sum())
    for start in range(0, count, 4096):  # [4096, R] at a time: memory does not grow with the cases
        block = slice(start, start + 4096)
        ramp = np.clip((rates * n[block] - g[block]) / np.maximum(m[block], 1), 0, 1)
        tpr = np.where(m[block] > 0, ramp, rates >= g[block] / n[block])  # n (1 / n) may be less than 1
        total += tpr.sum(0)
        squares += (tpr**2).sum(0)
    mean = total / count
    if count < 2:
        return mean, np.full(len(rates), np.nan)
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0) / (count - 1))


def plot_roc_head(
    path: Path,
    curves: Sequence[tuple[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]],
    windows: Sequence[Sequence[float]],
    title: str,
) -> None:
    """Draw curves (label, above, ties, negatives) with the windows shaded and write a PNG to `path`.

    The first curve is the run's own, with a band of two standard errors; others are drawn dashed. The axis begins at
    half a negative of the largest context; the upper axis counts negatives.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    count = int(max(curves[0][3].max(initial=1), 1))
    rates = np.unique(
        np.concatenate([np.geomspace(0.5 / count, 1, 600), [w for pair in windows for w in pair if w > 0]])
    )
    figure, axes = plt.subplots(figsize=(7.2, 4.6), dpi=160, layout="constrained")
    for index, (low, high) in enumerate(windows):
        colour = WINDOW_COLOURS[index % len(WINDOW_COLOURS)]
        left = max(low, rates[0])  # a window from 0 reaches the axis' left end
        axes.axvspan(left, max(high, left), color=colour, alpha=0.22, lw=0, label=f"window [{low:g}, {high:g}]")
    axes.plot(rates, rates, color=GREY, lw=1, ls=":", label="chance")
    for index, (label, above, ties, negatives) in enumerate(curves):
        mean, error = mean_roc(above, ties, negatives, rates)
        colour = (BLUE, ORANGE)[index % 2]
        axes.plot(rates, mean, color=colour, lw=2 if index == 0 else 1.4, ls="-" if index == 0 else "--", label=label)
        if index == 0:
            axes.fill_between(
                rates, np.maximum(mean - 2 * error, 0), np.minimum(mean + 2 * error, 1), color=colour, alpha=0.18, lw=0
            )
    axes.set(xscale="log", xlim=(rates[0], 1), ylim=(0, 1.02))
    axes.set_xlabel("false positive rate: share of negatives ranked above the threshold (log scale)")
    axes.set_ylabel("true positive rate (mean over cases)")
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    upper = axes.secondary_xaxis("top", functions=(partial(np.multiply, count), partial(np.multiply, 1 / count)))
    upper.set_xlabel(f"negatives above, of {count:,}", fontsize=8, color=GREY)
    upper.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else ""))
    upper.tick_params(which="both", labelsize=8, colors=GREY)
    upper.spines["top"].set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(which="major", color="#e4e6ea", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", framealpha=0.75, edgecolor="none", fontsize=8)
    figure.savefig(path, metadata={"Software": None})  # no version in the file: the same run draws the same bytes
    plt.close(figure)
