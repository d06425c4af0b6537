"""Draws docs/images/three_windows.png: the head of a ROC curve with windows, on counts that anyone can follow."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NEGATIVES = 12_100  # of Amazon Beauty, a case
CASES = 20_000
SHAPE = 0.28  # of the positives' ranks: about a tenth of them within the first ten
WINDOWS = (
    ("0,0.01\nmean\n{:.2f}", 0.0, 0.01, "#4477aa"),
    ("0.01,0.05\nmean\n{:.2f}", 0.01, 0.05, "#ee8866"),
)
IMAGES = Path(__file__).resolve().parents[1] / "docs/images"


def true_positive_rate(above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The share of cases whose positive has at most that share of the negatives above it."""
    return np.searchsorted(np.sort(above), share * NEGATIVES, side="right") / len(above)


def draw(path: Path) -> None:
    """Write the picture."""
    above = np.floor(NEGATIVES * np.random.default_rng(0).beta(SHAPE, 1.0, CASES))
    share = np.arange(0, 700) / NEGATIVES
    rate = true_positive_rate(above, share)
    plt.rcParams["font.size"] = 12  # legible where the page is narrow
    figure, axes = plt.subplots(figsize=(7, 4.2), dpi=130)
    axes.step(share, rate, where="post", color="black", linewidth=1.5)
    for title, low, high, colour in WINDOWS:
        inside = (share >= low) & (share < high)
        axes.fill_between(share[inside], rate[inside], step="post", color=colour, alpha=0.45)
        axes.annotate(title.format(rate[inside].mean()), ((low + high) / 2 + 0.0004, 0.05), ha="center")
    ten = rate[9]
    axes.plot([9 / NEGATIVES] * 2, [0, ten], color="#aa3377", linewidth=2)
    axes.annotate(
        f"HR@10 = {ten:.2f}: the height at the tenth place",
        (9 / NEGATIVES, ten),
        (0.003, 0.42),
        arrowprops={"arrowstyle": "->", "color": "#aa3377"},
        color="#aa3377",
    )
    ranks = axes.secondary_xaxis("top", functions=(lambda x: x * NEGATIVES + 1, lambda r: (r - 1) / NEGATIVES))
    ranks.set_xticks([1, 122, 303, 606])
    ranks.set_xlabel("rank of the positive among 12,101 items")
    axes.set(xlim=(0, 0.0575), ylim=(0, rate[-1] * 1.08), xlabel="false positive rate", ylabel="true positive rate")
    axes.spines[["right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    draw(IMAGES / "three_windows.png")
