"""A run folder that is damaged is listed and named, and stands in nobody's way; one that a user names is refused."""

import json
import os
import shutil
from pathlib import Path

import pytest

from recbench.runs import find_runs
from recbench.upstream import require

pytestmark = pytest.mark.slow

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(b'{"status": "do' if file.suffix == ".json" else b"data: {name: ["),
    "binary": lambda file: file.write_bytes(bytes(range(256))),
    "no object": lambda file: file.write_text("[1, 2]" if file.name != "overrides.yaml" else "a: 1"),
    "a number": lambda file: file.write_text("5"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a dangling link": lambda file: (file.unlink(), file.symlink_to("nowhere")),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "missing": lambda file: file.unlink(),
    "nested": lambda file: file.write_text("[" * 100_000 if file.suffix == ".json" else "[" * 10_000 + "]" * 10_000),
    "huge": lambda file: os.truncate(file, 1 << 30),
}
OF_JSON = {"beyond every number": lambda file: file.write_text('{"status": 1e999}')}
OF_YAML = {
    "a bomb of anchors": lambda file: file.write_text(BOMB),
    "a date that is none": lambda file: file.write_text("data: !!timestamp 2020-99-99"),
    "a tag": lambda file: file.write_text("!!python/object/apply:os.system ['true']"),
}
CASES = [
    (name, kind, damage)
    for name in ("manifest.json", "metrics.json", "config.yaml", "overrides.yaml")
    for kind, damage in {**DAMAGES, **(OF_JSON if name.endswith("json") else OF_YAML)}.items()
]


@pytest.fixture
def chain(stub):
    """data <- train <- eval, of which nothing is trained."""

    def data(config, run):
        run.record(data_fingerprint="f")
        return {"users": 1}

    def train(config, run):
        require("data", config, run)
        (run.path / "policy").mkdir()
        (run.path / "policy" / "model.safetensors").write_bytes(b"weights")
        return {"auc": 0.5}

    def evaluate(config, run):
        trained = require("train", config, run, input=config.input)
        return {"auc": len((trained.path / "policy" / "model.safetensors").read_bytes()) / 100}

    for name, function in (("data", data), ("train", train), ("eval", evaluate)):
        stub(name, function)


@pytest.fixture
def two_trained(command, chain, tmp_path, tmp_path_factory):
    """Two finished trainings in the folder of the test, made once."""
    if not _made:
        assert command("train", "--algo=sft").code == 0
        assert command("train", "--algo=sft", "seed=1").code == 0
        _made.append(shutil.copytree(tmp_path / "runs", tmp_path_factory.mktemp("made") / "runs"))
    else:
        shutil.copytree(_made[0], tmp_path / "runs")  # with the files' times
    return find_runs(tmp_path / "runs", "train")


_made: list[Path] = []


@pytest.mark.parametrize(("name", "kind", "damage"), CASES, ids=[f"{name} {kind}" for name, kind, _ in CASES])
def test_a_damaged_run(name, kind, damage, command, two_trained, tmp_path):
    good, bad = two_trained
    damage(bad.path / name)
    listed = command("runs")
    assert listed.code == 0, listed.err
    (row,) = [line for line in listed.out.splitlines() if bad.id in line]
    assert "unreadable" in row and name in row
    assert good.id in listed.out
    rows = json.loads(command("runs", "--json").out)["runs"]
    (found,) = [row for row in rows if row["id"] == bad.id]
    assert (found["stage"], found["data"], found["status"]) == ("train", "bazaar", "unreadable")
    assert found["reason"].startswith(name)
    # it stands in nobody's way: what takes the newest goes on with the other, where it reads what is damaged
    result = command("eval")
    if name in ("manifest.json", "config.yaml"):
        assert result.code == 0, result.err
        assert f"train: run {good.id}, the newest that fits" in result.err
        (told,) = [line for line in result.err.splitlines() if line.startswith("note: ")]
        assert str(bad.path.relative_to(tmp_path)) in told and name in told
    else:  # or refuses it by name: its files are no longer those that it wrote
        assert result.code == 2
        assert bad.id in result.err and name in result.err
    # one that is named is refused in a line
    for arguments in (["eval", f"input={bad.path}"], ["report", bad.id]):
        named = command(*arguments)
        assert named.code == 2, named
        (line,) = [line for line in named.err.splitlines() if line.startswith("error: ")]
        assert bad.id in line and name in line
        assert "Traceback" not in named.err


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": "finished"}, "status='finished': expected one of running, done, failed, interrupted"),
        ({"inputs": [{"stage": "data"}]}, "inputs="),
        ({"inputs": [{"stage": "..", "data": "..", "id": "..", "content_hash": ""}]}, "inputs="),
        ({"artifacts": ["../../../etc/passwd"]}, "artifacts="),
        ({"seconds": "long"}, "seconds='long': expected a number"),
        ({"stage": "eval"}, "is of eval/bazaar, not of train/bazaar"),
        ({"notes": None}, "notes=None: expected a list of texts"),
        ({"made_for": "me"}, "made_for='me'"),
    ],
)
def test_values_that_a_manifest_cannot_have(change, word, command, chain, tmp_path):
    command("train", "--algo=sft")
    (run,) = find_runs(tmp_path / "runs", "train")
    manifest = json.loads((run.path / "manifest.json").read_text())
    (run.path / "manifest.json").write_text(json.dumps(manifest | change))
    row = next(line for line in command("runs").out.splitlines() if run.id in line)
    assert "unreadable" in row and word in row
    assert command("train", "--algo=sft").code == 0


