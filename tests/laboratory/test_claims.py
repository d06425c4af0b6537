"""Verdicts, claims and matrices on numbers made up for it."""

import numpy as np
import pytest

from recbench.laboratory.arms import Arm
from recbench.laboratory.claims import Lead, Results, anchor_curves, check_claims, verdict, window_matrices
from recbench.laboratory.measure import Measured
from recbench.schema import AlgoConfig, NegativesConfig


def arm(label, aim, kind="random", **algo):
    return Arm(label, [], AlgoConfig(**algo), NegativesConfig(kind=kind), aim, [])


ARMS = [
    arm("random", "auc"),
    arm("beam", "wpauc(0,0.2)", kind="beam"),
    arm("top1", "hr@1", kind="window", name="tawin", top_k=1),
    arm("top5", "hr@5", kind="window", name="tawin", top_k=5),
    arm("top9", "hr@9", kind="window", name="tawin", top_k=9),
    arm("more", "", name="sft"),
]
METRICS = ["auc", "wpauc(0,0.2)", "hr@1", "hr@5", "hr@9"]
# rows: sft, the arms, the best possible
MEANS = np.array(
    [
        [0.70, 0.30, 0.10, 0.30, 0.40],
        [0.75, 0.31, 0.10, 0.31, 0.41],
        [0.69, 0.33, 0.12, 0.33, 0.40],
        [0.60, 0.20, 0.15, 0.28, 0.35],
        [0.70, 0.30, 0.11, 0.34, 0.43],
        [0.71, 0.29, 0.13, 0.35, 0.39],
        [0.76, 0.30, 0.10, 0.30, 0.40],
        [0.90, 0.60, 0.30, 0.60, 0.70],
    ]
)


def results(error=0.0001, users=101):
    """Differences from sft of independent users with the standard error `error` each."""
    gaps = (MEANS - MEANS[0]).T  # [M, A]
    noise = np.eye(8) * error**2 * (users - 1)
    noise[0, 0] = 0.0
    moments = gaps[:, :, None] * gaps[:, None, :] + noise
    return Results(ARMS, METRICS, Measured(users, np.stack([MEANS, MEANS]), moments))


def test_verdicts():
    def lead(low, high, *over_seeds):
        return Lead("a", "b", (low + high) / 2, low, high, [], *over_seeds)

    assert verdict([lead(0.1, 0.2), lead(0.3, 0.4)]) == "yes"
    assert verdict([lead(0.1, 0.2), lead(-0.1, 0.4)]) == "undecided"
    assert verdict([lead(0.1, 0.2), lead(-0.1, 0.4), lead(-0.4, -0.1)]) == "no"

    # with several seeds both intervals decide
    assert verdict([lead(0.1, 0.2, 0.05, 0.25)]) == "yes"
    assert verdict([lead(0.1, 0.2, -0.05, 0.35)]) == "undecided"
    assert verdict([lead(-0.2, -0.1, -0.35, 0.05)]) == "undecided"
    assert verdict([lead(-0.2, -0.1, -0.25, -0.05)]) == "no"


def test_the_negatives_of_a_window_are_held_against_its_contexts_alone():
    arms = [*ARMS[2:5], arm("alone5", "hr@5", kind="window", name="weighted_sft", top_k=5)]
    means = np.vstack([MEANS[[0, 3, 4, 5]], [0.7, 0.3, 0.1, 0.33, 0.4], MEANS[-1]])
    found = Results(arms, METRICS, Measured(11, means[None], np.zeros((5, 6, 6)) + 1.0))
    (claim,) = [one for one in check_claims(found) if "without negatives" in one.claim]
    assert claim.claim.startswith("top5 has a higher hr@5") and [lead.over for lead in claim.leads] == ["alone5"]
    assert claim.leads[0].value == pytest.approx(0.01)


