"""What a configuration aims at, and the settings that are refused."""

import pytest
import torch

from recbench.errors import UserError
from recbench.rl.aims import (
    check_objective,
    context_windows,
    objective_metric,
    objective_window,
    positives_rule,
)


@pytest.mark.parametrize(
    ("changes", "window", "metric"),
    [
        ({"name": "sft"}, None, "ndcg@10"),
        ({"kind": "random"}, (0.0, 1.0), "auc"),
        ({"kind": "beam"}, (0.0, 0.016), "wpauc(0,0.016)"),
        ({"kind": "beam", "beam_width": 50}, (0.0, 0.05), "wpauc(0,0.05)"),
        ({"kind": "mixed"}, (0.0, 0.016), "wpauc(0,0.016)"),
        ({"kind": "beam", "beam_width": 2000}, (0.0, 1.0), "auc"),
        ({"kind": "dns"}, (0.0, 0.1), "wpauc(0,0.1)"),  # 15 of 150
        ({"kind": "dns", "pool": 15}, (0.0, 1.0), "auc"),  # all of the pool: random negatives
        ({"kind": "dns", "pool": 3000}, (0.0, 0.015), "wpauc(0,0.015)"),  # the pool is the catalogue
        ({"name": "tawin", "kind": "window", "window": [0.01, 0.05]}, (0.01, 0.05), "wpauc(0.01,0.05)"),
        ({"name": "tawin", "kind": "random", "top_k": 10}, (0.004, 0.015), "hr@10"),
        ({"name": "grpo", "kind": "window", "top_k": 10}, (0.004, 0.015), "hr@10"),
        # a window that neither weighs nor chooses negatives is not what GRPO optimises
        ({"name": "grpo", "kind": "random", "top_k": 10, "positives": "window"}, (0.0, 1.0), "auc"),
    ],
)
def test_objective(settings, changes, window, metric):
    algo, negatives = settings(**changes)
    assert objective_window(algo, negatives, 1000) == (pytest.approx(window) if window else None)
    assert objective_metric(algo, negatives, 1000) == metric


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kind": "random"}, "injected"),
        ({"kind": "beam"}, "on_policy"),
        ({"kind": "mixed"}, "on_policy"),
        ({"kind": "window"}, "injected"),
        ({"kind": "dns"}, "injected"),
        ({"name": "tawin", "kind": "beam"}, "window"),
        ({"name": "tawin", "kind": "beam", "positives": "injected"}, "injected"),
    ],
)
def test_rule_for_positives(settings, changes, rule):
    assert positives_rule(*settings(**changes)) == rule


def test_top_k_window_stays_at_its_ranks_when_negatives_differ(settings):
    algo, _ = settings(top_k=10)
    lower, upper = context_windows(algo, torch.tensor([1000, 997, 12]))
    assert lower.tolist() == [4, 4, 4]
    assert upper.tolist() == [15, 15, 12]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "tawin", "kind": "window"}, "needs a window"),
        ({"name": "grpo", "kind": "window"}, "needs a window"),
        ({"name": "grpo", "kind": "random", "positives": "window"}, "needs a window"),
        ({"name": "tawin", "kind": "window", "window": [0.5, 0.1]}, r"\[0.5, 0.1\]"),
        ({"name": "tawin", "kind": "window", "window": [0.0, 2.0]}, r"\[0.0, 2.0\]"),
        ({"name": "tawin", "kind": "window", "window": [0.1]}, r"\[0.1\]"),
        ({"name": "tawin", "kind": "window", "window": [float("nan"), 0.5]}, "nan"),
        ({"name": "tawin", "kind": "window", "window": [0.0, 0.1], "top_k": 5}, "exclude each other"),
        ({"name": "tawin", "kind": "window", "top_k": 100}, "at most 99"),
        ({"name": "tawin", "kind": "window", "weights": "ndcg@100"}, "at most 99"),
        ({"name": "tawin", "kind": "window", "weights": "ndcg@10", "top_k": 5}, "top-k and --weights exclude"),
        ({"kind": "beam", "beam_width": 14}, "at least 15"),
        ({"kind": "mixed", "beam_width": 7}, "at least 8"),
        ({"kind": "dns", "pool": 14}, "at least 15"),
        ({"name": "tawin", "kind": "dns", "window": [0.0, 0.1]}, "use --neg=window"),
        ({"name": "tawin", "kind": "beam", "window": [0.5, 0.9]}, "does not reach"),
    ],
)
def test_contradictions_are_told_in_one_line(settings, changes, words):
    with pytest.raises(UserError, match=words) as caught:
        check_objective(*settings(**changes), 100)
    assert "\n" not in str(caught.value)


def test_catalogue_of_one_item(settings):
    with pytest.raises(UserError, match="no negatives"):
        check_objective(*settings(kind="random"), 1)


def test_narrow_window_gets_a_note(settings):
    # half of one of 100 negatives
    notes = check_objective(*settings(name="tawin", kind="window", window=[0.01, 0.015]), 101)
    assert len(notes) == 1
    assert "0.5 of one negative" in notes[0]


@pytest.mark.parametrize(
    "changes", [{"kind": "random"}, {"kind": "beam"}, {"name": "tawin", "kind": "window", "top_k": 3}]
)
def test_sensible_settings_pass_without_notes(settings, changes):
    assert check_objective(*settings(**changes), 101) == []


def test_weights_of_a_metric_aim_at_it(settings):
    algo, negatives = settings(name="tawin", kind="window", weights="mrr@20")
    assert objective_window(algo, negatives, 1000) == (0.0, 0.02)
    assert objective_metric(algo, negatives, 1000) == "mrr@20"
    lower, upper = context_windows(algo, torch.tensor([1000, 12]))
    assert (lower.tolist(), upper.tolist()) == ([0, 0], [20, 12])
    assert check_objective(algo, negatives, 101) == []
