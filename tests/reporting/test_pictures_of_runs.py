"""Pictures of trainings and benches: what is drawn is what metrics.json says, and equal numbers draw equal bytes."""

import math

import pytest

from recbench.reporting.bench import gains_of, main_metric
from recbench.reporting.training import measured, plot_curves
from recbench.reporting.verdicts import verdict
from recbench.stage_table import STAGES

CURVE = [{"step": step, "hr@10": value, "auc": 0.5, "odd": None if step else 1} for step, value in ((0, 0.1), (5, 0.3))]
TRAINED = {"curve": CURVE, "selected_by": "hr@10", "best_step": 5}


def test_the_metric_that_picks_stands_first_and_undefined_ones_are_left_out() -> None:
    assert measured(TRAINED) == ["hr@10", "auc"]
    assert measured(TRAINED | {"curve": CURVE[:1]}) == [] and measured({}) == []
    assert measured(TRAINED | {"selected_by": "ndcg@10"}) == []


def test_equal_curves_draw_equal_bytes(tmp_path) -> None:
    for name in ("a.png", "b.png"):
        plot_curves(tmp_path / name, TRAINED, measured(TRAINED))
    plot_curves(tmp_path / "c.png", TRAINED | {"best_step": 0}, measured(TRAINED))
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


def compared(difference: float, low: float, high: float, both: float | None) -> dict:
    held = {"difference": difference, "low": low, "high": high, "relative_percent": 100 * difference / 0.5}
    held |= {"relative_users_and_seeds_low": both, "relative_users_and_seeds_high": both}
    arms = [
        {"arm": "sft", "values": {"auc": {"mean": 0.9}, "ndcg@10": {"mean": 0.5}}},
        {"arm": "tawin", "difference": {"values": {"ndcg@10": held}}},
    ]
    return {"metrics": ["auc", "ndcg@10"], "baseline": "sft", "arms": arms}


def test_gains_are_in_percent_of_the_baseline_s_mean() -> None:
    name, (gain,) = gains_of(compared(0.02, 0.01, 0.03, -1.0))
    assert name == "ndcg@10" and (gain.group, gain.label) == ("over sft", "tawin")
    assert gain.value == pytest.approx(4) and gain.inner == pytest.approx((2, 6)) and gain.outer == (-1.0, -1.0)
    assert all(map(math.isnan, gains_of(compared(0.02, 0.01, 0.03, None))[1][0].outer))


def test_of_several_data_sets_each_is_a_group() -> None:
    one = compared(0.02, 0.01, 0.03, None)
    _, gains = gains_of({"by_data": {"x": one, "y": one}, "data_sets": ["x", "y"], "summary": {"metric": "ndcg@10"}})
    assert [gain.group for gain in gains] == ["x", "y"]


def test_the_main_metric() -> None:
    assert main_metric({"metrics": ["auc", "hr@10"]}) == "hr@10" and main_metric({"metrics": ["hr@3"]}) == "hr@3"
    assert main_metric({"metrics": ["auc", "hr@10"]}, "auc") == "auc"
    assert main_metric({"metrics": ["auc", "hr@10"]}, "ndcg@10") == "hr@10"


def test_verdicts_are_of_the_stages_that_name_one() -> None:
    assert {name for name, stage in STAGES.items() if stage.verdict} >= {"bench", "caption", "ctr", "eval", "train"}
    assert verdict("data", {}) == [] and verdict("score", {}) == []
    for name, stage in STAGES.items():
        if stage.verdict:
            assert verdict(name, {"arms": [], "metrics": ["auc"], "baseline": "sft", "split": "test"}) == []
