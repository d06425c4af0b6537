"""Multiruns of the real stages: jobs find or make what they need, and one table stands over what they left."""

import json

import pytest

from recbench.runs import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]], ids=["basic", "joblib"]
)
def test_a_sweep_makes_what_its_jobs_need_and_tabulates_them(launcher, fresh_workspace) -> None:
    market = ["data=bazaar", "data.options.size=tiny", "policy.layers=1", "policy.width=16", "policy.feed_forward=16"]
    short = ["sft.epochs=1", "algo.steps=2", "algo.evaluate_every=1", "algo.group_size=8"]
    result = fresh_workspace.stage("train", "-m", *market, *short, "--neg=random,beam", *launcher, "--json")
    assert result.code == 0, result.err
    jobs = json.loads(result.out)["jobs"]
    assert [job["status"] for job in jobs] == ["done", "done"]
    runs = [Run(fresh_workspace.root.parent / job["path"]) for job in jobs]
    assert [run.config.negatives.kind for run in runs] == ["random", "beam"]
    starts = {run.input_run("train").id for run in runs}
    assert len(starts) == 1  # both from one SFT run, which one of them made
    for job, run in zip(jobs, runs, strict=True):
        assert job["metrics"] == run.metrics
    (table,) = (fresh_workspace.root / "multirun" / "train").glob("*/table.md")
    assert "negatives=random" in table.read_text() and "negatives=beam" in table.read_text()
