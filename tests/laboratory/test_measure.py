"""Metrics by expectation against brute force, and paired differences against plain ones."""

import numpy as np
import pytest
import torch

from recbench.laboratory.market import make_market
from recbench.laboratory.measure import NORMAL_975, half_width_over_seeds, measure, metric_table, truth_by_rank
from recbench.laboratory.policy import LowRankPolicy
from recbench.metrics.summary import metric_of_ranks

pytestmark = pytest.mark.slow

NAMES = ["auc", "wpauc(0,0.2)", "wpauc(0.1,0.35)", "hr@3", "ndcg@5"]
ITEMS, USERS = 12, 60


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def setting():
    markets = [make_market(ITEMS, 3, 2.0, 1.0, generator(seed)) for seed in (0, 1)]
    policies = [[LowRankPolicy(3, ITEMS, 2, generator(10 * seed + arm)) for arm in range(2)] for seed in (1, 2)]
    return markets, policies


def by_hand(market, scores_of, users):
    """Every user's metrics: the sum over all possible next items of its probability times the metric, [U, M]."""
    values = np.zeros((len(users), len(NAMES)))
    truth = market.log_probabilities(users).exp()
    for row, scores in enumerate(scores_of(users).tolist()):
        for item in range(ITEMS):
            above = sum(other > scores[item] for other in scores)
            for column, name in enumerate(NAMES):
                values[row, column] += truth[row, item].item() * metric_of_ranks(name, [above], [0], [ITEMS - 1])[0]
    return values


def test_expectations_and_differences_against_brute_force(setting):
    markets, policies = setting
    measured = measure(markets, policies, USERS, NAMES, generator(7), block=16)
    drawn = generator(7)
    users = torch.cat([markets[0].draw_users(min(16, USERS - start), drawn) for start in range(0, USERS, 16)])
    ways = [[*(policy.logits for policy in row), market.log_probabilities] for market, row in zip(markets, policies)]
    with torch.no_grad():
        values = np.array(
            [[by_hand(market, way, users) for way in row] for market, row in zip(markets, ways)]
        )  # [S, A, U, M]
    assert measured.means == pytest.approx(values.mean(axis=2), abs=1e-6)
    gaps = (values[:, 2] - values[:, 1]).mean(axis=0)  # [U, M]
    for column in range(len(NAMES)):
        found = measured.difference(2, 1, column)
        error = gaps[:, column].std(ddof=1) / USERS**0.5
        expected = [gaps[:, column].mean() + sign * NORMAL_975 * error for sign in (0, -1, 1)]
        assert list(found[:3]) == pytest.approx(expected, abs=1e-6)


def test_nobody_beats_the_truth(setting):
    measured = measure(*setting, USERS, NAMES, generator(7))
    assert (measured.means[:, :2] < measured.means[:, 2:]).all()


def test_hit_rate_is_the_mass_of_the_best():
    truth = torch.tensor([[0.1, 0.4, 0.3, 0.2]])
    ordered = truth_by_rank(truth, torch.tensor([[3.0, 1.0, 4.0, 2.0]]))
    assert ordered.tolist() == [pytest.approx([0.3, 0.1, 0.2, 0.4])]
    table = metric_table(["hr@2", "auc"], 4)
    # HR@2 = .3 + .1; AUC = .3 + .1 x 2/3 + .2 x 1/3
    assert (ordered @ table)[0].tolist() == pytest.approx([0.4, 0.3 + 0.2 / 3 + 0.2 / 3])


def test_an_interval_over_users_and_seeds_by_hand():
    """Mean squares by hand: 1e-4 / 3 of the seeds and 1.6e-5 of the users; Student's quantile of 2 is 4.302653."""
    half = half_width_over_seeds(np.array([0.01, 0.03, 0.02]), 0.004)
    assert half == pytest.approx(4.302653 * (1e-4 / 3 + 1.6e-5) ** 0.5, rel=1e-6)
    assert np.isnan(half_width_over_seeds(np.array([0.01]), 0.004))


@pytest.mark.parametrize(("seeds_spread", "users_spread"), [(1.0, 0.0), (0.3, 2.0), (0.0, 2.0)])
def test_the_interval_covers_what_both_draws_do(seeds_spread, users_spread):
    """Simulated differences of 4 seeds x 40 users with mean zero: at least 95% of the intervals hold it."""
    random = np.random.default_rng(0)
    covered = []
    for _ in range(1500):
        seeds, users = random.normal(0, seeds_spread, (4, 1)), random.normal(0, users_spread, (1, 40))
        table = seeds + users + random.normal(size=(4, 40))
        error = table.mean(axis=0).std(ddof=1) / 40**0.5
        covered.append(abs(table.mean()) < half_width_over_seeds(table.mean(axis=1), error))
    assert np.mean(covered) > 0.94
