import math

import numpy as np
import pytest
from scipy.stats import norm

from recbench.errors import UserError
from recbench.metrics.lift import click_rate, ctr_lift, sample_size


def test_a_rate_by_hand():
    # Users a: 1 click of 2, b: 3 of 4, c: 2 of 6. Rate 6/12 = .5; residuals 0, 1, -1.
    # Variance 3/2 * (0 + 1 + 1) / 144 = 1/48; independent impressions: .25 / 12 = 1/48.
    found = click_rate(["a", "a", "b", "b", "c"], [1, 0, 2, 1, 2], [1, 1, 2, 2, 6])
    assert (found.value, found.users, found.impressions) == (0.5, 3, 12)
    assert found.error == pytest.approx(math.sqrt(1 / 48))
    assert found.design_effect == pytest.approx(1)


def test_a_lift_by_hand():
    # Control: rate .5, residuals -1, 1: error sqrt(2 * 2 / 400) = .1. Treatment: .75, residuals .5, -.5: error .05.
    # Lift .5, its error sqrt(.05^2 + 1.5^2 * .1^2) / .5 = sqrt(.1).
    found = ctr_lift([1, 2, 3, 4], [False, False, True, True], [4, 6, 8, 7], [10, 10, 10, 10])
    assert found.value == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5 + norm.ppf(0.975) * math.sqrt(0.1))
    assert found.low == pytest.approx(0.5 - norm.ppf(0.975) * math.sqrt(0.1))
    assert found.p == pytest.approx(2 * norm.sf(0.5 / math.sqrt(0.1)))


def simulate(rng, users=400, lift=0.0):
    """Rows of one impression; users differ in how much they see and how readily they click."""
    seen = 1 + rng.poisson(6, users)
    treated = np.arange(users) % 2 == 0
    rate = rng.beta(2, 6, users) * np.where(treated, 1 + lift, 1)
    user = np.repeat(np.arange(users), seen)
    return user, treated[user], (rng.random(user.size) < rate[user]).astype(int)


def test_the_interval_is_the_bootstraps():
    rng = np.random.default_rng(0)
    user, treated, clicks = simulate(rng, lift=0.2)
    found = ctr_lift(user, treated, clicks)
    sides = {}
    for arm in (False, True):
        mine = np.unique(user[treated == arm])
        counts = np.bincount(user, clicks, 400)[mine], np.bincount(user, minlength=400)[mine]
        drawn = rng.integers(mine.size, size=(4000, mine.size))
        sides[arm] = counts[0][drawn].sum(1) / counts[1][drawn].sum(1)
    low, high = np.quantile(sides[True] / sides[False] - 1, [0.025, 0.975])
    width = high - low
    assert found.low == pytest.approx(low, abs=0.06 * width)
    assert found.high == pytest.approx(high, abs=0.06 * width)
    assert found.control.design_effect > 1.3  # a user's clicks depend on each other


def test_without_a_lift_one_test_in_twenty_finds_one():
    rng = np.random.default_rng(1)
    found = [ctr_lift(*simulate(rng)) for _ in range(600)]
    share = np.mean([one.p < 0.05 for one in found])
    assert 0.025 <= share <= 0.075  # .05 +- 2.8 standard errors of 600 draws
    assert all((one.p < 0.05) == (one.low > 0 or one.high < 0) for one in found)


def test_the_size_finds_the_lift_as_often_as_promised():
    rng = np.random.default_rng(2)
    size = sample_size(0.2, 0.3, power=0.8)
    clicks = rng.binomial(size, [0.2, 0.26], size=(4000, 2)) / size
    error = np.sqrt((clicks * (1 - clicks)).sum(1) / size)
    assert np.mean(np.abs(clicks[:, 1] - clicks[:, 0]) > 1.959964 * error) == pytest.approx(0.8, abs=0.02)


def test_sizes_by_hand():
    # (1.959964 + .841621)^2 = 7.848880; variances .09 + .0979; difference .01: 14748.05, so 14749.
    assert sample_size(0.1, 0.1) == 14749
    assert sample_size(0.1, 0.1, design_effect=2) == 29497  # 29496.09
    # The paper's +.02%: variances .05 * .95 + .05001 * .94999, difference 1e-5.
    assert sample_size(0.05, 0.0002) == pytest.approx(7.84888 * (0.0475 + 0.0475090) / 1e-10, rel=1e-5)
    assert sample_size(0.1, -0.1) < sample_size(0.1, 0.1)  # a loss ends nearer to 0, where clicks vary less


def test_a_lift_of_a_thousand_millionth_keeps_its_digits():
    shown = [10**15] * 4
    found = ctr_lift([1, 2, 3, 4], [0, 0, 1, 1], [10**14] * 2 + [10**14 + 10**5] * 2, shown)
    assert found.value == pytest.approx(1e-9, rel=1e-6)  # as far as the two rates have digits; error 0, p undefined


def test_the_undefined_is_nan_with_a_warning():
    with pytest.warns(UserWarning, match="no clicks"):
        assert math.isnan(ctr_lift([1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1]).value)
    with pytest.warns(UserWarning, match="no impressions"):
        assert math.isnan(ctr_lift([1, 2], [0, 0], [1, 1]).value)
    with pytest.warns(UserWarning, match="fewer than two users"):
        lift = ctr_lift([1, 2, 2], [0, 1, 1], [1, 1, 0])
    assert lift.value == -0.5 and math.isnan(lift.low) and math.isnan(lift.p)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ctr_lift([1, 1, 2], [0, 1, 1], [1, 0, 0]), "user 1 is in both arms"),
        (lambda: click_rate([1, 2], [1, -1]), "row 1 has -1 clicks; give counts"),
        (lambda: click_rate([1, 2], [1, 1], [math.inf, 2]), "row 0 has inf impressions; give counts"),
        (lambda: click_rate([1, 2], [1]), "give equal"),
        (lambda: sample_size(0.9, 0.2), "rates 0.9 and 1.08"),
        (lambda: sample_size(0.1, 0), "lift 0"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(UserError, match=says):
        call()
