"""Relative gains with their intervals, one line each: a forest plot."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recbench.reporting.roc_plot import BLUE, GREY, INK, ORANGE

GREEN = "#3d8f5f"
COLOURS = (BLUE, ORANGE, GREEN)


class Gain(NamedTuple):
    """One line of the plot, in percent: `inner` is drawn as a bar, `outer` as a line with caps; NaN is undefined."""

    group: str  # lines of one group have one colour
    label: str
    value: float
    inner: tuple[float, float]
    outer: tuple[float, float]


def plot_gains(path: Path, gains: Sequence[Gain], title: str, inner: str, outer: str, of: str = "AUC") -> None:
    """Draw the gains that are defined, in their order, and write a PNG to `path`; `inner`, `outer` name the intervals,
    `of` what the gains are in.

    The same gains draw the same bytes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    shown = [gain for gain in gains if math.isfinite(gain.value)]
    groups = list(dict.fromkeys(gain.group for gain in shown))
    places, place = [], 0.0
    for number, gain in enumerate(shown):
        if number and gain.group != shown[number - 1].group:
            place += 0.7
        places.append(place)
        place += 1
    figure, axes = plt.subplots(figsize=(7.2, 1.5 + 0.3 * max(place, 1)), dpi=160, layout="constrained")
    axes.axvline(0, color=GREY, lw=1)
    for gain, y in zip(shown, places, strict=True):
        colour = COLOURS[groups.index(gain.group) % len(COLOURS)]
        if all(map(math.isfinite, gain.inner)):
            axes.plot(gain.inner, [y, y], color=colour, lw=5, solid_capstyle="butt", alpha=0.35)
        if all(map(math.isfinite, gain.outer)):
            axes.plot(gain.outer, [y, y], color=colour, lw=1.2, marker="|", ms=8, mew=1.2)
        axes.plot(gain.value, y, "o", color=colour, ms=6, mec="white", mew=1)
        beside = axes.get_yaxis_transform()  # x in widths of the axes
        axes.text(1.12, y, f"{gain.value:+.2f}%", transform=beside, ha="right", va="center", fontsize=9, color=INK)
    axes.set_yticks(places, [f"{gain.group}, {gain.label}" for gain in shown], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(f"relative gain in {of}, %", fontsize=9)
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e4e6ea", lw=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.06)
    handles = [Line2D([], [], color=GREY, lw=5, alpha=0.5), Line2D([], [], color=GREY, lw=1.2, marker="|", ms=8)]
    figure.legend(handles, [inner, outer], loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})  # no version in the file: the same run draws the same bytes
    plt.close(figure)
