"""How stages find what they start from, and how a run goes on after an interrupt."""

import json

import pytest

from recbench import upstream
from recbench.runs import find_runs
from recbench.upstream import require

pytestmark = pytest.mark.slow


@pytest.fixture
def chain(stub):
    """data <- train <- eval, each returning its seed; returns the calls made."""
    calls = []

    def data(config, run):
        calls.append("data")
        run.record(data_fingerprint=f"fingerprint of {config.data.options.get('seed', 0)}")
        return {"users": 1}

    def train(config, run):
        calls.append(f"train {config.algo.name}")
        made_from = require("data", config, run)
        run.record(data_fingerprint=made_from.data_fingerprint)
        if config.algo.name != "sft":
            make = {"algo": config.sft, "sft": config.sft, "seed": config.seed}
            require(
                "train", config, run, match=lambda other: other.config.algo.name == "sft", make=make, input=config.input
            )
        return {"auc": 0.5}

    def evaluate(config, run):
        calls.append("eval")
        require("train", config, run, input=config.input)
        return {"auc": 0.5}

    stub("data", data)
    stub("train", train)
    stub("eval", evaluate)
    return calls


def test_what_is_missing_is_made_first_and_named(command, chain, tmp_path):
    result = command("train", "--neg=beam")
    assert result.code == 0, result.err
    assert chain == ["train grpo", "data", "train sft"]
    assert "data: none fits, so one is made first" in result.err
    assert "train: none fits, so one is made first" in result.err
    assert len(find_runs(tmp_path / "runs")) == 3


def test_what_is_there_is_used_and_named(command, chain, tmp_path):
    command("train", "--neg=beam")
    (data,) = find_runs(tmp_path / "runs", "data")
    del chain[:]
    result = command("train", "--neg=random")
    assert chain == ["train grpo"]
    assert f"data: run {data.id}, the newest that fits" in result.err
    manifest = json.loads((find_runs(tmp_path / "runs", "train")[-1].path / "manifest.json").read_text())
    assert [entry["stage"] for entry in manifest["inputs"]] == ["data", "train"]
    assert manifest["inputs"][0]["content_hash"] == data.content_hash()


def test_eval_on_a_fresh_clone_makes_the_whole_chain(command, chain):
    assert command("eval").code == 0
    assert chain == ["eval", "train grpo", "data", "train sft"]


def evaluated(command, tmp_path):
    """The train run that a plain `recbench eval` takes, and what it says."""
    result = command("eval")
    assert result.code == 0, result.err
    return find_runs(tmp_path / "runs", "eval")[-1].input_run("train"), result.err


def test_eval_takes_what_was_asked_for_not_what_that_made(command, chain, tmp_path):
    command("train", "--neg=beam")  # makes an SFT run, which starts later
    assert evaluated(command, tmp_path)[0].config.algo.name == "grpo"
    command("train", "--algo=sft")  # by hand, and later
    assert evaluated(command, tmp_path)[0].config.algo.name == "sft"
    command("train", "--algo=tawin", "--top-k", "3")  # goes on from that SFT run
    assert evaluated(command, tmp_path)[0].config.algo.name == "tawin"
    command("train", "--neg=random", "--force")  # makes its SFT run anew
    assert evaluated(command, tmp_path)[0].config.algo.name == "grpo"
    command("report")
    latest = find_runs(tmp_path / "runs")[-1]
    assert latest.stage == "eval" and str(latest.path.relative_to(tmp_path)) in command("report").out


def test_what_was_made_for_a_training_that_failed_is_told(command, chain, stub, tmp_path):
    def failing(config, run):
        if config.algo.name == "sft":
            return {"auc": 0.5}
        require("train", config, run, make={"algo": config.sft})
        raise RuntimeError("boom")

    stub("train", failing)
    assert command("train", "--neg=beam").code == 1
    failed = next(run for run in find_runs(tmp_path / "runs", "train") if run.status == "failed")
    taken, said = evaluated(command, tmp_path)
    assert taken.config.algo.name == "sft"
    assert f"train: run {taken.id}, the newest that fits, made for train run {failed.id}" in said


def test_resume_goes_on_with_what_was_asked_for(command, stub, tmp_path):
    def stopping(config, run):
        if config.algo.name != "sft":
            require("train", config, run, make={"algo": config.sft})
            return {"auc": 0.5}
        if config.resume is None:
            raise KeyboardInterrupt
        return {"auc": 0.4}

    stub("train", stopping)
    assert command("train", "--neg=beam").code == 130  # stopped while it makes its SFT run: both are interrupted
    assert command("train", "--resume", "latest").code == 0
    sft, grpo = find_runs(tmp_path / "runs", "train")
    assert [run.status for run in (sft, grpo)] == ["done", "done"]
    assert grpo.input_run("train").id == sft.id and sft.manifest["resumed"] == 1


