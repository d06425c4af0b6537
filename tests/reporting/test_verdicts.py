"""Sentences on top of reports say what the intervals below them say, and no more."""

import math

import pytest

from recbench.metrics.fpr_window import shortened
from recbench.reporting.verdicts import (
    bench_verdict,
    caption_verdict,
    click_verdict,
    comparison_verdict,
    evaluation_verdict,
    simulation_verdict,
    training_verdict,
    verdict,
)


def gain(value: float, low: float, high: float) -> dict[str, dict[str, float]]:
    return {"all": {"value": value, "both_low": low, "both_high": high}}


def clicks(captions, shuffled=None, content=None) -> list[str]:
    pairs = {"with over without": captions, "shuffled over without": shuffled, "with over shuffled": content}
    return click_verdict({"gains": {pair: found for pair, found in pairs.items() if found is not None}})


def test_captions_that_help_beside_their_control() -> None:
    assert clicks(gain(11.4, 9.7, 13.2), gain(2.8, 1.0, 4.6), gain(8.4, 6.0, 10.8)) == [
        "captions: AUC +11.40% [+9.70%, +13.20%], users and items as draws: they help",
        "shuffled between items, the control, the same captions bring +2.80% [+1.00%, +4.60%]; what they say adds "
        "+8.40% [+6.00%, +10.80%]",
    ]


def test_captions_whose_content_is_not_what_helps() -> None:
    lines = clicks(gain(3, 1, 5), gain(2.9, 1, 4.8), gain(0.1, -1, 1.2))
    assert lines[1].endswith("cannot tell whether what they say adds: +0.10% [-1.00%, +1.20%]")
    assert "what they say costs -1.00%" in clicks(gain(3, 1, 5), gain(4, 3, 5), gain(-1, -1.5, -0.5))[1]
    assert clicks(gain(-3, -5, -1))[0].endswith("they hurt")


def test_what_cannot_be_told_says_what_could_have_been() -> None:
    # ends 3.92 standard errors apart, of which 2.8 can be seen: here 3.92 / 3.92 * 2.8; 1% needs 2.8 ** 2 = 7.84 times
    assert clicks(gain(0.5, -1.46, 2.46)) == [
        "captions: AUC +0.50% [-1.46%, +2.46%], users and items as draws: cannot tell; gains from about 2.8% on would "
        "have been seen, and one of 1% needs some 8 times these users and items"
    ]
    assert clicks(gain(0.05, -0.1, 0.2))[0].endswith("on would have been seen")


@pytest.mark.parametrize("missing", [None, math.nan])
def test_nothing_is_said_of_what_is_not_known(missing) -> None:
    assert clicks({"all": {"value": 1.0, "both_low": missing, "both_high": 2.0}}) == []
    assert click_verdict({}) == [] and verdict("data", {}) == []
    assert evaluation_verdict({"kept": {"auc": {"value": missing, "low": missing, "high": missing}}, "cases": 1}) == []
    assert (
        training_verdict({"selected_by": "auc", "validation": {"initial": {"auc": missing}, "best": {"auc": 1}}}) == []
    )


def arm(name: str, difference: float, p: float, both: float | None = None) -> dict:
    held = {"difference": difference, "relative_percent": 100 * difference, "p_holm": p, "detectable": 0.02}
    return {"arm": name, "difference": {"values": {"ndcg@10": held | {"p_users_and_seeds_holm": both}}}}


def compared(*arms: dict) -> dict:
    base = {"arm": "sft", "values": {"ndcg@10": {"mean": 0.5}}}
    return {"metrics": ["auc", "ndcg@10"], "arms": [base, *arms], "baseline": "sft", "split": "test", "data": "toy"}


def test_arms_above_below_and_neither() -> None:
    lines = comparison_verdict(compared(arm("a", 0.03, 0.04), arm("b", 0.01, 0.05), arm("c", -0.1, 0.001)))
    assert lines == [
        "ndcg@10 against sft, test of toy: a (+3.0%) above it; c (-10.0%) below it; b cannot be told from it (a "
        "difference of 0.0200, 4%, would mostly have been found)"
    ]


def test_nothing_is_tested_of_arms_that_are_equal() -> None:
    equal = arm("a", 0.0, 1.0)
    equal["difference"]["values"]["ndcg@10"]["detectable"] = 0.0
    assert comparison_verdict(compared(equal)) == []


