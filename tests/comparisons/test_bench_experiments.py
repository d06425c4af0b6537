"""An experiment over two tiny markets and three arms, through the command line: interrupted, completed, kept."""

import csv
import json
import shutil

import pytest
from omegaconf import OmegaConf

from recbench import config_folders
from recbench.config_folders import config_folder
from recbench.runs import Run, find_runs, write_json
from recbench.stages import evaluate, rules

pytestmark = pytest.mark.slow

TINY = [
    "policy.layers=1",
    "policy.width=16",
    "policy.feed_forward=16",
    "policy.history=8",
    "sft.epochs=1",
    "algo.steps=2",
    "algo.batch_size=16",
    "algo.group_size=8",
]
NODE = {
    "seeds": [0],
    "metrics": ["auc", "hr@10", "ndcg@10"],
    "eval": ["bootstrap=10"],
    "data": {
        "second": ["data.options.size=tiny", "data.options.seed=2", *TINY],  # not in the order of the alphabet
        "first": ["data.options.size=tiny", "data.options.seed=1", *TINY],
    },
    "arms": {
        "popular": {"start": "scratch", "train": ["policy=popularity", "algo.interactions=all"]},
        "again": {"start": "more_sft", "train": ["algo=grpo", "negatives=random"]},
        "broken": {"start": "scratch", "train": ["algo=sft", "item_tokens=given", "item_tokens.path=nowhere.json"]},
    },
    "sets": {"main": ["sft", "again", "popular"]},
}
BENCH = ("bench", "experiment=two_markets")


@pytest.fixture
def market(tmp_path, monkeypatch, fresh_workspace):
    """A workspace with that experiment among the shipped ones."""
    folder = shutil.copytree(config_folder(), tmp_path / "conf")
    text = "# Two markets.\n" + OmegaConf.to_yaml(OmegaConf.create({"bench": NODE}))
    (folder / "experiment" / "two_markets.yaml").write_text(text)
    monkeypatch.setattr(config_folders, "config_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return fresh_workspace


def made(workspace) -> dict[str, int]:
    return {stage: len(find_runs(workspace.root, stage)) for stage in ("data", "train", "eval", "bench")}


def plan(workspace, *arguments):
    result = workspace.stage(*BENCH, "--plan", "--json", *arguments)
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_interrupted_then_completed_then_kept(market, monkeypatch, tmp_path) -> None:
    nothing = plan(market)
    assert not market.root.exists()
    assert (nothing["there"], nothing["missing"], nothing["unknown"]) == (0, 14, 14)
    assert [(row["data"], row["arm"]) for row in nothing["rows"]] == [
        (data, arm) for data in ("second", "first") for arm in ("more_sft", "sft", "again", "popular")
    ]

    whole, calls = evaluate.run, []

    def stops_at_the_fourth(config, run):
        calls.append(run)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(config, run)

    monkeypatch.setattr(evaluate, "run", stops_at_the_fourth)
    assert market.stage(*BENCH).code == 130
    monkeypatch.setattr(evaluate, "run", whole)
    (stopped,) = find_runs(market.root, "bench")
    assert stopped.status == "interrupted" and stopped.path.parent.name == "two_markets"
    # on `second` sft, more_sft, again and popular are trained, on `first` the checkpoint; it was being evaluated
    assert made(market) == {"data": 2, "train": 5, "eval": 4, "bench": 1}
    after = plan(market)
    assert (after["there"], after["missing"]) == (8, 6)
    assert after["unknown"] == 0 and after["minutes"] >= 0  # kinds are those of the other market

    kept = tmp_path / "kept"
    run = Run(market.made(*BENCH, "--save", str(kept)).path)
    assert made(market) == {"data": 2, "train": 8, "eval": 7, "bench": 2}  # one eval was interrupted
    metrics = run.metrics
    assert metrics["data_sets"] == ["second", "first"]
    for data in ("first", "second"):
        comparison = metrics["by_data"][data]
        assert [arm["arm"] for arm in comparison["arms"]] == ["sft", "again", "popular"]
        assert comparison["baseline"] == "sft" and comparison["data"] == data and comparison["split"] == "test"
    for row in metrics["summary"]["arms"]:  # the same numbers as in the tables
        for data, gain in row["gains"].items():
            arm = next(one for one in metrics["by_data"][data]["arms"] if one["arm"] == row["arm"])
            base = metrics["by_data"][data]["arms"][0]
            mean, of_base = (one["values"]["ndcg@10"]["mean"] for one in (arm, base))
            assert gain["relative_percent"] == pytest.approx(100 * (mean - of_base) / of_base)
        assert row["sets"] == 2
        assert row["low"] <= row["mean"] <= row["high"] and row["users_and_seeds_low"] is None  # of one seed
    starts = {(entry["data"], entry["arm"]): Run(market.root / "train" / "bazaar" / entry["train"])
              for entry in run.manifest["evaluations"]}  # fmt: skip
    for data in ("first", "second"):
        between = Run(market.root / "train" / "bazaar" / starts[data, "again"].config.input)
        assert between.config.algo.name == "sft" and between.config.input == starts[data, "sft"].id
        assert starts[data, "popular"].config.input is None
        assert starts[data, "popular"].config.data == starts[data, "sft"].config.data
    cost = {(row["data"], row["arm"]): row for row in run.manifest["cost"]}
    assert cost["first", "again"]["steps"] == 2 and cost["first", "again"]["seconds_a_step"] > 0
    assert cost["first", "popular"]["candidates"] is None
    report = (run.path / "report.md").read_text()
    for words in ("### second", "### first", "relative gain over sft", "| first | again |", "eval/bazaar/"):
        assert words in report.replace("Ndcg", "ndcg")

    # kept: tables, and every number behind them, without when or where
    assert {path.name for path in kept.iterdir()} == {
        "table.md", "table.tex", "table.csv", "comparison.json", "summary.md", "evaluations.json",
    }  # fmt: skip
    rows = list(csv.DictReader((kept / "table.csv").open()))
    assert len(rows) == 2 * 3 * 3 and {row["data"] for row in rows} == {"first", "second"}
    evaluations = json.loads((kept / "evaluations.json").read_text())
    assert len(evaluations) == 6
    for entry in evaluations:
        scored = Run(market.root / "eval" / "bazaar" / entry["eval"])
        assert entry["metrics"] == scored.metrics
        assert not any(text.startswith(("runs=", "threads=")) for text in entry["eval_overrides"])
    assert str(tmp_path) not in (kept / "evaluations.json").read_text()

    # with a training gone, it and what follows from it are made again, to the same bytes
    before = (run.path / "metrics.json").read_bytes()
    shutil.rmtree(starts["first", "again"].path)
    assert plan(market)["missing"] == 2
    again = market.made(*BENCH)
    assert made(market) == {"data": 2, "train": 8, "eval": 8, "bench": 3}
    assert (again.path / "metrics.json").read_bytes() == before

    # runs from before a key existed are still of this config, unless another value than the default is asked for
    older = ("policy.block_dropout", "algo.weights", "negatives.pool", "sft.llpauc_beta", "exact_sample")
    for found in [*find_runs(market.root, "train"), *find_runs(market.root, "eval")]:
        config = found.config
        for node, _, key in (name.rpartition(".") for name in older):
            (OmegaConf.select(config, node) if node in config else config).pop(key, None)
        OmegaConf.save(config, found.path / "config.yaml")
        (found.path / "files.json").unlink(missing_ok=True)  # which older runs have not
    assert plan(market)["missing"] == 0
    assert plan(market, "eval.exact_sample=5")["missing"] == 6
    assert plan(market, "algo.warmup=0.06")["missing"] == 6  # more_sft, again and its evaluation

    # settings are chosen on validation: other evaluations of the same trainings
    chosen = market.made(*BENCH, "--split", "validation", "--arms", "sft,popular", "--on", "first")
    assert made(market)["train"] == 8 and made(market)["eval"] == 10
    assert chosen.metrics["by_data"]["first"]["split"] == "validation"
    assert chosen.metrics["data_sets"] == ["first"]


def test_a_training_that_was_interrupted_goes_on(market, monkeypatch) -> None:
    asked = ("--arms", "sft,again", "--on", "first")
    real, calls = rules.rl_step, []

    def stops_at_the_second(*arguments, **keys):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **keys)

    monkeypatch.setattr(rules, "rl_step", stops_at_the_second)
    assert market.stage(*BENCH, *asked, "algo.evaluate_every=1").code == 130
    monkeypatch.setattr(rules, "rl_step", real)
    (stopped,) = [run for run in find_runs(market.root, "train") if run.status == "interrupted"]
    assert stopped.config.algo.name == "grpo" and made(market)["train"] == 3

    market.made(*BENCH, *asked, "algo.evaluate_every=1")
    assert made(market)["train"] == 3
    finished = Run(stopped.path)
    assert finished.status == "done" and finished.manifest["resumed"] == 1 and finished.metrics["steps"] == 2

    # made anew, or with another library, it starts again
    for change in ((), ("--force",)):
        manifest = json.loads((stopped.path / "manifest.json").read_text())
        versions = manifest["versions"] if change else {**manifest["versions"], "torch": "1.0"}
        write_json(stopped.path / "manifest.json", {**manifest, "status": "interrupted", "versions": versions})
        before = made(market)["train"]
        market.made(*BENCH, *asked, "algo.evaluate_every=1", *change)
        assert made(market)["train"] > before and Run(stopped.path).status == "interrupted"


