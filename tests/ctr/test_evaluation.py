"""Metrics of arms and gains against numbers worked out elsewhere."""

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from recbench.ctr.evaluation import TestRows as Rows
from recbench.ctr.evaluation import arm_metrics, best_possible, gains, over_seeds, rows_of
from recbench.metrics.delong import relative_gain


@pytest.fixture
def rows() -> Rows:
    random = np.random.default_rng(0)
    truth = random.random(400)
    labels = (random.random(400) < truth).astype(np.int8)
    return Rows(labels, random.integers(20, size=400), np.arange(400) % 50, random.random(400) < 0.2, truth)


@pytest.fixture
def scores(rows) -> dict[str, np.ndarray]:
    """`with` is near the truth, the others far from it; three seeds."""
    random = np.random.default_rng(1)
    noise = {"without": 4.0, "with": 0.5, "shuffled": 4.0}
    logit = np.log(rows.probability / (1 - rows.probability))
    return {arm: 1 / (1 + np.exp(-logit - random.normal(0, spread, (3, 400)))) for arm, spread in noise.items()}


def test_metrics_of_an_arm(rows, scores):
    predicted = scores["with"][0]
    found = arm_metrics(rows, predicted, [(0.0, 0.1)], [2])
    assert found["auc"] == pytest.approx(roc_auc_score(rows.labels, predicted))
    assert found["auc_cold"] == pytest.approx(roc_auc_score(rows.labels[rows.cold], predicted[rows.cold]))
    assert found["auc_warm"] == pytest.approx(roc_auc_score(rows.labels[~rows.cold], predicted[~rows.cold]))
    assert found["log_loss"] == pytest.approx(sklearn_log_loss(rows.labels, predicted))
    # McClish's form of the area up to 0.1 is what scikit-learn calls its partial AUC.
    assert found["mcclish(0,0.1)"] == pytest.approx(roc_auc_score(rows.labels, predicted, max_fpr=0.1))
    users = [rows.users == user for user in range(20)]
    hits = [rows.labels[user][np.argsort(-predicted[user])[:2]].any() for user in users]
    assert found["hr@2"] == pytest.approx(np.mean(hits))
    grouped = [roc_auc_score(rows.labels[user], predicted[user]) for user in users]
    assert found["grouped_auc"] == pytest.approx(np.average(grouped, weights=[user.sum() for user in users]))


def test_over_seeds():
    found = over_seeds([{"auc": 0.5}, {"auc": 0.7}])
    assert found["auc"]["mean"] == pytest.approx(0.6)
    assert found["auc"]["std"] == pytest.approx(0.2 / 2**0.5)  # deviations of .1: sqrt(2 * .01 / 1)
    assert np.isnan(over_seeds([{"auc": 0.5}])["auc"]["std"])


def test_gains_average_aucs_over_seeds_and_say_how_sure_they_are(rows, scores):
    found = gains(rows, scores)
    assert set(found) == {"with over without", "shuffled over without", "with over shuffled"}
    one = found["with over without"]["all"]
    areas = {arm: [roc_auc_score(rows.labels, seed) for seed in values] for arm, values in scores.items()}
    a, b = np.mean(areas["with"]), np.mean(areas["without"])
    assert one["value"] == pytest.approx(100 * (a - b) / b)
    assert one["auc_difference"]["value"] == pytest.approx(a - b)
    per_seed = [100 * (x - y) / y for x, y in zip(areas["with"], areas["without"], strict=True)]
    assert [seed["value"] for seed in one["seeds"]] == pytest.approx(per_seed)
    first = relative_gain(rows.labels, scores["with"][0], scores["without"][0])
    assert one["seeds"][0] == pytest.approx(first._asdict())
    assert (one["seed_mean"], one["seed_std"]) == pytest.approx((np.mean(per_seed), np.std(per_seed, ddof=1)))
    # 4.3027 is the 97.5% point of Student's t with two degrees of freedom, from tables.
    half = 4.302653 * np.std(per_seed, ddof=1) / 3**0.5
    assert (one["seed_low"], one["seed_high"]) == pytest.approx((np.mean(per_seed) - half, np.mean(per_seed) + half))
    assert one["low"] > 0
    control = found["shuffled over without"]["all"]
    assert control["low"] < 0 < control["high"]


