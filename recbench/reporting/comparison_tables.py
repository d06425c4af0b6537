"""Comparisons as a paper takes them: tables in Markdown and LaTeX, and every number in CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recbench.errors import StorageError, UserError
from recbench.plain_json import json_text, plain
from recbench.reporting.comparison import comparison_grids, mark, run_grids
from recbench.reporting.latex import PREAMBLE, latex
from recbench.reporting.tables import titled
from recbench.result_shapes import Comparison
from recbench.runs import atomic_path
from recbench.schema import did_you_mean

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
    "users_and_seeds_error",
    "users_and_seeds_low",
    "users_and_seeds_high",
    "p_users_and_seeds",
    "p_users_and_seeds_holm",
    "relative_users_and_seeds_low",
    "relative_users_and_seeds_high",
)


def as_markdown(comparisons: Sequence[Comparison], relative: bool = False) -> str:
    """Means, differences and every seed of each comparison, under a heading a data set where there are several."""
    lines: list[str] = []
    for comparison in comparisons:
        lines += [f"## {comparison['data']}", ""] if len(comparisons) > 1 else []
        for line in comparison.get("headline", []):
            lines += [f"**{line}.**", ""]
        for grid in [*comparison_grids(comparison, per_seed=True, relative=relative), *run_grids(comparison)]:
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
                held: Mapping[str, Any] = arm["difference"]["values"][name] if "difference" in arm else {}
                rows.append(
                    {key: one for key, one in comparison.items() if key in shared}
                    | {"arm": arm["arm"], "metric": name, "best_possible": comparison.get("best", {}).get(name)}
                    | {"mean": value["mean"], "deviation": value["deviation"]}
                    | {f"seed_{seed}": one for seed, one in value["per_seed"].items()}
                    | {key: held.get(key) for key in TESTED}
                    | {"mark": mark(held.get("p_holm"))}
                )
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *TESTED, "mark"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _no_formula(value) for key, value in row.items()} for row in plain(rows))
    return text.getvalue()


def _no_formula(value: Any) -> Any:
    """A cell of a csv; a text that a spreadsheet would run as a formula has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


FORMATS: dict[str, tuple[str, Callable[[Sequence[Comparison], bool], str]]] = {
    "markdown": ("table.md", as_markdown),
    "latex": ("table.tex", as_latex),
    "csv": ("table.csv", as_csv),
}


def check_format(name: str) -> str:
    """`name` itself; raises UserError unless it is one of FORMATS."""
    if name not in FORMATS:
        raise UserError(f"--format {name}: expected one of {', '.join(FORMATS)}{did_you_mean(name, list(FORMATS))}")
    return name


def write_tables(folder: Path, comparisons: Sequence[Comparison], relative: bool = False) -> list[Path]:
    """Write table.md, table.tex, table.csv and comparison.json, all or none, into `folder`, made if there is none.

    comparison.json has every number, of one comparison alone or of several in a list, as `--json` prints them. Returns
    the paths. Raises UserError where `folder` cannot be written to.
    """
    texts = {name: render(comparisons, relative) for name, render in FORMATS.values()}
    texts["comparison.json"] = json_text(alone(comparisons))
    paths = [folder / name for name in texts]
    try:
        if taken := next((path for path in paths if path.is_dir()), None):
            raise UserError(f"--save {folder}: {taken.name} is a folder there; give another folder")
        with ExitStack() as all_or_none:  # every file is written before the first takes its name
            for path, text in zip(paths, texts.values(), strict=True):
                all_or_none.enter_context(atomic_path(path)).write_text(text, encoding="utf-8")
    except StorageError as problem:
        raise UserError(f"--save {folder} cannot be written to: {problem.reason}; give another folder") from problem
    return paths


def alone(comparisons: Sequence[Comparison]) -> Any:
    """The comparison itself where there is one, else all in a list."""
    return comparisons[0] if len(comparisons) == 1 else list(comparisons)
