"""Named metrics with intervals, from counts and from scores."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from recbench.errors import UserError
from recbench.metrics.summary import (
    metric_names,
    metric_of_ranks,
    summarise_ids,
    summarise_ranks,
    summarise_scores,
)
from recbench.metrics.windows import window_auc

TOLERANCE = 1e-9


def test_values_by_hand() -> None:
    # Positives at ranks 1 and 6 of 10 negatives; window (0, 0.2) covers two negatives: areas 1 and 0.
    summary = summarise_ranks([0, 5], [0, 0], [10, 10], [(0, 0.2)], [1, 10], samples=0)
    assert list(summary) == [
        "auc", "wpauc(0,0.2)", "mcclish(0,0.2)", "pauc(0,0.2)", "hr@1", "ndcg@1", "mrr@1", "hr@10", "ndcg@10", "mrr@10"
    ]  # fmt: skip
    values = {name: entry["value"] for name, entry in summary.items()}
    assert values["auc"] == pytest.approx((1 + 0.5) / 2, abs=TOLERANCE)
    assert values["wpauc(0,0.2)"] == pytest.approx(0.5, abs=TOLERANCE)
    assert values["pauc(0,0.2)"] == pytest.approx(0.1, abs=TOLERANCE)
    # Chance area 0.02, largest 0.2: 1/2 (1 + 0.08 / 0.18).
    assert values["mcclish(0,0.2)"] == pytest.approx(0.5 * (1 + 0.08 / 0.18), abs=TOLERANCE)
    assert values["hr@1"] == values["ndcg@1"] == values["mrr@1"] == 0.5
    assert values["hr@10"] == 1
    assert values["ndcg@10"] == pytest.approx((1 + 1 / np.log2(7)) / 2, abs=TOLERANCE)
    assert values["mrr@10"] == pytest.approx((1 + 1 / 6) / 2, abs=TOLERANCE)
    assert all(np.isnan(entry["low"]) and np.isnan(entry["high"]) for entry in summary.values())


def test_each_name_computes_the_same_per_case() -> None:
    rng = np.random.default_rng(0)
    negatives = rng.integers(200, 300, 60)
    above, ties = rng.integers(0, 150, 60), rng.integers(0, 5, 60)
    windows, ks = [(0, 0.1), (0.0123456789, 0.5)], [1, 7]
    summary = summarise_ranks(above, ties, negatives, windows, ks, samples=50)
    assert list(summary) == metric_names(windows, ks)
    assert "wpauc(0.0123456789,0.5)" in summary  # %g would merge it with its neighbours
    for name, entry in summary.items():
        values = metric_of_ranks(name, above, ties, negatives)
        assert values.shape == (60,)
        assert entry["value"] == pytest.approx(values.mean(), abs=TOLERANCE)
        assert entry["low"] <= entry["value"] <= entry["high"]


def test_with_one_positive_recall_is_the_hit_rate() -> None:
    counts = ([0, 3, 9, 10, 8], [0, 0, 0, 0, 3], [20] * 5)
    assert metric_of_ranks("recall@10", *counts).tolist() == metric_of_ranks("hr@10", *counts).tolist()
    assert metric_of_ranks("recall@10", *counts).tolist() == [1, 1, 1, 0, 0.5]


def published_figures(lists: list[list[str]], targets: list[str], k: int) -> tuple[float, float]:
    """Hit rate and NDCG as MiniOneRec's script counts them: where the list of IDs has the target's."""
    hits, gains = 0.0, 0.0
    for predicted, target in zip(lists, targets, strict=True):
        place = next((place for place, one in enumerate(predicted) if one == target), 20_000)
        if place < k:
            hits += 1
            gains += 1 / np.log2(place + 2)
    return hits / len(targets), gains / len(targets)


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_ids_are_counted_as_published_and_never_below_items(k: int) -> None:
    """Random scores of 12 IDs, which 30 items share."""
    rng = np.random.default_rng(k)
    id_of_item = np.concatenate([np.arange(12), rng.integers(12, size=18)])
    scores = rng.normal(size=(80, 12))
    positive = rng.integers(30, size=80)
    own = id_of_item[positive]
    better = scores > scores[np.arange(80), own][:, None]  # IDs
    above, ties = better.sum(1), np.zeros(80, int)
    lists = [[f"<a_{one}>" for one in row] for row in np.argsort(-scores, axis=1)]
    hits, gains = published_figures(lists, [f"<a_{one}>" for one in own], k)
    found = summarise_ids(above, ties, [k], groups=np.arange(80) // 2, samples=20)
    assert list(found) == [f"hr_by_id@{k}", f"ndcg_by_id@{k}"]
    assert found[f"hr_by_id@{k}"]["value"] == pytest.approx(hits, abs=TOLERANCE)
    assert found[f"ndcg_by_id@{k}"]["value"] == pytest.approx(gains, abs=TOLERANCE)
    assert found[f"hr_by_id@{k}"]["low"] <= hits <= found[f"hr_by_id@{k}"]["high"]
    assert metric_of_ranks(f"hr_by_id@{k}", above, ties, np.full(80, 11)).mean() == pytest.approx(hits)
    # (31): items above are the IDs above and what else these have; items of one ID share a place each in turn.
    items_above = better[:, id_of_item].sum(1)
    others = np.bincount(id_of_item)[own] - 1
    extra = (better * (np.bincount(id_of_item) - 1)).sum(1)
    assert np.array_equal(above, items_above - extra)
    counts = (items_above, others, np.full(80, 29))
    assert (metric_of_ranks(f"hr@{k}", *counts) <= metric_of_ranks(f"hr_by_id@{k}", above, ties, counts[2])).all()
    assert (metric_of_ranks(f"ndcg@{k}", *counts) <= metric_of_ranks(f"ndcg_by_id@{k}", above, ties, counts[2])).all()


@pytest.mark.parametrize(
    "name", ["acc", "hr", "hr@", "hr@x", "wpauc(0.1)", "wpauc(0.5,0.1)", "wpauc(a,b)", "auc(0,1)", "hr@0"]
)
def test_unknown_metrics_are_refused_by_name(name: str) -> None:
    with pytest.raises(UserError, match="metric|cut-off"):
        metric_of_ranks(name, [0], [0], [1])


def test_users_are_the_unit_of_the_interval() -> None:
    rng = np.random.default_rng(0)
    above = rng.integers(0, 50, 40)
    once = summarise_ranks(above, 0 * above, 0 * above + 50, [], [10], samples=100)
    four = np.repeat(above, 4)
    repeated = summarise_ranks(four, 0 * four, 0 * four + 50, [], [10], groups=np.repeat(np.arange(40), 4), samples=100)
    for name in once:
        assert repeated[name] == pytest.approx(once[name])


def test_cases_without_negatives_are_left_out_of_every_metric() -> None:
    with pytest.warns(UserWarning, match="1 of 3 cases have no negatives"):
        summary = summarise_ranks([0, 0, 4], [0, 0, 0], [0, 4, 4], [], [1], samples=0)
    assert summary["auc"]["value"] == 0.5
    assert summary["hr@1"]["value"] == 0.5


def test_nothing_defined_is_nan() -> None:
    with pytest.warns(UserWarning, match="2 of 2 cases"):
        summary = summarise_ranks([0, 0], [0, 0], [0, 0], [(0, 0.5)], [1], samples=10)
    assert all(np.isnan(value) for entry in summary.values() for value in entry.values())


def test_a_narrow_window_is_noted_with_its_fraction() -> None:
    with pytest.warns(
        UserWarning, match=r"window 0,0.001 is narrower than one negative in 2 of 3 rankings.*0.2 of one"
    ):
        summary = summarise_ranks([0, 0, 0], [1, 0, 0], [200, 500, 1000], [(0, 0.001)], [], samples=0)
    # The tied one of 200: TPR(u) = 200 u, whose mean over (0, 0.001) is 0.1.
    assert summary["wpauc(0,0.001)"]["value"] == pytest.approx((0.1 + 1 + 1) / 3, abs=TOLERANCE)


def test_a_window_of_one_negative_is_not_narrow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in range(1, 49):
            summarise_ranks([0], [0], [49], [((k - 1) / 49, k / 49)], [], samples=0)


def test_a_cutoff_that_no_score_can_miss_is_noted() -> None:
    with pytest.warns(UserWarning, match="hr@10 is 1 whatever the scores in 1 of 2 rankings"):
        summarise_ranks([0, 0], [0, 0], [9, 10], [], [10], samples=0)


def labelled(seed: int, users: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users with both classes, several positives, ties."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 12)
    label = np.tile([1, 0, 0, 0, 0, 0], users * 2)
    label[rng.random(label.size) < 0.2] = 1
    label[5::12] = 0
    order = rng.permutation(label.size)
    return label[order], np.round(rng.normal(size=label.size) + label, 1)[order], user[order]


def test_scores_with_users_average_each_users_own_curve() -> None:
    label, score, user = labelled(0)
    summary = summarise_scores(label, score, [(0.1, 0.5)], [3], groups=user, samples=50)
    own = [(label[user == one], score[user == one]) for one in range(30)]
    assert summary["auc"]["value"] == pytest.approx(np.mean([roc_auc_score(*rows) for rows in own]), abs=TOLERANCE)
    areas = [window_auc(*rows, (0.1, 0.5)) for rows in own]
    for name, of_area in (("pauc", 0), ("wpauc", 1), ("mcclish", 2)):
        value = summary[f"{name}(0.1,0.5)"]["value"]
        assert value == pytest.approx(np.mean([area[of_area] for area in areas]), abs=TOLERANCE)
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in summary.values())


def test_scores_with_one_positive_a_user_equal_the_counts() -> None:
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 9, (25, 30))
    labels = np.zeros((25, 30), dtype=int)
    labels[:, 4] = 1
    above, ties = (scores > scores[:, 4:5]).sum(1), (scores == scores[:, 4:5]).sum(1) - 1
    user = np.repeat(np.arange(25), 30)
    by_scores = summarise_scores(labels.ravel(), scores.ravel(), [(0.1, 0.3)], [1, 5], groups=user, samples=50)
    by_counts = summarise_ranks(above, ties, np.full(25, 29), [(0.1, 0.3)], [1, 5], samples=50)
    assert list(by_scores) == [
        "auc", "wpauc(0.1,0.3)", "mcclish(0.1,0.3)", "pauc(0.1,0.3)",
        "hr@1", "recall@1", "ndcg@1", "mrr@1", "hr@5", "recall@5", "ndcg@5", "mrr@5",
    ]  # fmt: skip
    for k in (1, 5):  # one positive is found or not
        assert by_scores.pop(f"recall@{k}") == pytest.approx(by_scores[f"hr@{k}"], abs=TOLERANCE)
    assert list(by_scores) == list(by_counts)
    for name in by_counts:
        assert by_scores[name] == pytest.approx(by_counts[name], abs=TOLERANCE)


def test_users_with_one_class_are_counted_and_left_out() -> None:
    label, score, user = labelled(1, users=4)
    label[user == 1], label[user == 3] = 0, 1
    with pytest.warns(UserWarning, match="2 of 4 users have only positives or only negatives"):
        summary = summarise_scores(label, score, [], [1], groups=user, samples=0)
    kept = (user == 0) | (user == 2)
    expected = summarise_scores(label[kept], score[kept], [], [1], groups=user[kept], samples=0)
    assert {name: entry["value"] for name, entry in summary.items()} == {
        name: entry["value"] for name, entry in expected.items()
    }


@pytest.mark.parametrize("groups", [None, [1, 1, 2]])
def test_one_class_everywhere_is_nan(groups: list[int] | None) -> None:
    with pytest.warns(UserWarning, match="only"):
        summary = summarise_scores([0, 0, 0], [1, 2, 3], [(0, 0.5)], [], groups=groups, samples=10)
    assert all(np.isnan(value) for entry in summary.values() for value in entry.values())


def test_pooled_intervals_resample_positives_and_negatives_apart() -> None:
    label, score, _ = labelled(5)
    summary = summarise_scores(label, score, [(0, 0.4)], [], samples=2000)
    assert summary["auc"]["value"] == pytest.approx(roc_auc_score(label, score), abs=TOLERANCE)
    rng = np.random.default_rng(99)
    resampled = []
    for _ in range(2000):
        positive, negative = (rng.choice(rows, rows.size)[:, None] for rows in (score[label == 1], score[label == 0]))
        resampled.append(np.mean((positive > negative.T) + 0.5 * (positive == negative.T)))
    # Two independent sets of 2000 resamples: their outer quantiles differ by a few thousandths.
    assert summary["auc"]["low"] == pytest.approx(np.quantile(resampled, 0.025), abs=0.008)
    assert summary["auc"]["high"] == pytest.approx(np.quantile(resampled, 0.975), abs=0.008)
    window = summary["wpauc(0,0.4)"]
    assert window["low"] < window["value"] < window["high"]
    for end in ("low", "high"):
        assert summary["pauc(0,0.4)"][end] == pytest.approx(0.4 * window[end])


def test_pooled_lists_have_no_interval_for_top_k() -> None:
    summary = summarise_scores([1, 0, 0], [0.9, 0.2, 0.1], [], [2], samples=50)
    assert summary["hr@2"]["value"] == 1
    assert np.isnan(summary["hr@2"]["low"]) and np.isnan(summary["hr@2"]["high"])
    assert (summary["auc"]["low"], summary["auc"]["high"]) == (1, 1)
