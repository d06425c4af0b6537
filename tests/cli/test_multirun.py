import json

import pytest

from recbench.composition import compose
from recbench.errors import UserError
from recbench.runs import find_runs

pytestmark = pytest.mark.slow


def folder_of(tmp_path):
    (folder,) = (tmp_path / "runs" / "multirun" / "train").iterdir()
    return folder


def test_every_combination_is_an_ordinary_run(command, trained, tmp_path):
    result = command("train", "-m", "--neg=random,beam", "seed=1,2")
    assert result.code == 0, result.err
    assert [(config.negatives.kind, config.seed) for config in trained] == [
        ("random", 1),
        ("random", 2),
        ("beam", 1),
        ("beam", 2),
    ]
    assert [run.status for run in find_runs(tmp_path / "runs", "train")] == ["done"] * 4
    assert sorted(file.name for file in folder_of(tmp_path).iterdir()) == ["jobs.json", "table.md"]
    table = (folder_of(tmp_path) / "table.md").read_text()
    assert "| negatives=random seed=1 | 0.1000 |" in table
    assert "| negatives=beam seed=2 | 0.2000 |" in table
    assert "negatives=beam seed=2" in result.out


def test_several_windows_sweep_in_train(command, trained):
    result = command("train", "-m", "--algo=tawin", "--window", "0,0.1", "--window", "0.1,0.3")
    assert result.code == 0, result.err
    assert [list(config.algo.window) for config in trained] == [[0.0, 0.1], [0.1, 0.3]]


def test_top_k_sweeps(command, trained):
    assert command("train", "-m", "--algo=tawin", "--top-k", "5,10").code == 0
    assert [config.algo.top_k for config in trained] == [5, 10]


def test_an_override_wins_over_a_swept_flag(command, trained):
    assert command("train", "-m", "--neg=random,beam", "negatives=mixed", "seed=1,2").code == 0
    assert [config.negatives.kind for config in trained] == ["mixed", "mixed"]


def test_a_key_of_one_job_is_left_out_of_those_in_which_it_has_no_effect(command, trained, tmp_path):
    result = command("train", "-m", "algo=sft,grpo", "algo.steps=3", "negatives=random")
    assert result.code == 0, result.err
    assert "note: job 0 leaves out what has no effect in it: algo.steps=3 negatives=random" in result.err
    sft, grpo = trained
    assert (sft.algo.name, grpo.algo.name, grpo.algo.steps, grpo.negatives.kind) == ("sft", "grpo", 3, "random")
    assert sft == compose("train", ["algo=sft"])  # as if it had been asked for alone, so that rl finds it
    assert [run.overrides for run in find_runs(tmp_path / "runs", "train")] == [
        ["algo=sft"],
        ["algo=grpo", "algo.steps=3", "negatives=random"],
    ]
    jobs = json.loads((folder_of(tmp_path) / "jobs.json").read_text())
    assert [job["name"] for job in jobs] == ["algo=sft", "algo=grpo"]
    assert [job.get("left_out") for job in jobs] == [["algo.steps=3", "negatives=random"], None]


@pytest.mark.parametrize("more", [["seed=1,2"], ["algo.epochs=2,3"], []])
def test_a_key_without_an_effect_in_any_job_is_refused_before_anything_runs(more, command, trained, tmp_path):
    result = command("train", "-m", "algo=sft", "algo.steps=3", *more)
    assert (result.code, result.out, trained) == (2, "", [])
    where = "in any job" if more else "here"
    assert result.err.startswith(f"error: algo.steps=3 has no effect {where}: it is for an rl rule"), result.err
    assert result.err.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_an_aim_is_for_the_jobs_of_tawin(command, trained):
    result = command("train", "-m", "algo=sft,grpo,tawin", "--top-k", "5", "--neg=random")
    assert result.code == 0, result.err
    assert [config.algo.top_k for config in trained] == [None, None, 5]
    assert "job 1 leaves out what has no effect in it: algo.top_k=5\n" in result.err


def test_a_job_with_a_wrong_value_says_so_itself(command, trained):
    result = command("train", "-m", "algo=sft,grpo", "algo.steps=-3")
    assert result.code == 2 and [config.algo.name for config in trained] == ["sft"]
    assert "failed: job algo=grpo: algo.steps=-3: expected at least 0" in result.err


def test_a_failed_job_is_named_and_the_others_stay(command, stub, tmp_path):
    def train(config, run):
        if config.seed == 2:
            raise RuntimeError("boom")
        return {"auc": config.seed / 10}

    stub("train", train)
    result = command("train", "-m", "seed=1,2,3")
    assert result.code == 1
    assert "failed: job seed=2: RuntimeError: boom (run: runs/train/bazaar/" in result.err
    assert [run.status for run in find_runs(tmp_path / "runs", "train")] == ["done", "failed", "done"]
    table = (folder_of(tmp_path) / "table.md").read_text()
    assert "| seed=1 | 0.1000 |" in table
    assert "| seed=3 | 0.3000 |" in table
    assert "failed: seed=2" in table


def test_when_all_failures_are_mistakes_the_status_is_two(command, stub):
    def train(config, run):
        raise UserError("no")

    stub("train", train)
    assert command("train", "-m", "seed=1,2").code == 2


def test_an_interrupted_sweep_keeps_what_is_done(command, stub, tmp_path):
    def train(config, run):
        if config.seed == 2:
            raise KeyboardInterrupt
        return {"auc": 0.5}

    stub("train", train)
    assert command("train", "-m", "seed=1,2,3").code == 130
    jobs = json.loads((folder_of(tmp_path) / "jobs.json").read_text())
    assert [job["status"] for job in jobs] == ["done", "interrupted"]


def test_json_holds_every_job(command, trained):
    jobs = json.loads(command("train", "-m", "seed=1,2", "--json").out)["jobs"]
    assert [job["metrics"]["auc"] for job in jobs] == [0.1, 0.2]


def test_the_runs_folder_may_be_elsewhere(command, trained, tmp_path):
    assert command("train", "-m", "runs='my runs'", "seed=1,2").code == 0
    assert len(find_runs(tmp_path / "my runs", "train")) == 2
    assert not (tmp_path / "runs").exists()


def test_joblib_runs_jobs_in_other_processes(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sizes = ["data.options.size=tiny", "data.options.seed=1,2", "hydra.launcher.n_jobs=2"]
    result = command("data", "-m", *sizes, "hydra/launcher=joblib")
    assert result.code == 0, result.err
    runs = find_runs(tmp_path / "runs", "data")
    assert [run.status for run in runs] == ["done", "done"]
    assert {run.config.data.options.seed for run in runs} == {1, 2}
    assert "2 of 2 jobs" in result.out
