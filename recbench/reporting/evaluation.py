"""The report of an evaluation: its metrics, and what was recommended to some users, with titles."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recbench.grids import Grid
from recbench.reporting.tables import markdown, metric_grids, titled
from recbench.runs import Run

EXAMPLES = 10  # users
SHOWN = 5  # items of each, and of their history
LONGEST = 60  # letters of a title


def evaluation_sections(run: Run) -> list[str]:
    """The metrics of an evaluation in Markdown, then ten users: what they had, what was recommended, what they took."""
    lines = ["## Results", ""]
    for grid in metric_grids(run.metrics, leave_out=("judged",)):  # stands on top, in words
        lines += titled(grid)
    rows = examples(run)
    if rows:
        lines += [
            f"## {len(rows)} users",
            "",
            markdown(Grid("", ["user", "had, the latest last", "best items", "took", "at rank"], rows, prose=True)),
            "Drawn at random, the same ones in every evaluation of these cases. Seen items compete.",
            "",
        ]
    return lines


def examples(run: Run) -> list[list[str]]:
    """Some users' rows for the table; none where the data run, or the best items, are gone."""
    data = run.input_run("data")
    path = run.path / "ranks.parquet"
    if data is None or not path.is_file() or not (data.path / "interactions.parquet").is_file():
        return []
    ranks = pq.read_table(path, columns=["user", "case", "above", "ties", "censored", "top_items"])
    chosen = np.sort(np.random.default_rng(0).permutation(ranks.num_rows)[:EXAMPLES])
    cases = ranks.take(pa.array(chosen)).to_pylist()
    if not any(case["top_items"] for case in cases):
        return []
    names, titles = _catalogue(data)
    wanted = pa.array([case["user"] for case in cases])
    table = pq.read_table(data.path / "interactions.parquet", columns=["user", "item"])
    table = table.filter(pc.is_in(table["user"], value_set=wanted))
    taken: dict[str, list[int]] = {}
    for user, item in zip(table["user"].to_pylist(), table["item"].to_pylist(), strict=True):
        taken.setdefault(user, []).append(item)
    rows = []
    for case in cases:
        items = taken[case["user"]]
        past = [titles[item] for item in items[max(0, case["case"] - SHOWN) : case["case"]]]
        best = [titles[names[name]] for name in case["top_items"][:SHOWN]]
        rank = "not found" if case["censored"] else str(case["above"] + 1)
        tied = f" to {case['above'] + 1 + case['ties']}" if case["ties"] and not case["censored"] else ""
        rows.append([case["user"], " | ".join(past), " | ".join(best), titles[items[case["case"]]], rank + tied])
    return rows


def _catalogue(data: Run) -> tuple[dict[str, int], list[str]]:
    """Item -> row, and of each row the title, or the item where it has none."""
    table = pq.read_table(data.path / "catalogue.parquet")
    items: list[str] = table["item"].to_pylist()
    titles: list[Any] = table["title"].to_pylist() if "title" in table.column_names else [None] * len(items)
    shown = [str(title or item) for title, item in zip(titles, items, strict=True)]
    shown = [text if len(text) <= LONGEST else text[: LONGEST - 3] + "..." for text in shown]
    return {item: row for row, item in enumerate(items)}, shown
