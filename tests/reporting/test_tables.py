from recbench.console.terminal import show
from recbench.grids import Grid
from recbench.reporting.tables import comparison_grid, flatten, headline, markdown, metric_grids, number

EVAL = {
    "cases": 60,
    "split": "test",
    "best": {"hr@10": {"value": 0.9, "low": 0.8, "high": 1.0}},
    "excluded": {"hr@10": {"value": 0.4, "low": 0.3, "high": 0.5}},
    "kept": {
        "hr@10": {"value": 0.25, "low": 0.2, "high": 0.3},
        "hr@5": {"value": 0.125, "low": None, "high": None},
        "auc": {"value": None, "low": None, "high": None},
        "pauc(0,0.1)": {"value": 0.01, "low": 0.0, "high": 0.02},
    },
    "trained": {"steps": 7},
}


def test_numbers_for_people():
    assert number(0.123456) == "0.1235"
    assert number(0.0) == "0.0000"
    assert number(0.00012345) == "0.0001234"
    assert number(12.34567) == "12.35"
    assert number(1234567) == "1,234,567"
    assert number(None) == number(float("nan")) == "–"
    assert number("exact") == "exact"
    assert number(True) == "True"


def test_metrics_stand_side_by_side_each_beside_its_optimum():
    metrics, rest = metric_grids(EVAL, leave_out=("trained",))
    assert metrics.columns == ["metric", "seen items kept", "best possible, seen kept", "seen items excluded"]
    assert metrics.rows == [
        ["auc", "–", "", ""],
        ["pauc(0,0.1)", "0.0100 [0.0000, 0.0200]", "", ""],
        ["hr@5", "0.1250", "", ""],
        ["hr@10", "0.2500 [0.2000, 0.3000]", "0.9000 [0.8000, 1.0000]", "0.4000 [0.3000, 0.5000]"],
    ]
    assert rest.rows == [["cases", "60"], ["split", "test"]]


def test_metrics_alone_are_one_column():
    (grid,) = metric_grids(EVAL["kept"])
    assert grid.columns == ["metric", "value"]
    assert len(grid.rows) == 4


def test_flatten():
    assert flatten({"a": {"b": 1, "c": {"value": 2.0, "low": 1.0}}, "list": [1, 2]}) == {"a.b": 1, "a.c": 2.0}


def test_headlines():
    assert headline(EVAL) == {"auc": None, "hr@5": 0.125, "hr@10": 0.25}
    assert headline({"validation": {"best": {"hr@10": 0.5, "auc": 0.7}}, "steps": 3}) == {
        "validation auc": 0.7,
        "validation hr@10": 0.5,
    }
    assert headline({"users": 3, "splits": {"test": 1}, "name": "toy"}) == {"users": 3}


def test_comparison_leaves_gaps_where_a_run_lacks_a_number():
    grid = comparison_grid("", [("seed=1", {"auc": 0.5}), ("seed=2", {"auc": 0.6, "loss": 2.0}), ("seed=3", {})])
    assert grid.columns == ["", "auc", "loss"]
    assert grid.rows == [["seed=1", "0.5000", ""], ["seed=2", "0.6000", "2.0000"], ["seed=3", "", ""]]


def test_markdown():
    assert markdown(Grid("t", ["a", "b"], [["x|y", "1"]])) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_a_printed_table_keeps_its_width_in_a_pipe_and_brackets_as_they_are(capsys):
    show([Grid("", ["metric", "value"], [["wpauc", "0.1 [0.0, 0.2] " + "wide" * 50]])])
    assert "0.1 [0.0, 0.2] " + "wide" * 50 in capsys.readouterr().out