def test_what_remains_with_seeds_as_draws() -> None:
    both = compared(arm("a", 0.03, 0.01, 0.2), arm("b", 0.04, 0.01, 0.04))
    assert comparison_verdict(both)[1] == "with seeds as draws, too, and corrected by Holm, these remain: b"
    assert (
        comparison_verdict(compared(arm("a", 0.03, 0.01, 0.2)))[1]
        == "with seeds as draws, too, and corrected by Holm, none remains"
    )
    assert len(comparison_verdict(compared(arm("a", 0.03, 0.9, 0.9)))) == 1


def test_rl_is_set_beside_its_control() -> None:
    lines = comparison_verdict(compared(arm("more sft", 0.03, 0.01), arm("tawin", 0.04, 0.01), arm("grpo", 0.02, 0.01)))
    assert lines[-1] == (
        "more sft, the control of RL, gains +3.0%; in the mean above it: tawin (recbench compare "
        "--baseline 'more sft' tests that)"
    )
    lines = comparison_verdict(compared(arm("more_sft", 0.03, 0.01), arm("grpo", 0.02, 0.01)))
    assert "no other arm has a larger mean" in lines[-1]
    assert len(comparison_verdict(compared(arm("more sft", 0.03, 0.01)))) == 1


def test_a_bench_on_several_data_sets_has_a_line_each() -> None:
    one = compared(arm("a", 0.03, 0.01))
    found = bench_verdict({"by_data": {"x": one, "y": one}, "data_sets": ["x", "y"], "summary": {"metric": "ndcg@10"}})
    assert len(found) == 2 and bench_verdict(one) == found[:1]


def test_evaluations() -> None:
    kept = {"hr@10": {"value": 0.25, "low": 0.2, "high": 0.3}, "auc": {"value": 0.5, "low": 0.4, "high": 0.6}}
    assert evaluation_verdict({"kept": kept, "cases": 1200, "best": {"hr@10": {"value": 0.4}}}) == [
        "the held-out item is among the first 10 in 25.0% [20.0%, 30.0%] of 1,200 cases; best possible 40.0%",
        "AUC 0.5000 [0.4000, 0.6000]: no better than chance",
    ]
    kept["auc"] = {"value": 0.3, "low": 0.2, "high": 0.4}
    assert evaluation_verdict({"kept": kept, "cases": 2})[1].endswith("worse than chance")
    kept["auc"] = {"value": 0.7, "low": 0.6, "high": 0.8}
    assert len(evaluation_verdict({"kept": kept, "cases": 2})) == 1


def test_trainings() -> None:
    found = {"selected_by": "hr@10", "best_step": 50, "steps": 100}
    found |= {"validation": {"initial": {"hr@10": 0.1}, "best": {"hr@10": 0.2}}}
    assert training_verdict(found) == ["hr@10 on validation rose from 0.1000 to 0.2000, at step 50 of 100"]
    assert training_verdict(found | {"steps": 50})[0].endswith("its last, so more steps may reach more")
    assert training_verdict(found | {"best_step": 0}) == []  # told by the stage
    assert shortened("wpauc(0.010001,0.05)") == "wpauc(0.01,0.05)"


def test_captions_that_name_what_the_most_frequent_value_would() -> None:
    named = {"colour": {"accuracy": 0.9, "majority": 0.1}, "object": {"accuracy": 0.02, "majority": 0.02}}
    lines = caption_verdict({"quality": {"unseen": {"attributes": named}}})
    assert lines[0].startswith("captions of items that it did not learn from are right about colour 90% (10%)")
    assert lines[1].endswith("no better than always saying the most frequent object")
    assert caption_verdict({"quality": {"all": {"attributes": {}}}}) == []


@pytest.mark.parametrize(("low", "high", "told"), [(0.01, 0.03, "b is better"), (-0.01, 0.05, "cannot tell")])
def test_simulations(low, high, told) -> None:
    lift = {"value": 0.02, "low": low, "high": high}
    assert simulation_verdict({"lift": lift})[0].endswith(told)
    assert simulation_verdict({"lift": {"value": -0.02, "low": -0.03, "high": -0.01}})[0].endswith("a is better")
