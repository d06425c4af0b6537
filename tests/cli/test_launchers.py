"""A launcher that starts several processes of what one process runs is refused once, before anything is made."""

import os
import subprocess
import sys

import pytest

from recbench import cli


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--algo=sft"],
        ["ctr"],
        ["eval"],
        ["bench", "--plan"],
        ["tokenize"],
        ["simulate"],
        ["data"],
        ["laboratory"],
        ["demo"],
        ["score", "x.csv"],
    ],
)
def test_the_first_process_tells_it_and_the_others_are_silent(command, monkeypatch, tmp_path, arguments):
    monkeypatch.setattr(cli, "AFTER_THE_FIRST", 0.0)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    first = command(*arguments)
    assert first.code == 2 and first.out == ""
    assert first.err == (
        f"error: {arguments[0]} runs in one process, and WORLD_SIZE=4 tells of 4: start it once, without torchrun; "
        "only caption shares its work\n"
    )
    monkeypatch.setenv("RANK", "3")
    assert command(*arguments) == (2, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["1", "", "many"])
def test_one_process_is_none_of_a_launch(command, trained, monkeypatch, size):
    monkeypatch.setenv("WORLD_SIZE", size)
    assert command("train").code == 0
    assert len(trained) == 1


def test_captions_are_shared(command, stub, monkeypatch):
    stub("caption", lambda config, run: {})
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert command("caption").code == 0


@pytest.mark.process
def test_torchrun(tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "recbench", "train", "--algo=sft"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.count("error: train runs in one process, and WORLD_SIZE=2") == 1
    assert list(tmp_path.iterdir()) == []