def test_a_run_that_another_job_ends_right_after_the_look_is_taken(command, chain, monkeypatch, tmp_path):
    command("train", "--neg=beam")
    (sft,) = (run for run in find_runs(tmp_path / "runs", "train") if run.config.algo.name == "sft")
    looked, find = [], upstream.find

    def too_early(stage, *args, **keys):
        looked.append(stage)
        return None if looked.count("train") == 1 and stage == "train" else find(stage, *args, **keys)

    monkeypatch.setattr(upstream, "find", too_early)
    del chain[:]
    result = command("train", "--neg=random")
    assert result.code == 0, result.err
    assert chain == ["train grpo"] and looked.count("train") == 2
    (other,) = (
        run
        for run in find_runs(tmp_path / "runs", "train")
        if run.config.negatives.kind == "random" and run.config.algo.name == "grpo"
    )
    assert other.input_run("train").id == sft.id


def test_other_data_are_made_anew(command, chain):
    command("train", "--algo=sft")
    command("train", "--algo=sft", "data.options.seed=7")
    assert chain.count("data") == 2


def test_force_makes_inputs_anew(command, chain):
    command("train", "--algo=sft")
    command("train", "--algo=sft", "--force")
    assert chain == ["train sft", "data", "train sft", "data"]


def test_no_upstream_fails_instead(command, chain, tmp_path):
    result = command("train", "--neg=beam", "--no-upstream")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "no finished data run on data bazaar fits under runs" in result.err
    assert chain == ["train grpo"]


def test_the_made_run_has_the_settings_asked_for(command, chain, tmp_path):
    command("train", "sft.epochs=2", "seed=5", "data.options.seed=3")
    sft = next(run for run in find_runs(tmp_path / "runs", "train") if run.config.algo.name == "sft")
    assert sft.config.algo.epochs == 2
    assert sft.config.seed == 5
    assert sft.config.data.options.seed == 3


def test_eval_takes_the_data_of_its_input(command, chain, tmp_path):
    command("train", "--algo=sft", "data.options.seed=7")
    command("train", "--algo=sft")
    first = find_runs(tmp_path / "runs", "train")[0]
    assert command("eval", f"input={first.id}").code == 0
    (evaluated,) = find_runs(tmp_path / "runs", "eval")
    assert evaluated.config.data.options.seed == 7


def test_other_data_than_the_inputs_are_refused(command, chain, tmp_path):
    command("train", "--algo=sft")
    result = command("eval", "input=latest", "data.options.seed=7")
    assert result.code == 2
    assert "is a run on data bazaar, and other data were asked for" in result.err
    assert find_runs(tmp_path / "runs", "eval") == []


def test_eval_of_a_failed_run(command, chain, stub, tmp_path):
    def failing(config, run):
        raise RuntimeError("boom")

    stub("train", failing)
    command("train")
    (failed,) = find_runs(tmp_path / "runs", "train")
    result = command("eval", f"input={failed.path}")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert f"train run {failed.id} is failed, not done" in result.err


def resumable(fail):
    """A train stage that is interrupted once, after writing what it goes on from."""

    def train(config, run):
        if config.resume is None and fail:
            (run.path / "state.json").write_text("7")
            raise KeyboardInterrupt
        assert config.resume == run.id
        return {"step": int((run.path / "state.json").read_text()), "seed": config.seed}

    return train


def test_resume_goes_on_in_the_same_folder_with_the_same_config(command, stub, tmp_path):
    stub("train", resumable(fail=True))
    assert command("train", "seed=3").code == 130
    result = command("train", "--resume", "latest")
    assert result.code == 0, result.err
    (run,) = find_runs(tmp_path / "runs", "train")
    assert run.status == "done"
    assert run.metrics == {"seed": 3, "step": 7}
    assert run.manifest["resumed"] == 1
    assert run.config.resume is None


def test_resume_of_a_finished_run(command, trained, tmp_path):
    command("train")
    (run,) = find_runs(tmp_path / "runs", "train")
    before = (run.path / "manifest.json").read_bytes()
    result = command("train", "--resume", run.id)
    assert result.code == 2
    assert result.err == f"error: train run {run.id} is done: there is nothing to resume\n"
    assert (run.path / "manifest.json").read_bytes() == before


def test_resume_takes_no_other_config(command, stub):
    stub("train", resumable(fail=True))
    command("train")
    result = command("train", "--resume", "latest", "seed=4")
    assert result.code == 2
    assert "leave seed=4 out" in result.err


def test_runs_lists_what_was_run(command, chain):
    command("train", "--algo=sft", "seed=4")
    result = command("runs")
    assert result.code == 0
    for word in ("data", "train", "bazaar", "done", "seed 4", "auc 0.5000"):
        assert word in result.out
    rows = json.loads(command("runs", "--stage", "train", "--json").out)["runs"]
    assert [(row["stage"], row["status"], row["metrics"]) for row in rows] == [("train", "done", {"auc": 0.5})]
