"""recbench demo on the smallest market: both chains, one report, and nothing made twice."""

import json

import pytest

from recbench.runs import find_runs
from recbench.stages import demo

pytestmark = pytest.mark.slow

TINY = ["data=bazaar", "data.options.size=tiny"]
RECOMMENDER = [
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
CAPTIONS = [
    "captioner.epochs=1",
    "captioner.least_steps=2",
    "captioner.width=32",
    "captioner.vision_layers=1",
    "captioner.language_layers=1",
    "captioner.max_tokens=4",
]
CLICKS = ["ctr.epochs=1", "ctr.embedding_size=4", "latency_repeats=3"]


def made(workspace) -> dict[str, int]:
    stages = ("data", "caption", "tokenize", "ctr", "simulate", "train", "eval", "bench", "demo")
    return {stage: len(find_runs(workspace.root, stage)) for stage in stages}


def test_the_demo_runs_both_chains_and_reports_them_together(monkeypatch, fresh_workspace) -> None:
    settings = {"MARKET": TINY, "RECOMMENDER": RECOMMENDER, "CAPTIONS": CAPTIONS, "CLICKS": CLICKS, "CTR_SEEDS": 2}
    for name, value in settings.items():
        monkeypatch.setattr(demo, name, value)
    arguments = ("demo", "--runs", str(fresh_workspace.root), "--seed", "4", "threads=1")
    result = fresh_workspace.command(*arguments)
    assert result.code == 0, result.err
    first = made(fresh_workspace)
    # one SFT, and from it four arms, each of them and the checkpoint evaluated
    assert first.pop("train") == first.pop("eval") == 5
    assert set(first.values()) == {1}
    stages = [line for line in result.err.splitlines() if line.startswith("== stage ")]
    assert [line.split(",")[0] for line in stages] == [
        f"== stage {place} of 6: {stage}"
        for place, stage in enumerate(("data", "caption", "tokenize", "ctr", "simulate", "bench"), start=1)
    ]
    assert " left" not in stages[0]  # nothing has told the pace yet
    assert all(line.endswith(" left") for line in stages[1:])
    arms = [line for line in result.err.splitlines() if line.startswith("== arm ")]
    assert arms[0] == "== arm 1 of 5: seed 4: bazaar: sft"
    assert [line.split(":")[0] for line in arms] == [f"== arm {place} of 5" for place in range(1, 6)]
    for stage in ("data", "caption", "tokenize", "ctr", "simulate", "train", "eval"):
        assert {other.config.threads for other in find_runs(fresh_workspace.root, stage)} == {1}
    (run,) = find_runs(fresh_workspace.root, "demo")
    assert run.status == "done" and str(run.path / "report.html") in result.err
    metrics = json.loads((run.path / "metrics.json").read_text())
    (ctr,) = find_runs(fresh_workspace.root, "ctr")
    assert metrics["ctr"] == ctr.metrics and list(ctr.config.seeds) == [4, 5]
    assert {arm["arm"] for arm in metrics["bench"]["arms"]} >= {"sft", "grpo random", "grpo beam"}
    report = (run.path / "report.md").read_text()
    for heading in (
        "## Pictures become captions",
        "## Captions join a click model",
        "## The click models meet users",
        "## Recommenders are tuned with reinforcement learning",
    ):
        assert heading in report
    assert "## Results" not in report
    pictures = ("contact_sheet.png", "gains.png", "arm_gains.png")
    assert len({(run.path / name).read_bytes() for name in pictures}) == 3  # each its own
    assert (run.path / "gains.png").read_bytes() == (ctr.path / "gains.png").read_bytes()
    assert (run.path / "report.html").read_text().count("data:image/png;base64,") == 3
    for table in ("captions over none, cold items", "lift", "tawin"):
        assert table in result.out

    repeated = fresh_workspace.command(*arguments)
    assert repeated.code == 0
    assert not [line for line in repeated.err.splitlines() if line.startswith("== ") and line.endswith(" left")]
    again = made(fresh_workspace)
    assert again == first | {"train": 5, "eval": 5, "bench": 2, "demo": 2}  # what they are made of was there


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("algo.steps=3", "algo.steps=3: the demo takes seed=, runs=, threads=, device="),
        ("thread=1", "thread=1: the demo takes seed=, runs=, threads=, device=; did you mean 'threads'?"),
        ("threads=many", "threads"),
        ("threads=-1", "threads=-1: expected at least 0"),
        ("device=abacus", "device=abacus"),
    ],
)
def test_settings_that_a_demo_does_not_take(argument: str, words: str, fresh_workspace, refuse) -> None:
    refuse(fresh_workspace.command("demo", "--runs", str(fresh_workspace.root), argument), words)
    assert not fresh_workspace.root.exists()
