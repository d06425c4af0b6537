import math

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.metrics.off_policy import doubly_robust, effective_rounds, ips, snips


def test_by_hand():
    # Weights .8/.4 = 2, .3/.6 = .5, .25/.5 = .5; weighted rewards 2, 0, .5.
    rounds = [1, 0, 1], [0.4, 0.6, 0.5], [0.8, 0.3, 0.25]
    assert ips(*rounds).value == pytest.approx(2.5 / 3)
    assert snips(*rounds).value == pytest.approx(2.5 / 3)  # the weights happen to sum to 3
    assert effective_rounds(*rounds[1:]) == pytest.approx(9 / 4.5)
    # Two actions. Modelled values: .8*.5+.2*0=.4, .7*.2+.3*.6=.32, .25*1+.75*.4=.55;
    # residuals of the logged actions 0, 1, 0: 2*(1-.5)=1, .5*(0-.6)=-.3, .5*(1-1)=0. Sum 1.27 + .7.
    policy = [[0.8, 0.2], [0.7, 0.3], [0.25, 0.75]]
    estimates = [[0.5, 0.0], [0.2, 0.6], [1.0, 0.4]]
    found = doubly_robust([1, 0, 1], [0.4, 0.6, 0.5], [0, 1, 0], policy, estimates)
    assert found.value == pytest.approx((0.4 + 0.32 + 0.55 + 0.7) / 3)


def test_snips_ignores_the_scale_of_the_weights():
    rewards, propensities, target = [1, 0, 1, 0], np.array([0.2, 0.4, 0.4, 0.1]), np.array([0.1, 0.2, 0.3, 0.1])
    once, twice = (snips(rewards, propensities, target * scale).value for scale in (1, 2))
    assert once == pytest.approx(twice)
    assert ips(rewards, propensities, target * 2).value == pytest.approx(2 * ips(rewards, propensities, target).value)


class Bandit:
    """Three contexts, four actions, known reward probabilities, a logging and a target policy."""

    rates = np.array([[0.1, 0.5, 0.2, 0.3], [0.6, 0.1, 0.1, 0.2], [0.2, 0.2, 0.7, 0.1]])
    logging = np.array([[0.4, 0.2, 0.2, 0.2], [0.1, 0.3, 0.3, 0.3], [0.25, 0.25, 0.25, 0.25]])
    target = np.array([[0.1, 0.6, 0.1, 0.2], [0.7, 0.1, 0.1, 0.1], [0.0, 0.1, 0.9, 0.0]])
    wrong_model = np.full((3, 4), 0.4)
    value = float((rates * target).sum(1).mean())

    def rounds(self, rng, count):
        context = rng.integers(3, size=count)
        action = (rng.random((count, 1)) > self.logging[context].cumsum(1)).sum(1)
        reward = (rng.random(count) < self.rates[context, action]).astype(float)
        return context, action, reward, self.logging[context, action]


def test_estimates_are_right_on_average():
    bandit, rng, found = Bandit(), np.random.default_rng(0), []
    for _ in range(300):
        context, action, reward, logged = bandit.rounds(rng, 300)
        target = bandit.target[context, action]
        policy = bandit.target[context]
        found.append(
            [
                ips(reward, logged, target, samples=0).value,
                snips(reward, logged, target, samples=0).value,
                doubly_robust(reward, logged, action, policy, bandit.wrong_model[context], samples=0).value,
                doubly_robust(reward, logged, action, policy, bandit.rates[context], samples=0).value,
                reward.mean(),
            ]
        )
    mean, deviation = np.mean(found, axis=0), np.std(found, axis=0)
    assert mean[:4] == pytest.approx(bandit.value, abs=3.5 * deviation[0] / 300**0.5)
    assert abs(mean[4] - bandit.value) > 0.1  # the logging policy earns something else
    assert deviation[3] < deviation[2] < deviation[0]  # a better model, less variance


def test_intervals_cover_the_truth():
    bandit, rng = Bandit(), np.random.default_rng(1)
    covered, errors, values = np.zeros(3), [], []
    for _ in range(150):
        context, action, reward, logged = bandit.rounds(rng, 250)
        target = bandit.target[context, action]
        all_three = (
            ips(reward, logged, target, samples=300),
            snips(reward, logged, target, samples=300),
            doubly_robust(reward, logged, action, bandit.target[context], bandit.wrong_model[context], samples=300),
        )
        covered += [one.low <= bandit.value <= one.high for one in all_three]
        errors.append([one.error for one in all_three])
        values.append([one.value for one in all_three])
    assert np.all(covered / 150 > 0.89) and np.all(covered / 150 < 0.995)
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(values, axis=0), rtol=0.17)


def test_groups_of_rounds_are_resampled_together():
    rng = np.random.default_rng(2)
    context, action, reward, logged = Bandit().rounds(rng, 200)
    target = Bandit.target[context, action]
    once = ips(reward, logged, target, seed=3)
    copies = [np.repeat(values, 4) for values in (reward, logged, target)]
    assert ips(*copies, groups=np.repeat(np.arange(200), 4), seed=3).error == pytest.approx(once.error)
    assert ips(*copies, seed=3).error == pytest.approx(once.error / 2, rel=0.1)


def test_a_policy_that_shares_no_action_has_no_snips():
    with pytest.warns(UserWarning, match="none of the logged actions"):
        assert math.isnan(snips([1, 0], [0.5, 0.5], [0, 0]).value)
    assert ips([1, 0], [0.5, 0.5], [0, 0]).value == 0
    assert effective_rounds([0.5, 0.5], [0, 0]) == 0
    assert effective_rounds([1e-200] * 3, [1, 1, 0]) == 2  # whose squares overflow
    assert snips([1, 0, 0], [1, 1, 1], [5e-324, 5e-324, 0], samples=0).value == 0.5  # whose means are 0


def test_unknown_estimates_of_impossible_actions_are_fine():
    found = doubly_robust([1, 0], [0.5, 0.5], [0, 1], [[1, 0], [1, 0]], [[0.5, math.nan], [0.25, math.nan]])
    assert found.value == pytest.approx((0.5 + 2 * 0.5 + 0.25) / 2)
    with pytest.raises(UserError, match="round 1 has no finite estimated reward"):
        doubly_robust([1, 0], [0.5, 0.5], [0, 1], [[1, 0], [0.5, 0.5]], [[0.5, math.nan], [0.25, math.nan]])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ips([1], [0.0], [0.5]), "propensity 0.0 of round 0"),
        (lambda: ips([1], [5e-324], [0.5]), "propensity 5e-324 of round 0 is too small to divide by"),
        (lambda: ips([1], [0.5], [1.5]), "target probability 1.5"),
        (lambda: ips([math.nan], [0.5], [0.5]), "reward nan"),
        (lambda: ips([1, 0], [0.5], [0.5]), "do not fit"),
        (lambda: doubly_robust([1], [0.5], [2], [[0.5, 0.5]], [[0, 0]]), "outside 0..1"),
        (lambda: doubly_robust([1], [0.5], [1], [[0.5, 0.6]], [[0, 0]]), "do not sum to 1"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(UserError, match=says):
        call()