def test_a_config_with_a_value_where_a_node_belongs(command, chain, tmp_path):
    command("train", "--algo=sft")
    (run,) = find_runs(tmp_path / "runs", "train")
    text = (run.path / "config.yaml").read_text()
    start = text.index("algo:\n")
    end = start + 6 + next(i for i, c in enumerate(text[start + 6 :]) if c != " " and text[start + 5 + i] == "\n")
    (run.path / "config.yaml").write_text(text[:start] + "algo: 5\n" + text[end:])
    result = command("eval")
    assert result.code == 0, result.err
    assert "config.yaml has algo=5: expected keys and values" in result.err


def test_folders_that_are_no_runs_are_no_matter(command, chain, tmp_path):
    command("train", "--algo=sft")
    (tmp_path / "runs" / "train" / "bazaar" / "mine").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("")
    (tmp_path / "runs" / "train" / "loop").symlink_to("loop")
    result = command("runs")
    assert result.code == 0 and "unreadable" not in result.out and result.err == ""


# ---- files that are not those that the run wrote


def trained(command, tmp_path):
    assert command("train", "--algo=sft").code == 0
    (run,) = find_runs(tmp_path / "runs", "train")
    return run


CHANGES = {
    "other bytes, as many": (
        lambda path: (path / "policy/model.safetensors").write_bytes(b"WEIGHTS"),
        "model.safetensors",
    ),
    "more bytes": (lambda path: (path / "policy/model.safetensors").write_bytes(b"weights, more"), "model.safetensors"),
    "deleted": (lambda path: (path / "policy/model.safetensors").unlink(), "policy/model.safetensors is gone"),
    "added": (lambda path: (path / "policy/other.json").write_text("{}"), "policy/other.json was added"),
    "the config": (lambda path: (path / "config.yaml").open("a").write("more: 1\n"), "config.yaml"),
    "the metrics": (lambda path: (path / "metrics.json").write_text('{"auc": 0.9}'), "metrics.json"),
}


@pytest.mark.parametrize(("change", "word"), CHANGES.values(), ids=CHANGES)
def test_a_run_whose_files_are_changed_is_refused_by_name(change, word, command, chain, tmp_path):
    run = trained(command, tmp_path)
    change(run.path)
    for arguments in (["eval"], ["eval", "input=latest"], ["eval", f"input={run.path}"], ["report", run.id]):
        result = command(*arguments)
        assert result.code == 2, result
        (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert f"train run {run.id} is not as it was when it ended: " in line and word in line
    assert find_runs(tmp_path / "runs", "eval") == []


def test_a_copy_whose_times_are_new_is_the_same_run(command, chain, tmp_path):
    run = trained(command, tmp_path)
    copy = tmp_path / "elsewhere" / "runs"
    shutil.copytree(tmp_path / "runs", copy, copy_function=shutil.copy)  # as cp -r: the times are of now
    result = command("eval", f"runs={copy}")
    assert result.code == 0, result.err
    there = copy / run.path.relative_to(tmp_path / "runs")
    entry = json.loads((there / "files.json").read_text())["policy/model.safetensors"]
    assert entry[1] == (there / "policy/model.safetensors").stat().st_mtime_ns  # hashed once
    (there / "policy/model.safetensors").write_bytes(b"WEIGHTS")
    assert command("eval", f"runs={copy}").code == 2


@pytest.mark.parametrize("content", [b"weights", b"WEIGHTS"])
def test_runs_of_before_files_json(content, command, chain, tmp_path):
    run = trained(command, tmp_path)
    (run.path / "files.json").unlink()
    assert command("eval").code == 0
    (run.path / "policy/model.safetensors").write_bytes(content)
    later = Path(run.path / "policy/model.safetensors").stat().st_mtime + 10
    os.utime(run.path / "policy/model.safetensors", (later, later))
    result = command("eval")
    assert (result.code == 0) is (content == b"weights"), result.err
    if result.code:
        assert "policy/model.safetensors has other content" in result.err


def test_what_a_report_or_a_person_adds_is_no_change(command, chain, tmp_path):
    run = trained(command, tmp_path)
    assert command("report", run.id).code == 0
    for name in ("roc.png", ".DS_Store", "policy/.hidden", "report.md"):
        (run.path / name).write_text("x")
    assert command("eval").code == 0


def test_checkpoints_may_be_deleted_and_not_changed(command, chain, stub, tmp_path):
    def train(config, run):
        for name in ("policy", "checkpoints/last"):
            (run.path / name).mkdir(parents=True)
            (run.path / name / "model.safetensors").write_bytes(b"weights")
        return {"auc": 0.5}

    stub("train", train)
    run = trained(command, tmp_path)
    (run.path / "checkpoints/last/model.safetensors").write_bytes(b"WEIGHTS")
    assert "checkpoints/last/model.safetensors has other content" in command("eval").err
    shutil.rmtree(run.path / "checkpoints")
    assert command("eval").code == 0
