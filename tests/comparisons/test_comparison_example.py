"""recbench compare on a committed example, against plain loops and scipy.

comparison_example.csv has the ranks of three made-up arms on 80 cases of 40 users, with ties, one to three cases a
user, and seeds that the arms share in part. Nothing below calls recbench but the command line.
"""

import csv
import json
import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

pytestmark = pytest.mark.slow

ARMS = {
    "sft": ["algo=sft"],
    "grpo beam": ["algo=grpo", "negatives=beam", "input=start"],
    "tawin 2-8": ["algo=tawin", "algo.top_k=5", "input=start"],
}
METRICS = ["auc", "hr@5", "ndcg@5"]
SAMPLES = 1000


def value(metric: str, above: int, ties: int, n: int) -> float:
    """A case's metric: the mean over the places that its ties leave it."""
    places = range(above, above + ties + 1)
    one = {
        "auc": lambda place: (n - place) / n,
        "hr@5": lambda place: float(place < 5),
        "ndcg@5": lambda place: 1 / math.log2(place + 2) if place < 5 else 0.0,
    }[metric]
    return sum(map(one, places)) / len(places)


@pytest.fixture(scope="module")
def rows():
    """The example: (arm, seed) -> (user, case) -> above, ties, n."""
    found: dict = defaultdict(dict)
    with (Path(__file__).parent / "comparison_example.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts = tuple(int(row[key]) for key in ("above", "ties", "n"))
            found[row["arm"], int(row["seed"])][row["user"], int(row["case"])] = counts
    return found


@pytest.fixture
def example(rows, write_evaluation):
    """Its eval runs, ids in the order of the arms."""
    runs = []
    for (arm, seed), cases in sorted(rows.items(), key=lambda item: (list(ARMS).index(item[0][0]), item[0][1])):
        table = {"user": [user for user, _ in cases], "case": [case for _, case in cases]}
        for name, column in zip(("above", "ties", "n"), zip(*cases.values(), strict=True), strict=True):
            table |= {name: list(column), f"{name}_excluded": list(column)}
        table["censored"] = [False] * len(cases)
        runs.append(write_evaluation(ARMS[arm], seed, pa.table(table), {"ranks": "exact"}))
    return runs


def by_user(rows, arm: str, seeds: list[int], metric: str) -> dict[str, list[float]]:
    """User -> the metric of each of its cases, averaged over seeds."""
    found: dict = defaultdict(list)
    for key in sorted(rows[arm, seeds[0]]):
        found[key[0]].append(statistics.fmean(value(metric, *rows[arm, seed][key]) for seed in seeds))
    return found


def resampled(differences: dict[str, list[float]]) -> list[float]:
    """Means over the cases of users drawn with replacement: the draws are those of NumPy's generator of seed 0."""
    users = sorted(differences)
    draws = np.random.default_rng(0).integers(len(users), size=(SAMPLES, len(users)))
    means = []
    for draw in draws:
        cases = [gap for place in draw for gap in differences[users[place]]]
        means.append(round(math.fsum(cases) / len(cases), 12))  # nothing is nothing
    return means


def quantile(values: list[float], share: float) -> float:
    """Linear between the two order statistics beside it."""
    place = share * (len(values) - 1)
    low, high = sorted(values)[math.floor(place)], sorted(values)[math.ceil(place)]
    return low + (place - math.floor(place)) * (high - low)


def holm_by_hand(raw: list[float]) -> list[float]:
    """The smallest times M, the next times M - 1, ..., none below the one before it, none above 1."""
    adjusted, last = [0.0] * len(raw), 0.0
    for step, index in enumerate(sorted(range(len(raw)), key=raw.__getitem__)):
        last = max(last, min(1.0, raw[index] * (len(raw) - step)))
        adjusted[index] = last
    return adjusted


def users_and_seeds(rows, arm: str, seeds: list[int], metric: str) -> tuple[list[list[float]], list[list[float]]]:
    """The difference and the first order of the relative one: for each seed, what each user's cases add to it."""
    cases = list(rows[arm, seeds[0]])
    mine, base = (
        [[value(metric, *rows[name, seed][case]) for case in cases] for seed in seeds] for name in (arm, "sft")
    )
    ratio = statistics.fmean(map(statistics.fmean, mine)) / statistics.fmean(map(statistics.fmean, base))
    users = sorted({user for user, _ in cases})
    tables = []
    for share, scale in ((1.0, 1.0), (ratio, 100 / statistics.fmean(map(statistics.fmean, base)))):
        gaps = [[scale * (a - share * b) for a, b in zip(*seed, strict=True)] for seed in zip(mine, base, strict=True)]
        mean = statistics.fmean(map(statistics.fmean, gaps))
        of_user = [dict.fromkeys(users, 0.0) for _ in seeds]
        for found, seed in zip(of_user, gaps, strict=True):
            for (user, _), gap in zip(cases, seed, strict=True):
                found[user] += len(users) / len(cases) * (gap - mean)
        tables.append([[mean + one for one in found.values()] for found in of_user])
    return tables[0], tables[1]


def half_width(table: list[list[float]]) -> float:
    """Of the 95% interval: mean squares of users, seeds and the rest; Student's quantiles weighted by variances."""
    seeds, users = len(table), len(table[0])
    mean = statistics.fmean(map(statistics.fmean, table))
    of_user = [statistics.fmean(column) for column in zip(*table, strict=True)]
    of_seed = [statistics.fmean(row) for row in table]
    rest = sum((table[s][u] - of_user[u] - of_seed[s] + mean) ** 2 for s in range(seeds) for u in range(users))
    left = rest / ((seeds - 1) * (users - 1))
    by_user = max(seeds * statistics.variance(of_user) - left, 0.0) / (seeds * users)
    by_seed = users * statistics.variance(of_seed) / (seeds * users)
    weighted = by_user * stats.t.ppf(0.975, users - 1) + by_seed * stats.t.ppf(0.975, seeds - 1)
    return weighted / (by_user + by_seed) ** 0.5


def test_the_command_agrees_with_loops_and_scipy(rows, example, fresh_workspace) -> None:
    arguments = [str(run.path) for run in example]
    result = fresh_workspace.command("compare", *arguments, "--metrics", ",".join(METRICS), "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["data"], found["data_fingerprint"], found["baseline"]) == ("bazaar", "a", "sft")
    assert (found["users"], found["cases"], found["samples"], found["comparisons"]) == (40, 80, SAMPLES, 6)
    assert [arm["seeds"] for arm in found["arms"]] == [[0, 1, 2], [0, 1], [1, 2]]
    raw, corrected, both, both_corrected = [], [], [], []
    for arm in found["arms"]:
        for metric in METRICS:
            by_seed = [
                statistics.fmean(value(metric, *counts) for counts in rows[arm["arm"], seed].values())
                for seed in arm["seeds"]
            ]
            held = arm["values"][metric]
            assert held["mean"] == pytest.approx(statistics.fmean(by_seed))
            assert held["deviation"] == pytest.approx(statistics.stdev(by_seed))
            if arm["arm"] == "sft":
                continue
            held = arm["difference"]["values"][metric]
            shared = [seed for seed in arm["seeds"] if ("sft", seed) in rows]
            mine, base = (by_user(rows, name, shared, metric) for name in (arm["arm"], "sft"))
            differences = {user: [a - b for a, b in zip(mine[user], base[user], strict=True)] for user in mine}
            means = resampled(differences)
            cases = [gap for user in differences.values() for gap in user]
            assert held["difference"] == pytest.approx(math.fsum(cases) / len(cases))
            assert held["low"] == pytest.approx(quantile(means, 0.025), abs=1e-12)
            assert held["high"] == pytest.approx(quantile(means, 0.975), abs=1e-12)
            assert held["standard_error"] == pytest.approx(statistics.stdev(means))
            assert held["detectable"] == pytest.approx(2.8 * statistics.stdev(means))
            fewer = min(sum(mean <= 0 for mean in means), sum(mean >= 0 for mean in means))
            assert held["p_bootstrap"] == pytest.approx(min(1.0, 2 * (1 + fewer) / (1 + SAMPLES)))
            users = [[statistics.fmean(cases) for cases in side.values()] for side in (mine, base)]
            assert held["p_t"] == pytest.approx(stats.ttest_rel(*users).pvalue)
            gaps = [round(a - b, 12) for a, b in zip(*users)]  # ties in sixths are ties
            rank = stats.wilcoxon(gaps, zero_method="wilcox", correction=False, method="approx")
            assert held["p_wilcoxon"] == pytest.approx(rank.pvalue)
            absolute, relative = users_and_seeds(rows, arm["arm"], shared, metric)
            for name, middle, table in (("", "difference", absolute), ("relative_", "relative_percent", relative)):
                ends = [held[f"{name}users_and_seeds_{end}"] for end in ("low", "high")]
                half = half_width(table)
                assert ends == pytest.approx([held[middle] - half, held[middle] + half])
            both.append(held["p_users_and_seeds"])
            both_corrected.append(held["p_users_and_seeds_holm"])
            assert (both[-1] < 0.05) == (held["users_and_seeds_low"] > 0 or held["users_and_seeds_high"] < 0)
            raw.append(held["p_t"])
            corrected.append(held["p_holm"])
    assert corrected == pytest.approx(holm_by_hand(raw))
    assert both_corrected == pytest.approx(holm_by_hand(both))
    # The example decides either way, and has what Holm undoes.
    assert min(corrected) < 0.01 < 0.05 < max(corrected) and any(p < 0.05 < q for p, q in zip(raw, corrected))
    assert any(ties for cases in rows.values() for _, ties, _ in cases.values())


def test_the_shape_of_the_example(rows) -> None:
    users = [user for user, _ in rows["sft", 0]]
    assert {users.count(user) for user in users} == {1, 2, 3}
    assert all(set(cases) == set(rows["sft", 0]) for cases in rows.values())
