"""recbench compare on run folders written by hand: which arm a run is of, the numbers, and what cannot be compared."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench import result_shapes
from recbench.comparisons.compare import compare_runs
from recbench.comparisons.evaluations import arm_label
from recbench.comparisons.gains import relative_gains
from recbench.composition import compose
from recbench.errors import UserError
from recbench.metrics.intervals import paired_bootstrap
from recbench.metrics.summary import summarise_ranks
from recbench.runs import Run
from recbench.runs.manifest import Manifest

pytestmark = pytest.mark.slow

USERS = 30
ITEMS = 101
SFT = ["algo=sft"]
BEAM = ["algo=grpo", "negatives=beam", "input=start"]


@pytest.fixture
def evaluation(write_evaluation):
    """Make an eval run of a made-up training: ranks drawn by the seed, `shift` places better."""

    def make(training, seed, shift=0, *, cases=2, ranks="exact", only=None, **settings) -> Run:
        rng = np.random.default_rng(seed)
        above = np.maximum(rng.integers(0, ITEMS, USERS * cases) - shift, 0)
        table = {
            "user": [f"u{user}" for user in range(USERS) for _ in range(cases)],
            "case": np.tile(np.arange(cases) + 4, USERS),
            "above": above,
            "ties": np.zeros_like(above),
            "n": np.full_like(above, ITEMS - 1),
            "above_excluded": np.clip(above - 1, 0, ITEMS - 5),
            "ties_excluded": np.zeros_like(above),
            "n_excluded": np.full_like(above, ITEMS - 5),
            "censored": above >= 20 if ranks != "exact" else np.zeros(len(above), dtype=bool),
        }
        if only is not None:  # a few cases of some users
            table = {key: column[: len(only["user"])] for key, column in table.items()} | only
        rows = rng.permutation(len(table["user"]))  # the order of a file says nothing
        best = {key: {"hr@10": {"value": value}} for key, value in (("best", 0.5), ("best_excluded", 0.6))}
        return write_evaluation(training, seed, pa.table(table).take(rows), {"ranks": ranks, **best}, **settings)

    return make


def counts(run):
    table = pq.read_table(run.path / "ranks.parquet").sort_by([("user", "ascending"), ("case", "ascending")])
    return table.to_pandas()


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        (["algo=sft"], "sft"),
        (["algo=sft", "input=x"], "more sft"),
        (["algo=more_sft"], "more sft"),
        (["algo=grpo", "negatives=random"], "grpo random"),
        (["algo=grpo", "negatives=beam"], "grpo beam"),
        (["algo=grpo", "negatives=mixed"], "grpo mixed"),
        (["algo=tawin", "algo.top_k=10"], "tawin 5-15"),
        (["algo=tawin", "algo.anchor=5", "negatives=beam"], "tawin anchor 5"),
        (["algo=tawin", "algo.anchor=5"], "tawin anchor 5 window"),
        (["algo=tawin", "algo.top_k=5"], "tawin 2-8"),  # floor(5/2) to ceil(15/2)
        (["algo=tawin", "algo.window=[0.01,0.05]"], "tawin 0.01,0.05"),
        (["algo=tawin", "algo.window=[0,1]", "negatives=random"], "tawin 0,1 random"),
    ],
)
def test_what_a_run_is_called_among_arms(overrides, label) -> None:
    assert arm_label(compose("train", overrides)) == label


def test_means_are_those_of_the_evaluations_and_differences_those_of_the_ranks(evaluation) -> None:
    sft = [evaluation(SFT, seed) for seed in (0, 1)]
    beam = [evaluation(BEAM, seed, shift=5) for seed in (0, 1)]
    found = compare_runs([*sft, *beam], metrics=["hr@10", "wpauc(0.01,0.05)", "auc"])
    assert (found["baseline"], found["cases"], found["users"]) == ("sft", 60, 30)
    assert [(arm["arm"], arm["seeds"]) for arm in found["arms"]] == [("sft", [0, 1]), ("grpo beam", [0, 1])]
    assert found["best"] == {"hr@10": 0.5}  # the evaluations know no other
    assert "difference" not in found["arms"][0]
    for name in found["metrics"]:
        tables = [counts(run) for run in (*sft, *beam)]
        own = [
            summarise_ranks(table.above, table.ties, table.n, [(0.01, 0.05)], [10], samples=0)[name]["value"]
            for table in tables
        ]
        value = found["arms"][1]["values"][name]
        assert value["per_seed"] == pytest.approx({"0": own[2], "1": own[3]})
        assert value["mean"] == pytest.approx((own[2] + own[3]) / 2)
        assert value["deviation"] == pytest.approx(abs(own[2] - own[3]) / 2**0.5)
        difference = found["arms"][1]["difference"]["values"][name]
        assert difference["difference"] == pytest.approx((own[2] + own[3] - own[0] - own[1]) / 2)
        assert difference["relative_percent"] == pytest.approx(100 * ((own[2] + own[3]) / (own[0] + own[1]) - 1))
    hits = [np.array(counts(run).above < 10, dtype=float) for run in (*sft, *beam)]
    expected = paired_bootstrap(
        (hits[2] + hits[3]) / 2, (hits[0] + hits[1]) / 2, samples=1000, seed=0, groups=counts(sft[0]).user
    )
    hr = found["arms"][1]["difference"]["values"]["hr@10"]
    assert (hr["low"], hr["high"]) == pytest.approx((expected.low, expected.high))
    assert hr["detectable"] == pytest.approx(2.8 * expected.standard_error)


def test_seen_items_excluded(evaluation) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0)]
    found = compare_runs(runs, metrics=["hr@10"], excluded=True)
    assert found["arms"][0]["values"]["hr@10"]["mean"] == pytest.approx(np.mean(counts(runs[0]).above_excluded < 10))
    assert found["seen_items"] == "excluded" and found["best"] == {"hr@10": 0.6}


def test_the_baseline_may_be_another(evaluation) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, shift=5)]
    found = compare_runs(runs, baseline=runs[1], metrics=["hr@10"])
    assert found["baseline"] == "grpo beam"
    assert found["arms"][0]["difference"]["values"]["hr@10"]["difference"] < 0
    assert compare_runs(runs[1:], metrics=["hr@10"])["baseline"] == "grpo beam"  # without SFT: the first


def test_runs_of_one_rule_with_other_settings_are_other_arms(evaluation) -> None:
    rates = [evaluation([*BEAM, f"algo.learning_rate={rate}"], 0) for rate in (0.001, 0.002)]
    found = compare_runs([evaluation(SFT, 0), *rates], metrics=["hr@10"])
    names = [arm["arm"] for arm in found["arms"]]
    assert names == ["sft", "grpo beam algo.learning_rate=0.001", "grpo beam algo.learning_rate=0.002"]


def test_arms_are_paired_by_common_seeds_only(evaluation) -> None:
    notes: list[str] = []
    runs = [evaluation(SFT, 0), evaluation(SFT, 1), evaluation(BEAM, 1)]
    other = evaluation(["algo=grpo", "negatives=random"], 7)
    found = compare_runs([*runs, other], metrics=["hr@10"], note=notes.append)
    assert found["arms"][1]["difference"]["seeds"] == [1]
    assert "difference" not in found["arms"][2]
    assert notes == ["grpo random and sft have no seed in common: they are not held against each other"]


def test_ranks_from_a_beam_tell_the_head_only(evaluation) -> None:
    notes: list[str] = []
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, ranks="beam of 20", beam_width=20)]
    found = compare_runs(runs, metrics=["auc", "hr@10", "hr@50", "wpauc(0,0.1)"], note=notes.append)
    assert found["metrics"] == ["hr@10", "wpauc(0,0.1)"]  # ten negatives wide, of twenty known
    assert notes == ["ranks come from a beam and are known up to 20: auc, hr@50 left out"]
    with pytest.raises(UserError, match="known up to 20, too few for auc"):
        compare_runs(runs, metrics=["auc"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"fingerprint": "b"}, "are on different data (bazaar a and bazaar b)"),
        ({"split": "validation"}, "score different splits (test and validation)"),
        ({"cases": 1, "max_cases": 30}, "30 of 60 are in the first only, 0 of 30 in the second only (max_cases=0 and"),
    ],
)
def test_what_cannot_be_compared_is_named(evaluation, other, words) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, **other)]
    with pytest.raises(UserError) as problem:
        compare_runs(runs)
    assert words in str(problem.value) and "\n" not in str(problem.value)


def test_the_same_arm_and_seed_twice(evaluation) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0), evaluation(BEAM, 0)]
    with pytest.raises(UserError, match="both of arm 'grpo beam' with seed 0"):
        compare_runs(runs)


def test_the_command(fresh_workspace, evaluation, folder, refuse) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, shift=5)]
    base = ["--runs", str(folder)]
    shown = fresh_workspace.command("compare", runs[0].id, str(runs[1].path), *base, "--metrics", "hr@10, auc")
    assert shown.code == 0, shown.err
    for words in ("grpo beam", "hr@10", "best possible", "difference from sft", "detectable"):
        assert words in shown.out
    result = fresh_workspace.command(
        "compare", runs[0].id, "--baseline", runs[1].id, *base, "--metrics", "hr@10,wpauc(0, 0.05)", "--json"
    )
    comparison = json.loads(result.out)
    assert comparison["metrics"] == ["hr@10", "wpauc(0,0.05)"] and comparison["baseline"] == "grpo beam"
    refuse(fresh_workspace.command("compare", "nothing", *base), "no run 'nothing'")
    refuse(fresh_workspace.command("compare", runs[0].id, *base, "--metrics", "ndgc@10"), "metric 'ndgc@10' is not one")
    refuse(fresh_workspace.command("compare", runs[0].id, *base, "--metrics", "hr@500"), "the catalogue has 101 items")
    train = runs[0].input_run("train")
    refuse(fresh_workspace.command("compare", train.id, *base), "is a train run")


def test_one_seed_leaves_users_and_seeds_open(fresh_workspace, evaluation, folder) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, shift=3)]
    value = compare_runs(runs, metrics=["hr@10"])["arms"][1]["difference"]["values"]["hr@10"]
    keys = ("users_and_seeds_low", "users_and_seeds_high", "p_users_and_seeds", "p_users_and_seeds_holm")
    assert np.isnan([value[key] for key in keys]).all() and value["p_holm"] < 1
    command = ("compare", *(str(run.path) for run in runs), "--runs", str(folder), "--metrics", "hr@10")
    assert "share a single seed" in fresh_workspace.command(*command).out
    found = json.loads(fresh_workspace.command(*command, "--json").out)
    assert found["arms"][1]["difference"]["values"]["hr@10"]["users_and_seeds_low"] is None


def test_holm_corrects_over_arms_and_metrics(evaluation) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, shift=3), evaluation([*BEAM, "negatives=random"], 0, shift=1)]
    found = compare_runs(runs, metrics=["hr@10", "auc"])
    values = [arm["difference"]["values"][name] for arm in found["arms"][1:] for name in found["metrics"]]
    assert found["comparisons"] == len(values) == 4
    raw = [value["p_t"] for value in values]
    order = np.argsort(raw)
    bonferroni = np.array(raw)[order] * [4, 3, 2, 1]
    expected = np.minimum(1, np.maximum.accumulate(bonferroni))
    assert [values[index]["p_holm"] for index in order] == pytest.approx(expected)


def test_an_undefined_test_is_nan_and_no_comparison(evaluation) -> None:
    one = {"user": ["u"] * 2, "case": [4, 5]}
    runs = [evaluation(SFT, 0, only=one), evaluation(BEAM, 0, shift=5, only=one)]
    with pytest.warns(UserWarning, match="too few for a t-test"):
        found = compare_runs(runs, metrics=["auc"])
    value = found["arms"][1]["difference"]["values"]["auc"]
    assert np.isnan([value["p_t"], value["p_holm"], value["p_bootstrap"]]).all() and found["comparisons"] == 0


def several(evaluation):
    """sft and grpo beam on two data sets, mixed."""
    beauty = {"data": "amazon_beauty", "fingerprint": "b"}
    return [
        evaluation(SFT, 0),
        evaluation([*BEAM, "algo.learning_rate=0.002"], 0, shift=5, **beauty),
        evaluation(BEAM, 0, shift=5),
        evaluation(SFT, 0, **beauty),
    ]


def test_a_data_set_a_table_each_as_if_it_were_alone(evaluation, fresh_workspace, folder) -> None:
    runs = several(evaluation)
    base, ids = ["--runs", str(folder), "--metrics", "hr@10,auc"], [run.id for run in runs]
    both = json.loads(fresh_workspace.command("compare", *ids, *base, "--json").out)
    alone = [
        json.loads(fresh_workspace.command("compare", *pair, *base, "--json").out)
        for pair in ((ids[0], ids[2]), (ids[1], ids[3]))
    ]
    assert both == alone  # the second one's rate is no other arm's: it is not in its name
    assert [(one["data"], one["comparisons"], one["baseline"]) for one in both] == [
        ("bazaar", 2, "sft"),
        ("amazon_beauty", 2, "sft"),
    ]
    shown = fresh_workspace.command("compare", *ids, *base).out
    assert shown.count("difference from sft") == 2 and "test of amazon_beauty" in shown
    for baseline in ("grpo_beam", str(runs[1].path)):
        found = json.loads(fresh_workspace.command("compare", *ids, *base, "--baseline", baseline, "--json").out)
        assert [one["baseline"] for one in found] == ["grpo beam"] * 2


def test_data_sets_of_one_name_are_told_apart_and_lone_arms_are_named(evaluation, fresh_workspace, folder) -> None:
    runs = [evaluation(SFT, 0), evaluation(SFT, 0, fingerprint="0123456789"), evaluation(BEAM, 0)]
    found = fresh_workspace.command("compare", *(run.id for run in runs), "--runs", str(folder), "--json")
    assert [one["data"] for one in json.loads(found.out)] == ["bazaar a", "bazaar 01234567"]
    assert "note: bazaar 01234567 has one arm, sft: there is nothing to hold it against" in found.err


def test_formats_and_files(evaluation, fresh_workspace, folder, tmp_path) -> None:
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, shift=30)]
    base = ["compare", *(run.id for run in runs), "--runs", str(folder), "--metrics", "auc", "--save", str(tmp_path)]
    for name, file in (("markdown", "table.md"), ("latex", "table.tex"), ("csv", "table.csv")):
        assert fresh_workspace.command(*base, "--format", name).out == (tmp_path / file).read_text()
    assert fresh_workspace.command(*base, "--json").out == (tmp_path / "comparison.json").read_text()
    shown = fresh_workspace.command(*base, "--relative")
    assert "**" in shown.out and "%)**" in shown.out and f"tables: {tmp_path}" in "".join(shown.err.splitlines())
    assert "%)" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "latx"], "--format latx: expected one of markdown, latex, csv; did you mean 'latex'?"),
        (["--format", "csv", "--json"], "--json and --format csv both print"),
        (["--baseline", "sfft"], "--baseline sfft: none of the arms (sft, grpo beam), and no run 'sfft' under"),
        (["--metrics", "ndgc@10"], "metric 'ndgc@10' is not one"),
        (["--save", "taken/below"], "--save taken/below cannot be written to: Not a directory"),
    ],
)
def test_mistakes_leave_nothing(evaluation, fresh_workspace, folder, refuse, monkeypatch, arguments, words) -> None:
    monkeypatch.chdir(folder.parent)
    (folder.parent / "taken").write_text("a file")
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0)]
    saved = [] if "--save" in arguments else ["--save", "tables"]
    refuse(fresh_workspace.command("compare", *(run.id for run in runs), *arguments, *saved), words)
    assert not (folder.parent / "tables").exists()


def test_a_baseline_that_a_data_set_lacks(evaluation, fresh_workspace, folder, refuse) -> None:
    runs = several(evaluation)[:3]
    base = ["compare", *(run.id for run in runs), "--runs", str(folder), "--baseline"]
    for baseline in ("sft", runs[0].id):
        refuse(
            fresh_workspace.command(*base, baseline), "baseline 'sft' is no arm on amazon_beauty, which has grpo beam"
        )


def test_a_run_whose_training_is_gone_or_damaged_is_named_and_the_others_are_compared(
    evaluation, fresh_workspace, refuse
):
    runs = [evaluation(SFT, 0), evaluation(BEAM, 0, 5), evaluation(SFT, 1), evaluation(BEAM, 1)]
    (runs[2].input_run("train").path / "config.yaml").write_text("")
    shutil.rmtree(runs[3].input_run("train").path)
    base = ["--runs", str(fresh_workspace.root)]
    result = fresh_workspace.command("compare", *(run.id for run in runs), *base, "--json")
    assert result.code == 0, result.err
    assert [(arm["arm"], arm["seeds"]) for arm in json.loads(result.out)["arms"]] == [("sft", [0]), ("grpo beam", [0])]
    for run in runs[2:]:
        assert result.err.count(f"note: eval run {run.id} is left out: ") == 1
    refuse(fresh_workspace.command("compare", runs[3].id, *base), "scored is gone: its arm cannot be told")


def test_the_shapes_that_mypy_checks_are_what_is_made(evaluation) -> None:
    """A key that is made and not in the shape, or the other way round, would be checked by nobody."""
    runs = [evaluation(SFT, 0), evaluation(SFT, 1), evaluation(BEAM, 0, shift=3), evaluation(BEAM, 1, shift=2)]
    made = compare_runs(runs, metrics=["hr@10"])
    optional = {"sampled", "smaller_is_better", "runs"}
    assert set(made) == set(result_shapes.Comparison.__annotations__) - optional
    first, other = made["arms"]
    assert set(first) == set(result_shapes.ArmRow.__annotations__) - {"difference"}
    assert set(other) == set(result_shapes.ArmRow.__annotations__)
    assert set(other["values"]["hr@10"]) == set(result_shapes.OverSeeds.__annotations__)
    assert set(other["difference"]["values"]["hr@10"]) == set(result_shapes.Held.__annotations__)
    gains = relative_gains({"shop": made}, "hr@10", made["baseline"])
    assert set(gains["arms"][0]) == set(result_shapes.ArmGains.__annotations__)
    assert set(gains["arms"][0]["gains"]["shop"]) == set(result_shapes.Gain.__annotations__)
    assert set(runs[0].manifest) <= set(Manifest.__annotations__)
