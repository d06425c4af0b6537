"""What a stage needs and does not find is made first, named on standard error, and reused afterwards."""

import os
import re
import subprocess
import sys

import pytest

from recbench.composition import compose
from recbench.runs import find_runs
from recbench.upstream import _digest, _making_alone

pytestmark = pytest.mark.slow

TINY = [
    "data.options.size=tiny",
    "policy.layers=1",
    "policy.width=16",
    "policy.feed_forward=16",
    "sft.epochs=2",
    "algo.steps=2",
    "algo.batch_size=16",
    "algo.group_size=4",
    "algo.validation_cases=20",
]


def test_a_training_makes_its_data_and_its_sft_once(fresh_workspace) -> None:
    first = fresh_workspace.stage("train", "--neg=beam", *TINY)
    assert first.code == 0, first.err
    assert "data: none fits, so one is made first" in first.err
    assert "train: none fits, so one is made first" in first.err
    (data,) = find_runs(fresh_workspace.root, "data")
    trained = find_runs(fresh_workspace.root, "train")
    sft = next(run for run in trained if run.config.algo.name == "sft")
    assert len(trained) == 2 and sft.config.algo.epochs == 2
    # the same start again, for another rule; other SFT settings are other runs
    second = fresh_workspace.stage("train", "--algo=tawin", "--top-k", "3", *TINY)
    assert second.code == 0, second.err
    assert f"data: run {data.id}, the newest that fits" in second.err
    assert f"train: run {sft.id}, the newest that fits" in second.err
    other = fresh_workspace.stage("train", "--neg=random", *TINY, "sft.epochs=1")
    assert re.search("train: none fits", other.err), other.err
    assert len(find_runs(fresh_workspace.root, "data")) == 1
    # an evaluation finds the newest training on its data
    newest = find_runs(fresh_workspace.root, "train")[-1]
    evaluated = fresh_workspace.stage("eval", "data.options.size=tiny", "bootstrap=0")
    assert evaluated.code == 0, evaluated.err
    assert "the newest that fits" in evaluated.err
    assert newest.manifest["data"] == "bazaar"


def test_eval_takes_the_training_that_was_asked_for(fresh_workspace) -> None:
    """In an empty folder: train, then eval; the SFT run that the training made for itself started later than it."""
    trained = fresh_workspace.made("train", "--neg=beam", *TINY)
    evaluated = fresh_workspace.made("eval", "data.options.size=tiny", "bootstrap=0", "--window", "0.01,0.05")
    assert evaluated.input_run("train").id == trained.id
    assert evaluated.metrics["trained"]["algorithm"] == "grpo"
    sft = trained.input_run("train")
    assert sft.id > trained.id and sft.made_for == {"stage": "train", "data": "bazaar", "id": trained.id}
    of_sft = [text for text in TINY if not text.startswith("algo.")]
    by_hand = fresh_workspace.made("train", "--algo=sft", *of_sft)
    again = fresh_workspace.made("eval", "data.options.size=tiny", "bootstrap=0")
    assert again.input_run("train").id == by_hand.id


def test_nothing_is_made_when_that_is_forbidden(fresh_workspace, refuse) -> None:
    refuse(fresh_workspace.stage("train", "--no-upstream", *TINY), "no finished data run on data bazaar fits")
    refuse(fresh_workspace.stage("eval", "--no-upstream"), "no finished train run on data bazaar fits")
    assert find_runs(fresh_workspace.root) == []


def test_reserved_must_agree_with_the_start(workspace, sft_run, refuse) -> None:
    result = workspace.stage("train", f"input={sft_run.path}", "reserved=2", "--neg=random")
    refuse(result, "reserved=2 is asked for")


HOLDER = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_jobs_wait_for_each_other_only_where_they_make_the_same(tmp_path, monkeypatch) -> None:
    config = compose("train", ["data=bazaar"])
    first, second = (_digest(config, {"algo": config.sft, "seed": seed, "device": "cpu"}) for seed in (0, 1))
    assert first == _digest(config, {"algo": config.sft, "seed": 0, "device": "cuda"}) != second
    command = [sys.executable, "-c", HOLDER, str(tmp_path / f".making-{first}.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()  # it holds the lock now
        with _making_alone(tmp_path, second) as waited:
            assert not waited
        stdin = other.stdin
        monkeypatch.setattr("recbench.upstream.time.sleep", lambda seconds: stdin.close())  # let go while we wait
        with _making_alone(tmp_path, first) as waited:
            assert waited
