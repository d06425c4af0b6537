"""Comparisons as a paper takes them: tables in Markdown and LaTeX, and every number in CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbench.reporting.comparison import comparison_grids, mark
from recbench.reporting.latex import PREAMBLE, latex
from recbench.reporting.tables import titled
from recbench.runs import atomic_path, plain

Comparison = Mapping[str, Any]

TESTED = (  # what a comparison knows about each difference, in the order of the columns
    "difference",
    "low",
    "high",
    "relative_percent",
    "standard_error",
    "detectable",
    "p_t",
    "p_wilcoxon",
    "p_bootstrap",
    "p_holm",
)


def as_markdown(comparisons: Sequence[Comparison], relative: bool = False) -> str:
    """Means, differences and every seed of each comparison, under a heading a data set where there are several."""
    lines = []
    for comparison in comparisons:
        lines += [f"## {comparison['data']}", ""] if len(comparisons) > 1 else []
        for grid in comparison_grids(comparison, per_seed=True, relative=relative):
            lines += titled(grid)
    return "\n".join(lines).rstrip() + "\n"


def as_latex(comparisons: Sequence[Comparison], relative: bool = False) -> str:
    """Means and differences of each comparison as floating tables, for \\input in a paper that loads booktabs."""
    grids = [grid for comparison in comparisons for grid in comparison_grids(comparison, relative=relative)]
    return "\n".join([f"{PREAMBLE}\n", *map(latex, grids)])


def as_csv(comparisons: Sequence[Comparison], relative: bool = False) -> str:
    """A row an arm and metric with every number, unrounded; empty where there is none.

    Columns: what was compared on (data, data_fingerprint, split, seen_items, cases, users, best_possible), arm,
    baseline, metric, the seeds' `mean`, `deviation` and `seed_S`, then the paired difference from the baseline with
    its interval, the p-values and `mark`. `relative` changes nothing: gains in percent are a column.
    """
    seeds = sorted({seed for comparison in comparisons for arm in comparison["arms"] for seed in arm["seeds"]})
    shared = ("data", "data_fingerprint", "split", "seen_items", "cases", "users", "baseline")
    columns = [*shared, "arm", "metric", "best_possible", "mean", "deviation", *(f"seed_{seed}" for seed in seeds)]
    rows = []
    for comparison in comparisons:
        for arm in comparison["arms"]:
            for name in comparison["metrics"]:
                value = arm["values"][name]
                held = arm["difference"]["values"][name] if "difference" in arm else {}
                rows.append(
                    {key: comparison[key] for key in shared}
                    | {"arm": arm["arm"], "metric": name, "best_possible": comparison.get("best", {}).get(name)}
                    | {"mean": value["mean"], "deviation": value["deviation"]}
                    | {f"seed_{seed}": one for seed, one in value["per_seed"].items()}
                    | {key: held.get(key) for key in TESTED}
                    | {"mark": mark(held.get("p_holm"))}
                )
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *TESTED, "mark"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain(rows))
    return text.getvalue()


FORMATS: dict[str, tuple[str, Callable[[Sequence[Comparison], bool], str]]] = {
    "markdown": ("table.md", as_markdown),
    "latex": ("table.tex", as_latex),
    "csv": ("table.csv", as_csv),
}


def write_tables(folder: Path, comparisons: Sequence[Comparison], relative: bool = False) -> list[Path]:
    """Write table.md, table.tex and table.csv into `folder`, which is made if there is none; returns their paths."""
    paths = []
    for name, render in FORMATS.values():
        paths.append(folder / name)
        with atomic_path(paths[-1]) as partial:
            partial.write_text(render(comparisons, relative), encoding="utf-8")
    return paths
