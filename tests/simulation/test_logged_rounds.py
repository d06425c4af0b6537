import math

import numpy as np
import pytest

from recbench.simulation.logged import policy_estimates, softmax_policy


def test_temperature_1_shows_in_proportion_to_odds_and_0_the_best():
    predicted = np.array([[0.5, 0.2, 0.2], [0.1, 0.5, 0.5]])  # odds 1, 1/4, 1/4 and 1/9, 1, 1
    np.testing.assert_allclose(softmax_policy(predicted, 1.0), [[4 / 6, 1 / 6, 1 / 6], [1 / 19, 9 / 19, 9 / 19]])
    np.testing.assert_allclose(softmax_policy(predicted, 0.0), [[1, 0, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(softmax_policy(predicted, 1e-3)[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(softmax_policy(predicted, 1e9), 1 / 3)
    assert np.isfinite(softmax_policy(np.array([[0.0, 1.0]]), 0.5)).all()
    np.testing.assert_allclose(softmax_policy(predicted, 1e-320), [[1, 0, 0], [0, 0.5, 0.5]])


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_estimates_hold_the_value_that_the_truth_gives(temperature):
    """Rounds logged uniformly from a known truth; the policy's value is then a sum, no estimate."""
    rng = np.random.default_rng(5)
    rounds, actions = 6_000, 4
    truth = rng.uniform(0.05, 0.6, size=(rounds, actions))
    predicted = np.clip(truth + rng.normal(scale=0.1, size=truth.shape), 0.01, 0.99)
    policy = softmax_policy(predicted, temperature)
    value = (policy * truth).sum(axis=1).mean()
    logged = rng.integers(actions, size=rounds)
    rewards = (rng.random(rounds) < truth[np.arange(rounds), logged]).astype(float)
    found = policy_estimates(rewards, np.full(rounds, 1 / actions), logged, policy, predicted, samples=200, seed=0)
    for name in ("ips", "snips", "doubly_robust"):
        assert abs(found[name]["value"] - value) < 4 * found[name]["error"], name
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["doubly_robust"]["error"] < found["ips"]["error"]  # what the model knows need not be waited for
    assert rewards.mean() < value  # it is worth following


def test_a_uniform_policy_on_a_uniform_log_earns_what_was_logged():
    rng = np.random.default_rng(1)
    rewards = (rng.random(500) < 0.1).astype(float)
    found = policy_estimates(
        rewards,
        np.full(500, 0.2),
        rng.integers(5, size=500),
        np.full((500, 5), 0.2),
        np.full((500, 5), 0.1),
        samples=50,
        seed=0,
    )
    for name in ("ips", "snips", "doubly_robust"):
        assert math.isclose(found[name]["value"], rewards.mean(), rel_tol=1e-9)
    assert found["effective_rounds"] == pytest.approx(500)
