"""A disk that fills up, files that may not grow, folders that vanish: one line, the right status, nothing by halves."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recbench.runs import Run, atomic_path, find_runs
from recbench.upstream import require


@pytest.fixture
def chain(stub):
    """data <- train, both of which write files."""

    def data(config, run):
        with atomic_path(run.path / "catalogue.parquet") as partial:
            partial.write_text("items")
        return {"users": 1}

    def train(config, run):
        require("data", config, run)
        run.note("a note")
        for _ in range(2):
            with atomic_path(run.path / "checkpoints" / "last") as partial:
                partial.mkdir()
                (partial / "model.safetensors").write_text("weights")
        return {"auc": 0.5}

    stub("data", data)
    stub("train", train)


def fill_disk_at(write: int, monkeypatch) -> list[int]:
    """Let the write-th use of Path.write_text, and all after it, find a full disk; returns the count of uses."""
    count, real = [0], Path.write_text

    def writing(path, *arguments, **keys):
        count[0] += 1
        if count[0] >= write:
            real(path, "ha", encoding="utf-8")  # half of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *arguments, **keys)

    monkeypatch.setattr(Path, "write_text", writing)
    return count


@pytest.mark.parametrize("write", range(1, 40))
def test_a_disk_that_is_full_from_some_write_on(write, command, chain, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        count = fill_disk_at(write, patch)
        result = command("train", "--algo=sft")
    assert "Traceback" not in result.err
    runs = find_runs(tmp_path / "runs")
    for run in runs:  # on the disk itself, not by locks
        assert json.loads((run.path / "manifest.json").read_text())["status"] in ("done", "failed")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".partial-", ".whole-", ".aside-"))]
    asked = [run for run in runs if run.stage == "train"]
    if result.code == 0:  # the disk filled up with the report, or not at all
        assert asked[0].status == "done" and asked[0].metrics == {"auc": 0.5}
        if count[0] >= write:
            assert "warning: the run is done, but not its report: " in result.err
            assert "No space left on device" in result.err
        return
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: runs/") and "cannot be written: No space left on device" in line
    assert all(run.status == "failed" for run in asked)
    # room again: the same command does it
    assert command("train", "--algo=sft").code == 0


def test_every_write_has_had_its_turn(command, chain, monkeypatch):
    count = fill_disk_at(10**6, monkeypatch)
    assert command("train", "--algo=sft").code == 0
    assert 15 < count[0] < 40


@pytest.mark.process
def test_files_that_may_not_grow(tmp_path):
    code = (
        "import resource, sys; from recbench import cli\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "data", "data=bazaar", "data.options.size=tiny"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: runs/data/bazaar/") and "cannot be written: File too large" in line
    (run,) = find_runs(tmp_path / "runs")
    assert run.status == "failed"


def test_a_run_folder_that_is_deleted_on_the_way(command, stub, tmp_path):
    def train(config, run):
        shutil.rmtree(run.path)
        with atomic_path(run.path / "checkpoints" / "last") as partial:  # as a training does that has not noticed
            partial.mkdir()
        return {"auc": 0.5}

    stub("train", train)
    result = command("train")
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert "is gone: the run's folder was deleted or moved while it ran" in line
    assert find_runs(tmp_path / "runs") == []
    assert list((tmp_path / "runs" / "train" / "bazaar").iterdir()) == []


def test_a_file_that_takes_the_place_of_a_folder(command, chain, tmp_path):
    (tmp_path / "runs").write_text("")
    result = command("train")
    assert result.code == 2
    assert (
        result.err
        == "error: runs=runs/train/bazaar cannot be made: Not a directory; give another folder with runs=FOLDER\n"
    )


def test_an_end_that_comes_after_the_end_changes_nothing(command, stub, tmp_path):
    def train(config, run):
        run.finish("done", {"auc": 0.5})
        raise KeyboardInterrupt  # between the last write and the return

    stub("train", train)
    assert command("train").code == 130
    (run,) = find_runs(tmp_path / "runs")
    assert Run(run.path).status == "done"
