import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from recbench.errors import UserError
from recbench.metrics.clicks import (
    auc,
    best_auc,
    best_log_loss,
    calibration_bins,
    calibration_error,
    grouped_auc,
    log_loss,
    normalised_entropy,
    predicted_over_observed,
)

RNG = np.random.default_rng(0)
LABELS = (RNG.random(500) < 0.3).astype(int)
PROBABILITIES = np.round(np.clip(0.3 + 0.2 * LABELS + 0.2 * RNG.normal(size=500), 0, 1), 2)  # ties, and some 0 and 1


def test_auc_and_log_loss_are_scikit_learns():
    assert auc(LABELS, PROBABILITIES) == pytest.approx(sklearn_metrics.roc_auc_score(LABELS, PROBABILITIES), abs=1e-12)
    clipped = np.clip(PROBABILITIES, 1e-7, 1 - 1e-7)
    assert log_loss(LABELS, PROBABILITIES) == pytest.approx(sklearn_metrics.log_loss(LABELS, clipped), abs=1e-12)


def test_a_certain_mistake_costs_sixteen_nats():
    assert log_loss([0], [1.0]) == pytest.approx(-math.log(1e-7))
    assert log_loss([1], [1.0]) == pytest.approx(1e-7)


def test_grouped_auc_weighs_groups_by_rows():
    users = RNG.integers(0, 60, 500)
    total, rows, left_out = 0.0, 0, 0
    for user in np.unique(users):
        mine = users == user
        if LABELS[mine].min() == LABELS[mine].max():
            left_out += 1
            continue
        total += mine.sum() * sklearn_metrics.roc_auc_score(LABELS[mine], PROBABILITIES[mine])
        rows += mine.sum()
    found = grouped_auc(users, LABELS, PROBABILITIES)
    assert found.value == pytest.approx(total / rows, abs=1e-12)
    assert (found.left_out, found.groups) == (left_out, np.unique(users).size - left_out)
    assert left_out > 0


def test_normalised_entropy_of_constants():
    # The click rate itself scores 1; a certain right answer scores 0 up to clipping.
    assert normalised_entropy([0, 0, 0, 1], [0.25] * 4) == pytest.approx(1)
    assert normalised_entropy([0, 0, 0, 1], [0, 0, 0, 1]) == pytest.approx(0, abs=1e-6)
    # rate 1/2: entropy log 2; (log 2 + log 4) / 2 over log 2 = 1.5
    assert normalised_entropy([1, 0], [0.5, 0.75]) == pytest.approx(1.5)


def test_calibration_bins_hold_equal_numbers():
    found = calibration_bins([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7], bins=3)
    assert found.rows.tolist() == [2, 2, 2]
    assert found.predicted == pytest.approx([0.15, 0.4, 0.65])
    assert found.observed == pytest.approx([0, 0.5, 1])
    # (|.15 - 0| + |.4 - .5| + |.65 - 1|) / 3
    assert calibration_error([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7], bins=3) == pytest.approx(0.2)


@given(st.permutations(range(12)))
def test_ties_make_no_difference_to_calibration(order):
    labels, probabilities = np.tile([0, 0, 1], 4), np.repeat([0.2, 0.5, 0.5, 0.9], 3)
    found = calibration_bins(labels[order], probabilities[order], bins=4)
    assert found.rows.tolist() == [3, 6, 3]  # the six rows of .5 stay together
    assert found.observed == pytest.approx([1 / 3] * 3)


def test_true_probabilities_are_calibrated_and_others_not():
    rng = np.random.default_rng(6)
    truth = rng.beta(2, 5, 40_000)
    labels = (rng.random(truth.size) < truth).astype(int)
    assert calibration_error(labels, truth, bins=10) < 0.01
    assert predicted_over_observed(labels, truth) == pytest.approx(1, abs=0.02)
    assert calibration_error(labels, truth / 2, bins=10) == pytest.approx(truth.mean() / 2, rel=0.03)
    assert predicted_over_observed(labels, truth / 2) == pytest.approx(0.5, abs=0.02)


def loop_best_auc(probabilities):
    right = pairs = 0.0
    for (i, p), (j, q) in itertools.permutations(enumerate(probabilities), 2):
        assert i != j
        pairs += p * (1 - q)
        right += p * (1 - q) * ((p > q) + 0.5 * (p == q))
    return right / pairs


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=12))
def test_best_auc_sums_over_pairs(probabilities):
    if len({*probabilities} - {0.0}) == 0 or len({*probabilities} - {1.0}) == 0:
        with pytest.warns(UserWarning, match="best possible AUC"):
            assert math.isnan(best_auc(probabilities))
    else:
        assert best_auc(probabilities) == pytest.approx(loop_best_auc(probabilities), abs=1e-12)


def test_best_values_are_those_of_simulated_clicks():
    rng = np.random.default_rng(7)
    truth = rng.beta(1, 6, 3_000)
    clicks = rng.random((60, truth.size)) < truth
    areas = [auc(row, truth) for row in clicks]
    losses = [log_loss(row, truth) for row in clicks]
    assert best_auc(truth) == pytest.approx(np.mean(areas), abs=3 * np.std(areas) / 60**0.5)
    assert best_log_loss(truth) == pytest.approx(np.mean(losses), abs=3 * np.std(losses) / 60**0.5)


def test_undefined_is_nan_with_a_warning():
    with pytest.warns(UserWarning):
        assert math.isnan(auc([1, 1], [0.5, 0.6]))
    with pytest.warns(UserWarning, match="no group"):
        assert math.isnan(grouped_auc(["a", "b"], [0, 1], [0.5, 0.6]).value)
    with pytest.warns(UserWarning, match="normalised entropy"):
        assert math.isnan(normalised_entropy([0, 0], [0.5, 0.6]))
    with pytest.warns(UserWarning, match="no click"):
        assert math.isnan(predicted_over_observed([0, 0], [0.5, 0.6]))


def test_a_log_loss_of_logits_is_refused():
    with pytest.raises(UserError, match="-2.5 at index 1 is no probability"):
        log_loss([0, 1], [0.5, -2.5])
    with pytest.raises(UserError, match="bins=0"):
        calibration_bins([0, 1], [0.5, 0.5], bins=0)
