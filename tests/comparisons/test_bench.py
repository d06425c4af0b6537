"""recbench bench on the smallest market: equal arms from one checkpoint, one table, and nothing made twice."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from recbench.comparisons.experiments import AIM, ARMS
from recbench.composition import compose
from recbench.policy.checkpoint import load_policy
from recbench.runs import Run, find_runs

pytestmark = pytest.mark.slow

TINY = [
    "data.options.size=tiny",
    "policy.layers=1",
    "policy.width=16",
    "policy.feed_forward=16",
    "policy.history=8",
    "sft.epochs=2",
    "algo.steps=3",
    "algo.batch_size=16",
    "algo.group_size=8",
    "eval.bootstrap=20",
]
SHORT = [
    *(text for text in TINY if "steps" not in text),
    "algo.steps=6",
    "algo.evaluate_every=1",
]


def bench(workspace, *arguments, settings=TINY) -> Run:
    result = workspace.stage("bench", *settings, *arguments, "--json")
    assert result.code == 0, result.err
    return Run(Path(json.loads(result.out)["path"]))


def made(workspace) -> dict[str, int]:
    return {stage: len(find_runs(workspace.root, stage)) for stage in ("data", "train", "eval", "bench")}


def test_arms_differ_in_the_rule_and_nothing_that_costs() -> None:
    arms = [compose("train", [*ARMS[arm], *([AIM] if arm == "tawin" else [])]) for arm in ARMS if arm != "sft"]
    for key in ("steps", "batch_size", "learning_rate", "evaluate_every", "patience", "interactions", "warmup"):
        assert len({arm.algo[key] for arm in arms}) == 1, key
    assert len({arm.algo.group_size for arm in arms if arm.algo.name != "sft"}) == 1
    assert len({arm.reserved for arm in arms}) == 1


def test_a_bench_from_nothing_then_more_seeds_then_nothing_new(fresh_workspace) -> None:
    first = bench(fresh_workspace, "--seeds", "0")
    assert made(fresh_workspace) == {"data": 1, "train": 5, "eval": 5, "bench": 1}
    assert first.path.parent == fresh_workspace.root / "bench" / "bazaar"
    trained = find_runs(fresh_workspace.root, "train")
    (start,) = [run for run in trained if run.config.input is None]
    for run in trained:  # every arm from that one checkpoint, as an ordinary run
        assert run.config.input in (None, start.id)
        assert run.config.algo.steps == 3 or run is start
    assert [run.metrics["steps"] for run in trained if run.id != start.id] == [3] * 4
    arms = {arm["arm"]: arm for arm in first.metrics["arms"]}
    assert list(arms) == ["sft", "more sft", "grpo random", "grpo beam", "tawin 5-15"]
    assert first.metrics["baseline"] == "sft"
    assert {"auc", "wpauc(0,0.01)", "wpauc(0.01,0.05)", "hr@1", "hr@10", "hr@50", "ndcg@10"} == set(
        first.metrics["metrics"]
    )
    assert set(first.metrics["best"]) == set(first.metrics["metrics"])
    for entry in first.manifest["evaluations"]:
        scored = Run(fresh_workspace.root / "eval" / "bazaar" / entry["eval"])
        for name, value in arms[entry["arm"]]["values"].items():
            assert value["mean"] == pytest.approx(scored.metrics["kept"][name]["value"])
            assert value["deviation"] is None  # of one seed
    report = (first.path / "report.md").read_text()
    assert "](arm_gains.png)" in report and (first.path / "arm_gains.png").is_file()
    for words in ("| grpo beam | 0 |", "best possible", "Difference from sft", "eval/bazaar/", "roc_head.png)"):
        assert words in report
    for line in report.splitlines():
        if "[report.md](" in line:
            assert (first.path / line.split("[report.md](")[1].split(")")[0]).is_file()
    # another seed: what is there is reused, one SFT and one arm are new
    second = bench(fresh_workspace, "--seeds", "0,1", "--arms", "sft,tawin")
    assert made(fresh_workspace) == {"data": 1, "train": 7, "eval": 7, "bench": 2}
    arms = {arm["arm"]: arm for arm in second.metrics["arms"]}
    assert arms["tawin 5-15"]["seeds"] == arms["tawin 5-15"]["difference"]["seeds"] == [0, 1]
    assert arms["sft"]["values"]["auc"]["deviation"] is not None
    # again: nothing is new, and the bytes are the same
    third = bench(fresh_workspace, "--seeds", "0,1", "--arms", "sft,tawin")
    assert made(fresh_workspace) == {"data": 1, "train": 7, "eval": 7, "bench": 3}
    assert (third.path / "metrics.json").read_bytes() == (second.path / "metrics.json").read_bytes()
    # anew: the same numbers from new runs
    of_sft = [text for text in TINY if not text.startswith("algo.")]  # what only other arms have is refused
    forced = bench(fresh_workspace, "--seeds", "1", "--arms", "sft", "--force", settings=of_sft)
    assert made(fresh_workspace) == {"data": 2, "train": 8, "eval": 8, "bench": 4}
    values = {arm["arm"]: arm for arm in second.metrics["arms"]}["sft"]["values"]
    for name, value in forced.metrics["arms"][0]["values"].items():
        assert value["per_seed"]["1"] == values[name]["per_seed"]["1"]


def test_settings_reach_the_arms_that_take_them(fresh_workspace) -> None:
    run = bench(
        fresh_workspace, "--seeds", "3", "--arms", "grpo_random,tawin", "--excluded", "algo.window=[0.1,0.3]",
        "eval.top_items=2", "--metrics", "auc",
    )  # fmt: skip
    assert [arm["arm"] for arm in run.metrics["arms"]] == ["grpo random", "tawin 0.1,0.3"]
    assert run.metrics["baseline"] == "grpo random"
    assert run.metrics["seen_items"] == "excluded" and run.metrics["metrics"] == ["auc"]
    assert {scored.config.top_items for scored in find_runs(fresh_workspace.root, "eval")} == {2}
    assert {trained.config.seed for trained in find_runs(fresh_workspace.root, "train")} == {3}


def test_two_tables_from_one_training(fresh_workspace, refuse, tmp_path) -> None:
    arms = ("--seeds", "0", "--arms", "sft,more_sft,grpo_random")
    kept = tmp_path / "kept"
    run = bench(fresh_workspace, *arms, "--pick", "ndcg@10,target", "--save", str(kept), settings=SHORT)
    assert made(fresh_workspace) == {"data": 1, "train": 3, "eval": 4, "bench": 1}  # grpo_random is scored twice
    (grpo,) = [one for one in find_runs(fresh_workspace.root, "train") if one.config.algo.name == "grpo"]
    curve = {entry["step"]: entry for entry in grpo.metrics["curve"]}
    assert grpo.metrics["selected_by"] == "ndcg@10"
    assert grpo.metrics["best_step"] == max(curve, key=lambda step: (curve[step]["ndcg@10"], -step))
    picked = grpo.metrics["also_selected"]["target"]
    assert picked == {"metric": "auc", "best_step": max(curve, key=lambda step: (curve[step]["auc"], -step))}
    # the weights kept are those of a training that picks by what it aims at
    alone = bench(fresh_workspace, *arms, "--pick", "target", settings=SHORT)
    assert made(fresh_workspace)["train"] == 4  # more SFT aims at NDCG@10 anyway
    (other,) = [one for one in find_runs(fresh_workspace.root, "train") if one.config.algo.select_by == "target"
                and one.config.algo.name == "grpo"]  # fmt: skip
    weights = [load_policy(folder)[0].state_dict() for folder in (grpo.path / "policy_by_auc", other.path / "policy")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert run.metrics["also_picked"]["target"] == alone.metrics
    by_pick = [entry for entry in run.manifest["evaluations"] if entry["arm"] == "grpo random"]
    assert [entry["pick"] for entry in by_pick] == ["ndcg@10", "target"]
    ranks = [pq.read_table(fresh_workspace.root / "eval" / "bazaar" / one["eval"] / "ranks.parquet") for one in by_pick]
    same = np.array_equal(*(table["above"].to_numpy() for table in ranks))
    assert same == (picked["best_step"] == grpo.metrics["best_step"])
    # it is said by what
    report = (run.path / "report.md").read_text()
    assert "picked on validation by `ndcg@10`, every arm's alike" in report
    assert "## Results, picked by target" in report and "by what each arm aims at" in report
    cost = [(row["arm"], row["picked"]) for row in run.manifest["cost"]]
    assert cost[:3] == [("sft", "ndcg@10"), ("more sft", "ndcg@10"), ("grpo random", "ndcg@10")]
    assert cost[3:] == [("sft", "ndcg@10"), ("more sft", "ndcg@10"), ("grpo random", "auc")]
    assert (kept / "table.md").is_file() and (kept / "picked_by_target" / "table.md").is_file()
    assert json.loads((kept / "evaluations.json").read_text())[-1]["pick"] == "target"
    # nothing is made twice, nor is there a checkpoint that nobody kept
    plan = fresh_workspace.stage("bench", *SHORT, *arms, "--pick", "ndcg@10,target", "--plan", "--json")
    assert json.loads(plan.out)["missing"] == 0 and json.loads(plan.out)["there"] == 7
    refuse(fresh_workspace.stage("eval", f"input={grpo.path}", "pick=hr@10"), "has kept what target picked")
    refuse(fresh_workspace.stage("eval", f"input={other.path}", "pick=auc"), "has kept no other checkpoint")
    assert Run(grpo.path).status == "done"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arms", "sft,tawn"], "did you mean 'tawin'?"),
        (["--seeds", "0,0"], "expected different whole numbers"),
        (["--seeds", "-1"], "--seeds -1: expected whole numbers of at least 0"),
        (["seed=1"], "seed is what a bench sets itself: leave it out, and use --seeds"),
        (["negatives=beam"], "use --arms"),
        (["algo.stps=3"], "did you mean 'algo.steps'?"),
        (["algo.window=[0.5,0.1]"], "0 <= a < b <= 1"),
        (["eval.split=tset"], "split='tset': expected one of validation, test"),
        (["reserved=0"], "reserved=0 keeps no interactions from SFT for more_sft to train on"),
        (["--metrics", "ndgc@10"], "metric 'ndgc@10' is not one of"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(arguments, words, fresh_workspace, refuse) -> None:
    refuse(fresh_workspace.stage("bench", *TINY, *arguments), words)
    assert not fresh_workspace.root.exists()


# keys that runs of earlier versions lack
LATER = {
    "eval": ("pick", "users", "exact_sample", "metrics", "metric_code", "top_items"),
    "train": ("micro_batch", "also_select_by", "scale_size", "rank_dropout", "anchor", "anchor_count", "continues"),
}


def test_runs_of_earlier_versions_are_compared_and_reused(fresh_workspace) -> None:
    """Their configs lack keys that have come since, which count as the defaults of today."""
    arms = ["--arms", "sft,grpo_beam", "--seeds", "0", "--metrics", "auc,hr@5"]
    first = bench(fresh_workspace, *arms)
    for stage, keys in LATER.items():
        for run in find_runs(fresh_workspace.root, stage):
            config: Any = OmegaConf.load(run.path / "config.yaml")
            for node in filter(None, (config, config.get("algo"), config.get("sft"))):
                for key in set(keys) & set(node):
                    del node[key]
            file = run.path / "config.yaml"
            OmegaConf.save(config, file)
            entries = json.loads((run.path / "files.json").read_text())
            entries["config.yaml"] = [
                file.stat().st_size,
                file.stat().st_mtime_ns,
                sha256(file.read_bytes()).hexdigest(),
            ]
            (run.path / "files.json").write_text(json.dumps(entries))
    again = bench(fresh_workspace, *arms)
    assert made(fresh_workspace) == {"data": 1, "train": 2, "eval": 2, "bench": 2}
    assert again.metrics == first.metrics
    scored = [str(run.path) for run in find_runs(fresh_workspace.root, "eval")]
    for command in (("compare", *scored), ("runs", "--runs", str(fresh_workspace.root)), ("report", again.path)):
        result = fresh_workspace.command(*map(str, command))
        assert result.code == 0, result.err
