"""The table of metrics: names are read in one place, and another metric is one more row."""

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.metrics import table
from recbench.metrics.rankings import rank_scores
from recbench.metrics.summary import metric_of_ranks, summarise_ranks, summarise_scores
from recbench.metrics.table import CUTOFF, EVAL, ROWS, Metric, metric_order, named_metrics, read_metric, shown_over_runs
from recbench.reporting.comparison import terminal_grids
from recbench.schema import check_picker

COUNTS = (np.array([0, 3, 9, 10]), np.array([0, 2, 0, 1]), np.full(4, 40))
EXAMPLES = {"nothing": "", "a window": "(0.05,0.25)", "a cut-off": "@10"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_name_of_every_row_is_read_and_computed(row: Metric) -> None:
    name = row.name + EXAMPLES[row.takes]
    found = read_metric(name)
    assert found.metric is row and found.name == name
    values = found.of_counts(*COUNTS)
    assert values.shape == (4,) and ((values >= 0) & (values <= 1)).all()
    assert np.array_equal(values, metric_of_ranks(name, *COUNTS))
    # A positive before all others is worth the most, unless less is better.
    first = float(found.of_counts([0], [0], [40])[0])
    assert first == (values.min() if row.smaller_is_better else values.max())


@pytest.mark.parametrize("row", [row for row in ROWS if row.of_lists], ids=lambda row: row.name)
def test_of_lists_with_one_positive_is_of_counts(row: Metric) -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 6, (20, 12)), np.zeros((20, 12), dtype=int)
    labels[:, 0] = 1
    above, ties = (scores[:, 1:] > scores[:, :1]).sum(1), (scores[:, 1:] == scores[:, :1]).sum(1)
    one = read_metric(f"{row.name}@4")
    of_lists = one.of_lists(rank_scores(labels.ravel(), scores.ravel(), np.repeat(np.arange(20), 12)))
    assert of_lists == pytest.approx(one.of_counts(above, ties, np.full(20, 11)), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "needed"),
    [("hr@10", 10), ("wpauc(0.01,0.05)", 5), ("wpauc(0,0.025)", 2.5), ("auc", 100), ("ndcg_by_id@3", 3)],
)
def test_how_many_ranks_settle_a_metric(name: str, needed: float) -> None:
    assert read_metric(name).ranks_needed(100) == needed
    assert read_metric(name).needs_all_ranks == (name == "auc")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "hr",
        "hr@",
        "hr@x",
        "hr@-1",
        "hr(0,1)",
        "auc@10",
        "auc(0,1)",
        "wpauc",
        "wpauc@10",
        "wpauc(0,1",
        "Hr@10",
        "x@1",
    ],
)
def test_other_names_are_none_of_the_metrics(name: str) -> None:
    with pytest.raises(
        UserError, match=r"is not one of auc, wpauc\(a,b\), mcclish\(a,b\), pauc\(a,b\), hr@K, recall@K"
    ):
        read_metric(name)


def test_a_wrong_window_or_cut_off_is_named() -> None:
    with pytest.raises(UserError, match=r"metric wpauc\(0.5,0.1\): expected two false positive rates"):
        read_metric("wpauc(0.5,0.1)")
    with pytest.raises(UserError, match="K 0 is not a cut-off"):
        read_metric("hr@0")


def test_names_are_in_the_order_of_the_table() -> None:
    names = ["ndcg@10", "mine@1", "hr@10", "pauc(0,0.1)", "hr@5", "auc", "wpauc(0.1,0.2)", "wpauc(0,0.1)", "hr_by_id@1"]
    assert sorted(names, key=metric_order) == [
        "auc", "wpauc(0,0.1)", "wpauc(0.1,0.2)", "pauc(0,0.1)", "hr@5", "hr@10", "ndcg@10", "hr_by_id@1", "mine@1"
    ]  # fmt: skip
    assert [name for name in names if not shown_over_runs(name)] == ["pauc(0,0.1)"]


def test_one_row_adds_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    def success(above, ties, negatives, k):
        return (np.asarray(above) + np.asarray(ties) < k).astype(float)

    def success_of_lists(ranking, k):
        found = np.zeros(len(ranking.positives_of_group))
        np.maximum.at(found, ranking.group, (ranking.positives > 0) & (ranking.before + ranking.positives <= k))
        return found

    row = Metric("success", CUTOFF, of_counts=success, of_lists=success_of_lists, shown=(EVAL, table.SCORE))
    monkeypatch.setattr(table, "ROWS", (*ROWS, row))
    monkeypatch.setitem(table.METRICS, "success", row)
    assert "success@3" in [one.name for one in named_metrics(EVAL, [], [3])]
    assert summarise_ranks(*COUNTS, [], [4], samples=0)["success@4"]["value"] == 0.25
    pooled = summarise_scores([1, 0, 0, 0, 1, 0], [3, 2, 1, 1, 2, 3], [], [1], groups=[0, 0, 0, 1, 1, 1], samples=0)
    assert pooled["success@1"]["value"] == 0.5
    check_picker("algo.select_by", "success@3")
    assert metric_order("success@3") > metric_order("mrr@3")


def test_where_less_is_better_the_least_is_the_best() -> None:
    def arm(name: str, mean: float) -> dict:
        return {"arm": name, "seeds": [0], "values": {"rank": {"mean": mean, "deviation": None}}}

    comparison = {
        "metrics": ["rank"], "arms": [arm("a", 3.0), arm("b", 2.0), arm("c", 5.0)], "split": "test", "cases": 4,
        "users": 4, "seen_items": "kept", "baseline": "a", "comparisons": 0, "samples": 0,
        "smaller_is_better": ["rank"],
    }  # fmt: skip
    assert terminal_grids(comparison)[0].emphasis == {(1, 2): "best", (0, 2): "second"}
    del comparison["smaller_is_better"]
    assert terminal_grids(comparison)[0].emphasis == {(2, 2): "best", (0, 2): "second"}


def test_a_user_s_function_says_its_direction() -> None:
    def mean_rank(above, ties, negatives):
        return 1 + above + ties / 2

    mean_rank.smaller_is_better = True  # type: ignore[attr-defined]
    try:
        table.add_metric("mine.mean_rank", mean_rank)
        assert read_metric("mine.mean_rank").metric.smaller_is_better
        assert read_metric("mine.mean_rank").needs_all_ranks
        assert metric_of_ranks("mine.mean_rank", *COUNTS).tolist() == [1, 5, 10, 11.5]
    finally:
        del table.METRICS["mine.mean_rank"]