def test_a_failing_arm_loses_no_other(market, tmp_path) -> None:
    kept = tmp_path / "kept"
    result = market.stage(*BENCH, "--arms", "sft,broken,popular", "--on", "first", "--save", str(kept), "--json")
    assert result.code == 2 and "Traceback" not in result.err  # its index file is not there: a mistake
    (line,) = [line for line in result.err.splitlines() if line.startswith("missing: ")]
    assert "data first, arm broken, seed 0" in line and "nowhere.json" in line
    assert "not saved" in result.err and not kept.exists()
    metrics = json.loads(result.out)["metrics"]
    assert [arm["arm"] for arm in metrics["by_data"]["first"]["arms"]] == ["sft", "popular"]
    (run,) = find_runs(market.root, "bench")
    assert run.status == "done"
    assert "## What is missing" in (run.path / "report.md").read_text()
    # when nothing can be evaluated there is no table to show
    result = market.stage(*BENCH, "--arms", "broken", "--on", "first")
    assert result.code == 2 and result.out == "" and len(find_runs(market.root, "bench")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arms", "popluar"], "did you mean 'popular'?"),
        (["--on", "frist"], "--on frist: expected some of second, first; did you mean 'first'?"),
        (["data=bazaar"], "experiment=two_markets says on which data"),
        (["--split", "tset"], "split='tset': expected one of validation, test"),
        (["eval.boostrap=3"], "did you mean 'bootstrap'?"),
        (["algo.group_size=1"], "algo.group_size=1: expected at least 2"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(arguments, words, market, refuse) -> None:
    refuse(market.stage(*BENCH, *arguments), words)
    assert not market.root.exists()


def test_results_are_not_made_for_a_folder_that_is_a_file(market, refuse, tmp_path) -> None:
    (tmp_path / "file").touch()
    refuse(market.stage(*BENCH, "--save", str(tmp_path / "file")), "is a file: give a folder")
    assert not market.root.exists()
