"""Every Top-K metric against the anchor of TAWin's own weights: one panel a temperature."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbench.reporting.roc_plot import BLUE, GREY, INK, ORANGE

COLOURS = (BLUE, ORANGE, "#3d8f5f", "#b07aa1", "#7a5c3e", GREY)
MARKERS = "osD^vP"  # the lines can be told apart in grey, too
DASHES = ("-", "--")  # of the first metrics, and of those for which the colours begin anew


def plot_anchors(path: Path, curves: Sequence[Mapping[str, Any]]) -> None:
    """Draw curves (`AnchorCurves` of recbench.laboratory.claims as dicts) side by side and write a PNG to `path`.

    Gains over SFT in hundredths of the metric; a line's best anchor has a large marker. The same numbers draw the same
    bytes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    figure, panels = plt.subplots(
        1,
        len(curves),
        figsize=(0.6 + 4.0 * len(curves), 3.9),
        dpi=160,
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for axes, curve in zip(panels[0], curves, strict=True):
        axes.axhline(0, color=GREY, lw=1)
        for place, (metric, gains) in enumerate(zip(curve["metrics"], curve["gains"], strict=True)):
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            dashes = DASHES[place // len(COLOURS) % len(DASHES)]
            values, best = [100 * gain for gain in gains], curve["best"][place]
            name = metric.upper()
            axes.plot(curve["anchors"], values, dashes, color=colour, lw=1.5, marker=marker, ms=3.5, label=name)
            axes.plot(curve["anchors"][best], values[best], marker, color=colour, ms=9, mec="white", mew=1)
        axes.set_xscale("log")
        axes.set_xticks(curve["anchors"], [str(anchor) for anchor in curve["anchors"]])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("anchor: rank among the negatives", fontsize=9)
        axes.set_title(f"temperature {curve['temperature']:g}", loc="left", fontsize=10, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e4e6ea", lw=0.6)
        axes.set_axisbelow(True)
    panels[0][0].set_ylabel("gain over SFT, in hundredths", fontsize=9)
    panels[0][-1].legend(fontsize=8, frameon=False, loc="best")
    figure.savefig(path, metadata={"Software": None})  # no version in the file: the same run draws the same bytes
    plt.close(figure)
