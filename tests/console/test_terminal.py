"""Tables at the widths that terminals have, and in a pipe: no number, name or id is shortened, broken or left out."""

import re

import pytest

from recbench.console.terminal import show, stacked
from recbench.grids import Grid
from recbench.reporting.bench import plan_grid
from recbench.reporting.comparison import run_grids
from recbench.reporting.tables import metric_grids
from recbench.stages.runs import run_lines

WIDTHS = [60, 80, 100, 140, None]
NUMBER = re.compile(r"\d[\d.,]*")
RUN = "20261130-230956-815560-378bb{}"
CELL = {"value": 0.6944, "low": 0.6171, "high": 0.7869}
METRICS = ["auc", "wpauc(0.01,0.05)", "mcclish(0.01,0.05)", *(f"ndcg@{k}" for k in (1, 5, 10, 20, 50))]
EVAL = {column: dict.fromkeys(METRICS, CELL) for column in ("kept", "best", "excluded", "best_excluded")}
PLAN = {
    "rows": [
        {"seed": seed, "data": "amazon_industrial", "arm": arm, "train": RUN.format(seed), "eval": None}
        | {"evaluated": True, "minutes": 12.34 + seed}
        for seed in (0, 1)
        for arm in ("sft", "grpo_random", "tawin_ndcg")
    ],
    **{"there": 6, "missing": 6, "minutes": 77.0, "unknown": 2},
}
ARMS = [{"arm": arm, "seed": 0, "eval": RUN.format(1), "train": RUN.format(2)} for arm in ("sft", "tawin")]
GRIDS = {
    "eval": metric_grids(EVAL),
    "plan": [plan_grid(PLAN)],
    "compare, its runs": run_grids({"runs": ARMS}),
    "compare": [
        Grid(
            "test of bazaar, 60 cases",
            ["arm", "seeds", *METRICS],
            [[arm, "0, 1, 2", *["0.5012 ± 0.0034"] * len(METRICS)] for arm in ("sft", "grpo_random", "tawin")],
            marks={(1, 2): "**", (2, 4): "*"},
            note="* p < 0.05, ** p < 0.01 against sft: paired t-test over users, Holm-corrected for 24 comparisons.",
        )
    ],
    "a sweep": [
        Grid(
            "",
            ["overrides", "auc"],
            [["algo=tawin negatives=window seed=" + "1" * 60, "0.5"]],
        )
    ],
}


@pytest.fixture
def printed(monkeypatch, capsys):
    """What `show` prints at a width; None is a pipe."""

    def at(grids, width):
        if width is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", str(width))
        show(grids)
        return capsys.readouterr().out

    return at


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [name for name in GRIDS if name != "a sweep"])
def test_every_number_and_id_is_there_whole_in_lines_that_fit(name, width, printed) -> None:
    shown = printed(GRIDS[name], width)
    assert max(map(len, shown.splitlines())) <= (width or 120)
    for grid in GRIDS[name]:
        for row, cells in enumerate(grid.rows):
            for column, cell in enumerate(cells):
                words = cell.split() if grid.prose else [cell]
                marked = [f"{cell}{grid.marks[row, column]}"] if (row, column) in grid.marks else words
                assert all(word in shown or word.replace("*", " *", 1) in shown for word in marked), (cell, shown)
        for title in grid.columns:
            assert all(word in shown for word in title.split())
    cells = [cell for grid in GRIDS[name] for row in grid.rows for cell in row[grid.names :]]
    expected = sum(len(NUMBER.findall(cell)) for cell in cells)
    assert len(NUMBER.findall(shown)) >= expected  # names, titles and notes have some, too


@pytest.mark.parametrize("width", WIDTHS)
def test_a_name_that_is_wider_than_the_screen_stands_alone(width, printed) -> None:
    shown = printed(GRIDS["a sweep"], width)
    ((name, value),) = GRIDS["a sweep"][0].rows
    if width is not None and width < len(name):
        assert shown == f"overrides: {name}\n  auc: {value}\n\n"
    else:
        assert re.search(rf"{re.escape(name)} +0\.5", shown)


def test_what_fits_in_one_table_is_one(printed) -> None:
    grids = [GRIDS["eval"][0]]
    assert printed(grids, 140).count("wpauc(0.01,0.05)") == 1
    assert printed(grids, 60).count("wpauc(0.01,0.05)") == 4  # a column a part, its names again


def test_blocks_have_marks_and_no_empty_titles() -> None:
    grid = Grid("t", ["arm", "auc", ""], [["sft", "0.5", "x"]], marks={(0, 1): "**"})
    assert stacked(grid, 40) == ["t", "arm: sft", "  auc: 0.5 **", "  x"]


# ---- recbench runs

ROWS = [
    {
        "id": RUN.format(number),
        "stage": "laboratory",
        "data": data,
        "status": "interrupted",
        "seconds": 5400.0,
        "overrides": ["runs=x", *[f"negatives.key_{key}={key}" for key in range(40)]],
        "metrics": {"auc": 0.51234},
    }
    for number, data in enumerate(("bazaar", "amazon_industrial_and_scientific"))
]


@pytest.mark.parametrize("width", WIDTHS)
def test_runs_have_their_ids_numbers_and_overrides_at_every_width(width) -> None:
    lines = run_lines(ROWS, width)
    text = " ".join(" ".join(lines).split())
    for row in ROWS:
        assert f"{row['id']}  laboratory" in "\n".join(lines) or width == 60 and row["id"] in text
        assert row["data"] in text
    assert text.count("5400 s") == text.count("auc 0.5123") == text.count("interrupted") == 2
    if width is None:
        assert len(lines) == 3 and all(len(line) <= 330 for line in lines)
        assert "characters left out" in text
    else:
        assert max(map(len, lines)) <= width
        assert all(text.count(override) == 2 for override in ROWS[0]["overrides"][-30:])


def test_a_run_that_fits_is_one_line() -> None:
    rows = [row | {"overrides": ["seed=1"]} for row in ROWS]
    assert len(run_lines(rows, 140)) == 3 and "took    metrics  overrides" in run_lines(rows, 140)[0]
    assert run_lines(rows, 80)[2].split() == [RUN.format(0), "laboratory", "interrupted"]
    assert run_lines(rows, 80)[0].split()[:3] == ["run", "stage", "status"]