def test_users_and_items_are_draws_of_each_part(rows, scores):
    found = gains(rows, scores)["with over without"]
    for part, chosen in rows.parts().items():
        one = found[part]
        groups = [rows.users[chosen], rows.items[chosen]]
        groups.append(groups[0] * 1000 + groups[1])
        variances = []
        for group in groups:
            gain = relative_gain(rows.labels[chosen], *(scores[arm][:, chosen] for arm in ("with", "without")), group)
            variances.append(((gain.high - gain.value) / 1.959963985) ** 2)
        error = (variances[0] + variances[1] - variances[2]) ** 0.5
        counts = (len(set(groups[0])), len(set(groups[1])))
        half = student.ppf(0.975, min(counts) - 1) * error
        assert (one["both_low"], one["both_high"]) == pytest.approx((one["value"] - half, one["value"] + half))
        assert (one["users"], one["items"]) == counts
        assert one["both_p"] < 0.05


def test_cold_and_warm_gains_are_of_their_rows(rows, scores):
    found = gains(rows, scores)["with over without"]
    assert found["cold"]["rows"] == rows.cold.sum() and found["warm"]["rows"] == (~rows.cold).sum()
    a, b = (
        np.mean([roc_auc_score(rows.labels[rows.cold], seed[rows.cold]) for seed in scores[arm]])
        for arm in ("with", "without")
    )
    assert found["cold"]["value"] == pytest.approx(100 * (a - b) / b)


def test_a_part_of_one_class_has_no_gain(rows, scores):
    labels = np.where(rows.cold, 0, rows.labels)
    with pytest.warns(UserWarning, match="of one class"):
        found = gains(Rows(labels, rows.users, rows.items, rows.cold, None), scores)
    assert np.isnan(found["with over without"]["cold"]["value"])


def test_one_seed_and_arms_that_are_not_there(rows, scores):
    found = gains(rows, {"with": scores["with"][:1], "without": scores["without"][:1]})
    assert set(found) == {"with over without"}
    assert np.isnan(found["with over without"]["all"]["seed_std"])
    assert gains(rows, {"without": scores["without"]}) == {}


def test_the_share_of_the_distance_that_is_closed(rows, scores):
    found = best_possible(rows, {**scores, "with": np.stack([rows.probability] * 3)})
    # An arm that knows the truth closes all of it.
    assert found["all"]["closed_auc_with"] == pytest.approx(1)
    assert found["cold"]["closed_log_loss_with"] == pytest.approx(1)
    limit, start, reached = (
        np.mean([roc_auc_score(rows.labels, seed) for seed in values])
        for values in ([rows.probability], scores["without"], scores["shuffled"])
    )
    assert found["all"]["closed_auc_shuffled"] == pytest.approx((reached - start) / (limit - start))
    # Clicks of probability u, uniform: a clicked row has density 2u, another 2(1 - u); P(u > v) = 5/6. Of 400 draws the
    # mean over pairs is within a few hundredths of it.
    assert found["all"]["auc"] == pytest.approx(5 / 6, abs=0.03)
    assert best_possible(Rows(rows.labels, rows.users, rows.items, rows.cold, None), scores) is None


def test_counts_of_test_rows():
    users, items = np.array([0, 0, 2, 3, 3]), np.array([7, 5, 5, 7, 9])
    found = rows_of(Rows(np.array([1, 0, 0, 1, 1]), users, items, np.array([True, *[False] * 4]), None))
    # Users 0, 2 and 3; clicks at 0 and 3; user 0 alone has both classes.
    counts = {"rows": 5, "clicks": 3, "cold": 1, "items": 3}
    assert found == counts | {"users": 3, "users_with_clicks": 2, "users_with_both": 1}
