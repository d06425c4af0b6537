"""Trained on one window, measured on another: a heat map for each kind of window."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recbench.metrics.fpr_window import shortened
from recbench.reporting.roc_plot import INK


def plot_window_matrices(path: Path, matrices: Sequence[Mapping[str, Any]]) -> None:
    """Draw matrices (`Matrix` of recbench.laboratory.claims as dicts) side by side and write a PNG to `path`.

    Cells are gains over SFT in hundredths of the metric, coloured from the column's worst to its best row, because
    columns differ in scale. A frame marks a column's own row, a dot its best TAWin row. The same numbers draw the same
    bytes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    widths = [len(matrix["metrics"]) for matrix in matrices]
    rows = max(len(matrix["arms"]) for matrix in matrices)
    figure, panels = plt.subplots(
        1,
        len(matrices),
        figsize=(2.2 * len(matrices) + 1.05 * sum(widths), 1.6 + 0.42 * rows),
        dpi=160,
        layout="constrained",
        width_ratios=widths,
        squeeze=False,
    )
    for axes, matrix in zip(panels[0], matrices, strict=True):
        gains = 100 * np.array(matrix["gains"], dtype=np.float64)
        own = len(matrix["metrics"])
        reach = np.abs(gains).max(axis=0, keepdims=True)
        shade = gains / np.where(reach > 0, reach, 1.0)
        axes.imshow(shade, cmap="RdBu", vmin=-1.7, vmax=1.7, aspect="auto")
        for (row, column), gain in np.ndenumerate(gains):
            best = row == matrix["best"][column]
            text = f"{gain:+.2f}" + (" ●" if best else "")
            weight = "bold" if best else "normal"
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=INK, weight=weight)
        for place in range(own):
            axes.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, lw=1.6, ec=INK, clip_on=False))
        axes.axhline(own - 0.5, color="white", lw=5)
        axes.set_xticks(range(own), [_label(name) for name in matrix["metrics"]], fontsize=8.5)
        axes.set_yticks(range(len(matrix["arms"])), matrix["arms"], fontsize=8.5)
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.set_xlabel("measured on", fontsize=9, color=INK)
        axes.xaxis.set_label_position("top")
        axes.set_ylabel("trained on", fontsize=9, color=INK)
        axes.spines[:].set_visible(False)
    figure.suptitle(
        "gain over SFT, in hundredths; framed: the window's own arm; ●: best TAWin arm of the column",
        fontsize=9.5,
        color=INK,
        x=0.01,
        ha="left",
    )
    figure.savefig(path, metadata={"Software": None})  # no version in the file: the same run draws the same bytes
    plt.close(figure)


def _label(metric: str) -> str:
    """hr@10 as HR@10, a window on two lines."""
    return metric.upper() if "@" in metric else shortened(metric).replace("wpauc(", "WPAUC\n(")