def test_beams_of_several_widths_have_a_matrix_and_take_no_part_in_the_claim_on_one():
    beams = [arm(f"beam{b}", f"wpauc(0,0.{b})", kind="beam", group_size=b) for b in (2, 4)]
    arms = [*beams, arm("beam2_linear", "wpauc(0,0.2)", kind="beam", group_size=2, surrogate="sigmoid")]
    means = np.array([[0.3, 0.3], [0.5, 0.4], [0.4, 0.5], [0.45, 0.3], [0.9, 0.9]])
    found = Results(arms, ["wpauc(0,0.2)", "wpauc(0,0.4)"], Measured(11, means[None], np.zeros((2, 5, 5))))
    (matrix,) = window_matrices(found)
    assert matrix.metrics == ["wpauc(0,0.2)", "wpauc(0,0.4)"] and matrix.best == [0, 1]
    claim = next(one for one in check_claims(found) if "on policy" in one.claim)
    assert [lead.over for lead in claim.leads] == ["beam2_linear"]


def test_an_interval_by_hand():
    lead = results(0.001).lead("top5", "beam", "hr@5")
    # two arms, each off sft by independent errors of 0.001: 1.96 x 0.001 x sqrt 2 on either side of 0.34 - 0.33
    assert lead.value == pytest.approx(0.01)
    assert (lead.high - lead.low) / 2 == pytest.approx(1.96 * 0.001 * 2**0.5, rel=1e-3)
    assert lead.seeds == pytest.approx([0.01, 0.01])
    # two equal seeds add nothing of their own; Student's quantile with one degree of freedom is 12.706
    assert (lead.high_over_seeds - lead.low_over_seeds) / 2 == pytest.approx(12.706 * 0.001 * 2**0.5, rel=1e-3)


def test_claims_and_who_decides_them():
    claims = check_claims(results())
    assert [claim.holds for claim in claims] == ["yes", "yes", "yes", "yes", "no", "yes"]
    assert [(lead.arm, lead.over) for lead in claims[0].leads][0] == (
        "random",
        "top9",
    )  # the closest; more SFT is no RL
    assert "more" not in [lead.over for lead in claims[0].leads]
    assert [lead.over for lead in claims[4].leads] == ["random", "beam"]  # top9 on HR@9: behind both
    assert [claim.holds for claim in check_claims(results(error=0.1))][:5] == ["undecided"] * 5


def test_a_matrix_whose_best_row_is_far_off_the_diagonal():
    (matrix,) = window_matrices(results())
    assert matrix.metrics == ["hr@1", "hr@5", "hr@9"]
    assert matrix.arms == ["top1", "top5", "top9", "random", "beam", "more"]
    assert matrix.gains[1] == pytest.approx([0.01, 0.04, 0.03])
    assert matrix.best == [0, 2, 1]
    MEANS[3, 4], kept = 0.5, MEANS[3, 4]  # top1 best on HR@9, two places off
    try:
        assert check_claims(results())[-1].holds == "no"
    finally:
        MEANS[3, 4] = kept


def test_anchors_of_one_temperature_make_a_curve_with_its_peaks():
    """Made-up means of hr@1 and hr@5 by anchor: hr@1 is best at anchor 1, hr@5 at 3; two anchors make no curve."""
    anchored = {1: (0.14, 0.30), 3: (0.13, 0.36), 9: (0.09, 0.33)}
    arms = [
        arm(f"a{k}", f"hr@{k}", kind="beam", name="tawin", anchor=k, anchor_temperature=2.0) for k in reversed(anchored)
    ]
    arms += [arm(f"b{k}", f"hr@{k}", kind="beam", name="tawin", anchor=k) for k in (1, 3)]
    means = np.array([[0.10, 0.30], *(anchored[k] for k in reversed(anchored)), *[[0.2, 0.2]] * 3])
    found = Results(arms, ["hr@1", "hr@5"], Measured(11, means[None], np.ones((2, 7, 7))))
    (curve,) = anchor_curves(found)
    assert (curve.temperature, curve.anchors, curve.metrics) == (2.0, [1, 3, 9], ["hr@1", "hr@5"])
    assert np.array(curve.gains) == pytest.approx(np.array([[0.04, 0.03, -0.01], [0.0, 0.06, 0.03]]))
    assert curve.best == [0, 1]
    claim = "the best anchor of HR@K (temperature 2) never falls as K grows"
    assert next(entry.holds for entry in check_claims(found) if entry.claim == claim) == "yes"
    assert window_matrices(found) == []  # anchors have no column among the windows
