"""Run folders: whole files, identities, states, and finding them again."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from omegaconf import OmegaConf

from recbench.errors import UserError
from recbench.plain_json import plain
from recbench.runs import Run, atomic_path, create_run, find_runs, newest, resolve_run, write_json


@pytest.fixture
def config(tmp_path):
    return OmegaConf.create({"runs": str(tmp_path / "runs"), "seed": 0, "data": {"name": "toy"}})


def finished(config, stage="train", metrics=None):
    run = create_run(stage, config)
    run.finish("done", metrics or {"auc": 0.5})
    return run


def test_a_file_appears_whole(tmp_path):
    with atomic_path(tmp_path / "sub" / "a.csv") as partial:
        partial.write_text("half")
        assert partial.suffix == ".csv"
        assert not (tmp_path / "sub" / "a.csv").exists()
    assert (tmp_path / "sub" / "a.csv").read_text() == "half"
    assert os.listdir(tmp_path / "sub") == ["a.csv"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("first", "second"):
        with atomic_path(tmp_path / "policy") as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert os.listdir(tmp_path / "policy") == ["second"]


def test_plain_values():
    value = {"b": np.float64("nan"), "a": [np.int64(3), np.array([1.5, np.inf])], 1: (True, None, "x")}
    assert plain(value) == {"b": None, "a": [3, [1.5, None]], "1": [True, None, "x"]}


def test_json_has_sorted_keys_and_no_nan(tmp_path):
    write_json(tmp_path / "m.json", {"b": float("nan"), "a": 0.1})
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 0.1,\n  "b": null\n}\n'


def test_what_a_run_folder_has(config, tmp_path):
    run = create_run("train", config, ["seed=0", "algo=sft"])
    assert run.path.parent == tmp_path / "runs" / "train" / "toy"
    stamp, hash_of_config = run.id.rsplit("-", 1)
    time.strptime(stamp[:15], "%Y%m%d-%H%M%S")
    assert len(hash_of_config) == 6
    assert run.config == config
    assert list(OmegaConf.load(run.path / "overrides.yaml")) == ["seed=0", "algo=sft"]
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["status"] == "running"
    assert manifest["seed"] == 0
    assert manifest["versions"]["recbench"]
    assert set(manifest["hardware"]) == {"machine", "processor", "cores"}


def test_equal_configs_share_the_hash_and_nothing_else(config):
    first, second = create_run("train", config), create_run("train", config)
    assert first.id != second.id
    assert first.id[-6:] == second.id[-6:]


def test_the_manifest_names_no_host_user_or_home(config):
    run = finished(config)
    text = (run.path / "manifest.json").read_text()
    for secret in (os.uname().nodename, os.path.expanduser("~") + "/"):
        assert secret not in text


def test_finish_keeps_metrics_artifacts_time_and_memory(config):
    run = create_run("train", config)
    with run.logging():
        (run.path / "policy").mkdir()
        (run.path / "policy" / "weights.safetensors").write_bytes(b"w")
        (run.path / "events").mkdir()
        (run.path / "events" / "scalars").write_bytes(b"e")
        (run.path / "roc_head.png").write_bytes(b"p")
        run.note("a window is narrow")
        run.record(data_fingerprint="abc")
        run.finish("done", {"auc": float("nan")})
    again = Run(run.path)
    assert again.status == "done"
    assert again.metrics == {"auc": None}
    assert again.data_fingerprint == "abc"
    assert again.manifest["artifacts"] == ["policy/weights.safetensors"]
    assert again.manifest["notes"] == ["a window is narrow"]
    assert again.manifest["seconds"] >= 0
    assert again.manifest["peak_memory_mb"] > 1
    assert "a window is narrow" in (run.path / "log.txt").read_text()


def test_the_content_hash_is_that_of_what_was_made(config):
    runs = [create_run("data", config) for _ in range(3)]
    for run, content in zip(runs, (b"same", b"same", b"other"), strict=True):
        (run.path / "catalogue.parquet").write_bytes(content)
        run.finish("done", {"items": 3})
    first, second, other = (run.content_hash() for run in runs)
    assert first == second != other


def test_inputs_are_recorded_once_and_found_again(config):
    data, train = finished(config, "data"), create_run("train", config)
    train.use(data)
    train.use(data)
    (entry,) = train.manifest["inputs"]
    assert entry == {"stage": "data", "data": "toy", "id": data.id, "content_hash": data.content_hash()}
    found = Run(train.path).input_run("data")
    assert found is not None
    assert found.path == data.path
    assert train.input_run("train") is None


def test_finding(config, tmp_path):
    root = tmp_path / "runs"
    assert find_runs(root) == []
    data, first, second = finished(config, "data"), finished(config), finished(config)
    failed = create_run("train", config)
    failed.finish("failed", error="boom")
    assert [run.id for run in find_runs(root)] == [data.id, first.id, second.id, failed.id]
    assert [run.id for run in find_runs(root, "data")] == [data.id]
    assert find_runs(root, data="other") == []
    found = newest(root, "train", lambda run: True)
    assert found is not None
    assert found.id == second.id
    assert newest(root, "train", lambda run: run.id < second.id).id == first.id
    assert newest(root, "eval", lambda run: True) is None
    assert newest(root, "train", lambda run: True, status="failed").id == failed.id


def at(run, finished, **values):
    """The run as it would be had it ended at another time."""
    run.record(finished=finished, **values)
    return run


def test_what_ended_last_is_last_whenever_it_started(config, tmp_path):
    outer, inner = create_run("train", config), create_run("train", config)
    inner.finish("done", {"auc": 0.1})
    outer.finish("done", {"auc": 0.2})
    assert [run.id for run in find_runs(tmp_path / "runs")] == [inner.id, outer.id]
    assert resolve_run(tmp_path / "runs", "latest").id == outer.id


def test_manifests_with_whole_seconds(config, tmp_path):
    # As older versions wrote them: local time, and an outer run and its input within one second.
    outer, inner, other = (create_run("train", config) for _ in range(3))
    for run in (other, inner, outer):
        if run is outer:
            run.use(inner)
        run.finish("done", {"auc": 0.1})
        at(run, "2026-11-28T09:30:31")
    assert [run.id for run in find_runs(tmp_path / "runs")] == [inner.id, other.id, outer.id]


def test_a_clock_that_is_set_back(config, tmp_path):
    first = at(finished(config), "2099-01-01T00:00:00.000000+00:00")
    second, third = finished(config), finished(config)
    assert [run.id for run in find_runs(tmp_path / "runs")] == [first.id, second.id, third.id]
    assert not second.manifest["finished"].startswith("2099")  # the time itself is told as it was
    assert second.manifest["order"] == "2099-01-01T00:00:00.000001+00:00"


def test_an_hour_that_comes_twice(config, tmp_path):
    # 02:59 in summer time is before 02:01 in winter time, an hour later.
    winter, summer = (
        at(finished(config), "2026-10-25T02:01:00+01:00"),
        at(finished(config), "2026-10-25T02:59:00+02:00"),
    )
    for run in (winter, summer):
        run.manifest.pop("order", None)
        run.record()
    assert [run.id for run in find_runs(tmp_path / "runs")] == [summer.id, winter.id]


def test_manifests_that_name_each_other(config, tmp_path):
    first, second = finished(config), finished(config)
    for run, other in ((first, second), (second, first)):
        run.use(other)
    assert {run.id for run in find_runs(tmp_path / "runs")} == {first.id, second.id}


def test_what_was_made_for_another_stands_for_it_only_where_there_is_nothing_else(config, tmp_path):
    root = tmp_path / "runs"
    asked = finished(config)
    outer = create_run("train", config)
    made = create_run("train", config, made_for=outer)
    made.finish("done", {"auc": 0.1})
    assert made.made_for == {"stage": "train", "data": "toy", "id": outer.id}
    for found in (resolve_run(root, "latest"), resolve_run(root, "latest", "train"), newest(root, "train", bool)):
        assert found.id == asked.id
    asked.record(status="failed")
    assert resolve_run(root, "latest").id == newest(root, "train", bool).id == made.id
    outer.finish("done", {"auc": 0.2})
    assert resolve_run(root, "latest").id == outer.id


def test_the_newest_data_are_taken_whoever_asked(config, tmp_path):
    finished(config, "data")
    anew = create_run("data", config, made_for=create_run("train", config))
    anew.finish("done", {"users": 1})
    assert newest(tmp_path / "runs", "data", bool).id == anew.id


def test_resolving(config, tmp_path):
    root = tmp_path / "runs"
    first = finished(config)
    failed = create_run("train", config)
    failed.finish("failed")
    assert resolve_run(root, "latest").id == first.id
    assert resolve_run(root, "latest", "train", statuses=("failed",)).id == failed.id
    assert resolve_run(root, str(failed.path)).id == failed.id
    assert resolve_run(root, first.id[:-1]).id == first.id
    with pytest.raises(UserError, match="begins 2 run ids"):
        resolve_run(root, first.id[:8])
    with pytest.raises(UserError, match="no run 'xyz'"):
        resolve_run(root, "xyz")
    with pytest.raises(UserError, match="no run ''"):
        resolve_run(root, "")
    with pytest.raises(UserError, match="is a train run, and a data run is needed"):
        resolve_run(root, first.id, "data")
    with pytest.raises(UserError, match="no done eval run"):
        resolve_run(root, "latest", "eval")


@pytest.mark.process
def test_a_killed_run_counts_as_interrupted(config, tmp_path):
    code = (
        "import sys, time; from omegaconf import OmegaConf; from recbench.runs import create_run\n"
        f"run = create_run('train', OmegaConf.create({OmegaConf.to_container(config)!r}))\n"
        "with run.logging(): print('started', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    (run,) = find_runs(tmp_path / "runs")
    assert run.status == "running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run.status == "interrupted"


def test_reopening_clears_what_a_kill_left(config):
    run = create_run("train", config)
    (run.path / ".partial-1-ranks.parquet").write_bytes(b"half")
    run.finish("failed", error="boom")
    run.reopen()
    assert Run(run.path).manifest["status"] == "running"
    assert "error" not in run.manifest
    assert not list(run.path.glob(".partial-*"))
