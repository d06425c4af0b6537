"""recbench simulate on the tiny market with captions that tell the truth, and on a log with propensities."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.metrics.lift import ctr_lift
from recbench.runs import Run

pytestmark = pytest.mark.slow

MARKET = ["data=bazaar", "data.options.size=tiny"]
MODEL = ["ctr.embedding_size=4", "ctr.hidden=[16]", "ctr.batch_size=64", "ctr.learning_rate=0.01", "latency_repeats=0"]
VISITS = ["visits=10", "candidates=20", "shown=3"]


@pytest.fixture(scope="module")
def captions(workspace, tmp_path_factory) -> list[str]:
    """Overrides for captions that name every attribute of every item."""
    data = workspace.made("data", *MARKET)
    rows = pq.read_table(data.path / "catalogue.parquet").to_pylist()
    file = tmp_path_factory.mktemp("captions") / "captions.csv"
    with file.open("w", newline="") as stream:
        looks = [" ".join(row[name] for name in ("colour", "pattern", "scene", "style")) for row in rows]
        csv.writer(stream).writerows(
            [["item", "caption"], *([row["item"], look] for row, look in zip(rows, looks, strict=True))]
        )
    return ["captioner=file", f"captioner.path={file}", "features.least_items=1"]


@pytest.fixture(scope="module")
def arms(workspace, captions) -> Run:
    return workspace.made("ctr", *MARKET, *captions, *MODEL, "arms=[without,with]", "seeds=[3]")


@pytest.fixture(scope="module")
def tested(workspace, arms) -> Run:
    return workspace.made("simulate", f"input={arms.path}", *VISITS)


def test_the_test_is_read_off_users_that_saw_one_arm_each(tested) -> None:
    metrics = tested.metrics
    users = pq.read_table(tested.path / "users.parquet").to_pydict()
    assert len(users["user"]) == 60 and set(users["impressions"]) == {30}
    treated = np.array(users["arm"]) == "b"
    assert metrics["control"]["users"] == (~treated).sum() and metrics["treatment"]["users"] == treated.sum()
    lift = ctr_lift(users["user"], treated, users["clicks"], users["impressions"])
    assert metrics["lift"]["value"] == pytest.approx(lift.value) and metrics["lift"]["p"] == pytest.approx(lift.p)
    expected = metrics["expected"]
    assert expected["a"] == pytest.approx(sum(users["expected a"]) / 1800)
    assert metrics["expected_lift"] == pytest.approx(expected["b"] / expected["a"] - 1)
    # Nothing beats the truth, and rates of arms come from their expectations: 60 users, 1,800 impressions.
    assert (
        expected["random"] < min(expected["a"], expected["b"]) < max(expected["a"], expected["b"]) < expected["oracle"]
    )
    assert abs(metrics["control"]["value"] - expected["a"]) < 5 * metrics["control"]["error"]


def test_it_says_which_arms_of_which_run_meet(tested, arms) -> None:
    found = f"a: deepfm, without captions, seed 3 (ctr run {arms.id}); "
    found += f"b: deepfm, with captions, seed 3 (ctr run {arms.id})"
    assert tested.manifest["headline"] == [found]
    assert f"**{found}.**" in (tested.path / "report.md").read_text()


def test_the_same_arm_on_both_sides_and_the_sample_size(tested) -> None:
    same, size, control = (tested.metrics[key] for key in ("same_arm", "sample_size", "control"))
    assert same["low"] < same["lift"] < same["high"] and same["tests"] == 500
    assert same["false_positives"] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500) + 0.02  # 60 users: a little more than 5%
    assert size["lift"] == 0.0002
    rate = control["value"]
    # (1.96 + .8416)^2 (p (1 - p) + p' (1 - p')) / (p - p')^2 with p' = p (1 + .0002), times the design effect
    raised = rate * 1.0002
    variance = rate * (1 - rate) + raised * (1 - raised)
    by_hand = control["design_effect"] * (1.959964 + 0.841621) ** 2 * variance / (raised - rate) ** 2
    assert size["impressions"] == pytest.approx(by_hand, rel=1e-4)
    assert size["users"] == pytest.approx(by_hand / 30, rel=1e-4)


def test_the_same_test_twice_gives_the_same_bytes_and_another_seed_others(tested, arms, workspace) -> None:
    again = workspace.made("simulate", f"input={arms.path}", *VISITS)
    other = workspace.made("simulate", f"input={arms.path}", *VISITS, "seed=1")
    assert (again.path / "metrics.json").read_bytes() == (tested.path / "metrics.json").read_bytes()
    assert other.metrics["lift"] != tested.metrics["lift"]


def test_arms_of_two_runs_and_the_newest_that_fits(workspace, arms, captions, tested) -> None:
    """The arms named with their run, against the arms found by themselves."""
    a, b = f"a={arms.path}:without", f"b={arms.id}:with"
    named = workspace.made("simulate", *MARKET, a, b, *VISITS)
    assert named.metrics["lift"] == tested.metrics["lift"]
    found = workspace.made("simulate", *MARKET, *captions, *MODEL[:-1], *VISITS, "upstream=false")
    assert found.input_run("ctr").id == arms.id and found.metrics["lift"] == tested.metrics["lift"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["a=with"], "a and b are both 'with'"),
        (["b=shuffled"], "has no arm 'shuffled'; it has: without, with"),
        (["candidates=65"], "candidates=65: bazaar has 64 items: give at most 64"),
        (["shown=20", "candidates=10"], "shown=20: a visit has 10 candidates: give at most 10"),
        (["b=nowhere"], "no run 'nowhere'"),
    ],
)
def test_mistakes(changes, words, workspace, arms, refuse) -> None:
    refuse(workspace.stage("simulate", f"input={arms.path}", *VISITS, *changes), words)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> list[str]:
    """Overrides of a log in the format of Open Bandit: items shown uniformly, one of which is clicked the most."""
    folder = tmp_path_factory.mktemp("bandit") / "random" / "all"
    folder.mkdir(parents=True)
    items, rng = 6, np.random.default_rng(0)
    with (folder / "item_context.csv").open("w", newline="") as stream:
        names = [f"item_feature_{number}" for number in range(4)]
        rows = [[row, item, 0.5, "x", "y", "z"] for row, item in enumerate(range(items))]
        csv.writer(stream).writerows([["", "item_id", *names], *rows])
    with (folder / "all.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        features = [f"user_feature_{number}" for number in range(4)]
        affinities = [f"user-item_affinity_{item}" for item in range(items)]
        header = ["", "timestamp", "item_id", "position", "click", "propensity_score", *features, *affinities]
        writer.writerow(header)
        for row in range(3_000):
            item = int(rng.integers(items))
            click = int(rng.random() < (0.5 if item == 2 else 0.1))
            time = f"2019-11-24 {row // 3600:02}:{row // 60 % 60:02}:{row % 60:02}.0+00:00"
            writer.writerow([row, time, item, 1, click, 1 / items, f"u{row % 3}", "v", "w", "x", *[0] * items])
    return ["data=open_bandit", f"data.path={folder.parent.parent}"]


def test_off_policy_estimates_hold_what_the_policy_would_earn(log, workspace) -> None:
    """The greedy policy shows item 2, worth .5; the log .1667 on average."""
    options = ["ctr=lr", *MODEL[2:-1], "temperature=0", "bootstrap=300"]
    metrics = workspace.made("simulate", *log, *options).metrics
    assert metrics["rounds"] == 1200 and metrics["actions"] == 6  # two fifths are for test
    policies = metrics["off_policy"]
    assert set(policies) == {"as logged", "uniform", "without, greedy"}
    logged = policies["as logged"]["logged"]
    assert logged["value"] == pytest.approx(metrics["clicks"] / 1200) and logged["low"] < 1 / 6 < logged["high"]
    for name in ("ips", "snips"):  # all weights are one
        assert policies["uniform"][name]["value"] == pytest.approx(logged["value"])
    for name in ("ips", "snips", "doubly_robust"):
        estimate = policies["without, greedy"][name]
        assert estimate["low"] > logged["high"] and abs(estimate["value"] - 0.5) < 4 * estimate["error"]
    assert policies["without, greedy"]["effective_rounds"] == pytest.approx(200, abs=4 * 13)  # item 2 in 1 of 6


def test_a_log_without_propensities_is_refused(workspace, tmp_path, refuse) -> None:
    rows = ["user,item,label,split"]
    parts = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    rows += [f"u{row % 5},i{row % 7},{row % 2},{part}" for row, part in enumerate(parts)]
    (tmp_path / "clicks.csv").write_text("\n".join(rows) + "\n")
    data = ["data=table", "data.name=plain", f"data.path={tmp_path / 'clicks.csv'}"]
    data += ["data.options.columns.label=label", "data.options.columns.split=split"]
    result = workspace.stage("simulate", *data, "ctr=lr", *MODEL[2:-1])
    refuse(result, "neither the true click model nor propensities are known")
