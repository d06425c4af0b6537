"""recbench runs and what it does with them: show, diff, open, rm and prune."""

import json
import webbrowser

import pytest

from recbench.runs import find_runs
from tests.conftest import MARKET, MODEL, SHORT_SFT

pytestmark = pytest.mark.slow


@pytest.fixture
def made(fresh_workspace):
    """A data run, two trainings and an evaluation of the first, in a folder of their own."""
    first = fresh_workspace.sft()
    second = fresh_workspace.made("train", "--algo=sft", *MARKET, *MODEL, *SHORT_SFT, "algo.learning_rate=0.02")
    scored = fresh_workspace.evaluated(first, "--k", "5")

    def runs(*arguments: str):
        return fresh_workspace.command("runs", *arguments, "--runs", str(fresh_workspace.root))

    return runs, first, second, scored


def test_the_list_has_the_newest_first_and_what_trainings_are_called(made) -> None:
    runs, first, second, scored = made
    rows = json.loads(runs("--json").out)["runs"]
    assert [row["id"] for row in rows][:3] == [scored.id, second.id, first.id]
    assert [row["label"] for row in rows] == ["sft, seed 0", "sft, seed 0", "sft, seed 0", ""]
    listed = runs()
    assert "algo.learning_rate=0.02" in listed.out and "algo=sft" not in listed.out  # the label says it


def test_show(made) -> None:
    runs, first, _, scored = made
    shown = runs("show", first.id)
    assert shown.code == 0 and f"used by: {scored.id}" in shown.out and "ndcg@10 on validation rose" in shown.out
    about = json.loads(runs("show", scored.id, "--json").out)
    assert about["inputs"][0] == f"train {first.id}" and about["used_by"] == []
    assert about["bytes"] == sum(file.stat().st_size for file in scored.path.rglob("*") if file.is_file())


def test_diff(made) -> None:
    runs, first, second, _ = made
    found = json.loads(runs("diff", first.id, second.id, "--json").out)
    rates = {key: values for key, values in found["config"].items() if key.endswith("learning_rate")}
    assert set(map(tuple, rates.values())) == {(0.01, 0.02)} and found["config"] == rates
    assert "validation.best.ndcg@10" in found["metrics"] and not found["made_with"]
    assert "settings that differ" in runs("diff", first.id, second.id).out
    assert "nothing differs" in runs("diff", first.id, first.id).out


def test_open(made, monkeypatch) -> None:
    runs, first, *_ = made
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert runs("open", first.id).out.strip() == str(first.report.resolve()) and opened == [
        first.report.resolve().as_uri()
    ]
    first.report.unlink()
    assert "'recbench report" in runs("open", first.id).err


def test_rm_keeps_what_others_were_made_from(made) -> None:
    runs, first, second, scored = made
    refused = runs("rm", second.id, first.id)
    assert refused.code == 2 and f"is what run {scored.id} was made from" in refused.err
    assert second.path.is_dir() and first.path.is_dir()  # none, where one is refused
    assert runs("rm", second.id).code == 0 and not second.path.exists()
    assert runs("rm", first.id, scored.id).code == 0  # both go: nothing is left that was made from it
    assert [run.stage for run in find_runs(first.root)] == ["data"]
    assert not list(first.path.parent.iterdir())
    assert runs("rm", first.id).code == 2


def test_rm_force(made) -> None:
    runs, first, _, scored = made
    assert runs("rm", first.id, "--force").code == 0 and not first.path.exists() and scored.path.is_dir()


def test_prune_tells_first_and_leaves_what_is_used(made, fresh_workspace) -> None:
    runs, first, second, _ = made
    manifest = second.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"status": "done"', '"status": "failed"'))
    told = runs("prune")
    assert "2 would go" in told.out and "--yes deletes it" in told.err and second.path.is_dir()
    assert runs("prune", "--yes").code == 0
    assert not second.path.exists() and not (first.path / "checkpoints").exists() and (first.path / "policy").is_dir()
    assert runs("prune").out.startswith("0 would go")
    assert fresh_workspace.evaluated(first, "--k", "3").status == "done"  # without its checkpoints


@pytest.mark.parametrize("arguments", [("show", "nothing"), ("diff", "a", "b"), ("rm", "nothing"), ("open", "nothing")])
def test_no_such_run(command, tmp_path, arguments) -> None:
    (tmp_path / "runs").mkdir()
    result = command("runs", *arguments)
    assert result.code == 2 and "no run" in result.err and result.err.count("\n") == 1


def test_prune_without_a_folder(command) -> None:
    assert "there is no folder runs" in command("runs", "prune").err
