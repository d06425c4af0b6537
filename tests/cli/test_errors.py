"""Every mistake is told in one line, with status 2, and leaves nothing half made."""

import json
import shutil

import pytest

from recbench import config_folders
from recbench.errors import UserError
from recbench.runs import find_runs

pytestmark = pytest.mark.slow

MISTAKES = [
    (["train", "--nope"], "--nope"),
    (["trian"], "trian"),
    (["train", "--neg=foo"], "negatives=foo: expected one of beam, dns, mixed, random, window"),
    (["train", "--algo=tawn"], "did you mean 'tawin'?"),
    (["train", "data=bazar"], "did you mean 'bazaar'?"),
    (["train", "algo.stpes=1"], "unknown key algo.stpes; did you mean 'algo.steps'?"),
    (["train", "neg=beam"], "unknown key neg; did you mean 'negatives"),
    (["train", "+algo.foo=1"], "unknown key algo.foo"),
    (["train", "algo.steps=many"], "algo.steps=many: expected a whole number, at least 0"),
    (["train", "algo.surrogate=linar"], "did you mean 'linear'?"),
    (["train", "algo.group_size=1"], "algo.group_size=1: expected at least 2"),
    (["train", "algo.learning_rate=nan"], "algo.learning_rate=nan: expected a finite number"),
    (["train", "algo.select_by=recall"], "algo.select_by='recall': expected one of target, auc, wpauc(a,b)"),
    (["train", "seed=-1"], "seed=-1: expected at least 0"),
    (["ctr", "ctr.learning_rate=x"], "ctr.learning_rate=x: expected a number"),
    (["ctr", "force=maybe"], "force=maybe: expected true or false"),
    (["ctr", "seeds=abc"], "seeds=abc: expected a list of whole numbers, as in [1,2]"),
    (["ctr", "ks=[a]"], "ks=[a]: expected a list of whole numbers, as in [1,2]"),
    (["ctr", "arms=x"], "arms=x: expected a list of words, as in [a,b]; one of without, with, shuffled"),
    (["eval", "windows=[[a,b]]"], "windows=[[a,b]]: expected a list of lists of numbers, as in [[0.1,0.2]]"),
    (["eval", "windows=[0.1,0.2]"], "windows=[0.1,0.2]: expected a list of lists of numbers"),
    (["data", "data.options=3"], "data.options=3: expected keys and values, as in {a: 1}"),
    (["laboratory", "algo=tawin"], "algo: laboratory has no choice of algo: set its keys, such as algo.name"),
    (["train", "seed=1,2"], "add -m"),
    (["train", "seed=abc"], "seed=abc: expected a whole number, at least 0"),
    (["train", "seed=99999999999999999999"], "seed=99999999999999999999: expected a whole number of at most"),
    (["train", f"algo.batch_size=1{'0' * 400}"], "algo.batch_size=1e300 or more: expected a whole number of"),
    (["train", "algo.epochs=1e300"], "algo.epochs=1e+300: expected at least 0 and at most 1,000,000"),
    (["train", "--resume", ""], "resume='' is empty"),
    (["train", "resume="], "resume='' is empty"),
    (["train", "input="], "no run ''"),
    (["caption", "captioner.path="], "captioner.path='' is empty"),
    (["ctr", "--seeds", "99999999999999999999"], "--seeds 99999999999999999999: expected whole numbers of at most"),
    (["eval", "--k", "99999999999999999999"], "--k 99999999999999999999: expected whole numbers of at most"),
    (["eval", "--k", "9" * 5000], "--k 999999999999999999999999999999…: expected whole numbers of at most"),
    (["eval", "ks=[99999999999999999999]"], "ks=99999999999999999999: expected a whole number of at most"),
    (["eval", "bootstrap=1e12"], "bootstrap=1e12: expected a whole number, at least 0 and at most 1,000,000"),
    (["eval", "bootstrap=1000000000000"], "bootstrap=1000000000000: expected at least 0 and at most 1,000,000"),
    (["eval", f"max_cases={10**30}"], "max_cases=1e+30: expected a whole number of at most"),
    (["score", "scores.csv", "--samples", "1000000000000"], "--samples"),
    (["train", "a b"], "cannot read 'a b'"),
    (["train", "policy.width=130"], "policy.width=130: expected a multiple of twice the heads (4)"),
    (["train", "--window", "0,0.1"], "algo.window is for tawin"),
    (["train", "--top-k", "3"], "algo.top_k is for tawin"),
    (["train", "--anchor", "3"], "algo.anchor is for tawin"),
    (["train", "--algo=tawin", "--anchor", "3", "--top-k", "3"], "top_k and anchor are given"),
    (["train", "negatives=window"], "negatives=window is for tawin"),
    (["train", "--algo=tawin"], "none is given"),
    (["train", "--algo=tawin", "--window", "0,0.1", "--top-k", "3"], "window and top_k are given"),
    (["train", "--algo=tawin", "--weights", "ndcg@10", "--top-k", "3"], "top_k and weights are given"),
    (["train", "--algo=tawin", "--weights", "map@10"], "expected window, ndcg@K or mrr@K"),
    (["train", "--algo=grpo", "--weights", "ndcg@10"], "algo.weights is for tawin"),
    (["train", "--algo=tawin", "algo.window=[0.5,0.1]"], "algo.window=[0.5, 0.1]"),
    (["train", "--algo=tawin", "--window", "0,.1", "--window", ".1,.2"], "add -m"),
    (["train", "--algo=tawin", "--top-k", "ten"], "--top-k ten"),
    (["train", "--window", "0.5,0.1"], "0.5,0.1"),
    (["train", "--window", "a,b"], "a,b"),
    (["train", "--window", "0,2"], "0 <= a < b <= 1"),
    (["eval", "--window", "0.1"], "0.1"),
    (["eval", "--k", "5,zero"], "--k 5,zero"),
    (["eval", "windows=[]", "ks=[]"], "windows and ks are both empty"),
    (["eval", "ks=[0]"], "ks=[0]"),
    (["eval", "split=train"], "split='train': expected one of validation, test"),
    (["eval", "input=20990101"], "no run '20990101' under runs"),
    (["eval", "experiment=beauty_sft"], "experiment=beauty_sft is not for this command: it sets algo"),
    (["train", "--resume", "latest"], "no interrupted or failed train run"),
    (["train", "item_tokens=given"], "item_tokens.path=FILE"),
    (["train", "data.name=a/b"], "cannot name a folder"),
    (["train", "-m", "seed=1,2", "--cfg"], "--cfg prints one config"),
    (["train", "-m", "algo.steps=many,few"], "algo.steps=many: expected a whole number"),
    (["data", "runs=/dev/null/x"], "cannot be made"),
    (["score", "nothing.csv"], "nothing.csv"),
    (["report"], "no done or failed or interrupted run under runs"),
    (["report", "abc"], "no run 'abc'"),
    (["runs", "--runs", "nowhere"], "no folder nowhere"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments, words, command, trained, tmp_path):
    result = command(*arguments)
    assert result.code == 2
    assert words in result.err
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert result.out == ""
    assert trained == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_mistake_that_a_stage_finds_at_once_leaves_nothing(command, stub, tmp_path):
    def train(config, run):
        raise UserError("the beam is wider than the catalogue: give a smaller one")

    stub("train", train)
    result = command("train")
    assert result.code == 2
    assert result.err == "error: the beam is wider than the catalogue: give a smaller one\n"
    assert not (tmp_path / "runs").exists()


def test_a_mistake_found_after_something_was_made_names_the_failed_run(command, stub, tmp_path):
    def train(config, run):
        run.write_json("made.json", {})
        raise UserError("the beam is wider than the catalogue: give a smaller one")

    stub("train", train)
    result = command("train")
    (run,) = find_runs(tmp_path / "runs")
    assert result.code == 2
    assert (
        result.err
        == f"error: the beam is wider than the catalogue: give a smaller one (run: runs/train/bazaar/{run.id})\n"
    )
    assert run.status == "failed"
    assert not (run.path / "metrics.json").exists()
    assert "the beam is wider" in run.manifest["error"]


def test_a_defect_is_one_line_too_with_another_status(command, stub, tmp_path):
    stub("train", lambda config, run: {"auc": 1 / 0})
    result = command("train")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in result.err
    assert "--debug" in result.err
    (run,) = find_runs(tmp_path / "runs")
    assert run.status == "failed"
    assert "Traceback" in (run.path / "log.txt").read_text()


def test_debug_shows_the_traceback(command, stub):
    stub("train", lambda config, run: {"auc": 1 / 0})
    result = command("train", "--debug")
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.err


def test_an_interrupt_marks_the_run(command, stub, tmp_path):
    def train(config, run):
        raise KeyboardInterrupt

    stub("train", train)
    assert command("train").code == 130
    (run,) = find_runs(tmp_path / "runs")
    assert run.status == "interrupted"


def test_undefined_numbers_are_null(command, trained, tmp_path):
    result = command("train", "--json")
    assert json.loads(result.out)["metrics"] == {"auc": 0.0, "undefined": None}


def test_the_same_command_twice_writes_the_same_bytes(command, trained, tmp_path):
    for _ in range(2):
        assert command("train", "seed=4").code == 0
    first, second = (run.path / "metrics.json" for run in find_runs(tmp_path / "runs"))
    assert first.read_bytes() == second.read_bytes()


def test_a_file_that_may_not_be_read_is_told_by_its_path(command, stub, tmp_path):
    def train(config, run):
        raise PermissionError(13, "Permission denied", "/data/shop/clicks.csv")

    stub("train", train)
    result = command("train")
    assert result.code == 2
    assert result.err.startswith("error: /data/shop/clicks.csv: Permission denied; give another path, or change its")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "seed=" + "9" * 5000], "expected a whole number, at least 0"),
        (["train", "data=null"], "the config cannot be composed"),
        (["train", "runs="], "runs='' is empty"),
        (["data", "input=nothing"], "a data run starts from no other"),
        (["eval", "ks=[[1]]"], "ks=[[1]]"),
        (["data", "-m", "seed=range(2,1)"], "there is nothing to run"),
        (["compare", "x", "--metrics", ""], "--metrics is empty"),
        (["data", "data=table", "data.path=x.csv", "data.options.items_file="], "data.options.items_file='' is empty"),
        (["data", "data=table", "data.path=x.csv", "data.options.names=[[a]]"], "data.options.names has ['a']"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_values_that_no_message_was_written_for(arguments, words, command, tmp_path):
    result = command(*arguments)
    assert result.code == 2 and words in result.err, result
    assert result.err.count("error: ") == 1 and "Traceback" not in result.err
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2\n", "expected ',' or ']'"),
        ("# @package _global_\nalgo: &a {steps: 1}\nsft: *a\n", "mine.yaml line 3: *a is an alias"),
        ("!!python/object/apply:os.system ['touch owned']\n", "could not determine a constructor"),
        ("# @package _global_\ndefaults:\n  - /experiment: mine\n", "the config refers to itself"),
        ("# @package _global_\ndefaults: 5\n", "defaults must be a list"),
        ("# @package _global_\nseed: 1\nseed: 2\n", "found duplicate key seed"),
        ("seed: " + "[" * 9999 + "]" * 9999, "mine.yaml line 1 is nested more than 50 deep"),
    ],
    ids=["yaml", "alias", "tag", "itself", "defaults", "twice", "deep"],
)
def test_experiments_that_are_none(text, words, command, tmp_path, monkeypatch):
    folder = tmp_path / "conf"
    shutil.copytree(config_folders.config_folder(), folder)
    (folder / "experiment" / "mine.yaml").write_text(text)
    monkeypatch.setattr(config_folders, "config_folder", lambda: folder)
    for stage in (["train"], ["bench", "--plan"]):
        result = command(*stage, "experiment=mine")
        assert result.code == 2 and words in result.err, result
        assert result.err.count("\n") == 1 and not list(tmp_path.rglob("owned"))
