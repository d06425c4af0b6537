"""The table of an experiment over data sets, from its numbers."""

from recbench.reporting.bench import summary_grids


def summary(**ends):
    gain = {"relative_percent": 4.0, "difference": 0.01, "low": 0.0, "high": 0.02, "p_holm": 0.003}
    arm = {"arm": "tawin", "gains": {"a": gain, "b": gain | {"p_holm": None}}, "mean": 4.0, "above": 2, "sets": 2}
    comparison = {"comparisons": 1, "baseline": "sft"}
    return {
        "data_sets": ["a", "b"],
        "by_data": {"a": comparison, "b": comparison},
        "summary": {"metric": "ndcg@10", "baseline": "sft", "arms": [arm | ends]},
    }


def test_the_mean_over_data_sets_has_both_intervals() -> None:
    ends = {"low": 1.23, "high": 6.77, "users_and_seeds_low": -0.5, "users_and_seeds_high": 8.5}
    (grid,) = summary_grids(summary(**ends))
    columns = dict(zip(grid.columns, grid.rows[0], strict=True))
    assert columns["mean"] == "+4.0%" and columns["95%, users"] == "[+1.2, +6.8]"
    assert columns["95%, users and seeds"] == "[-0.5, +8.5]" and columns["sets above"] == "2 of 2"
    assert grid.marks == {(0, 1): "**"} and "users and seeds: both as draws" in grid.note


def test_runs_of_before_have_dashes() -> None:
    (grid,) = summary_grids(summary())
    assert grid.rows[0][4:6] == ["[–, –]", "[–, –]"]
