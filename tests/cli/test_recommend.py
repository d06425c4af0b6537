"""recbench recommend: what evaluation ranks first is what is handed out; filters, files, histories, mistakes."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import recbench
from recbench.policy import recommending
from recbench.policy.checkpoint import load_policy

pytestmark = pytest.mark.slow


@pytest.fixture
def recommend(workspace):
    """`recbench recommend ARGUMENTS` on the workspace's runs."""

    def call(*arguments: str):
        return workspace.command("recommend", *map(str, arguments), "--runs", str(workspace.root), "--threads", "1")

    return call


def rows_of(result) -> list[dict]:
    assert result.code == 0, result.err
    return json.loads(result.out)["recommendations"]


def catalogue(run):
    return pq.read_table(run.input_run("data").path / "catalogue.parquet")


def test_it_hands_out_what_evaluation_ranks_first(workspace, sft_run, recommend) -> None:
    scored = workspace.evaluated(sft_run, "--k", "5", "top_items=4")
    expected = pq.read_table(scored.path / "ranks.parquet").to_pylist()
    found = rows_of(recommend(scored.path, "--all", "--seen", "--k", "4", "--json"))  # of the training that it judged
    assert [row["user"] for row in found] == [row["user"] for row in expected]
    assert [row["items"] for row in found] == [row["top_items"] for row in expected]
    for row, rank in zip(found, expected, strict=True):
        if rank["ties"] == 0:
            assert (row["held_out"] in row["items"]) == (rank["above"] < 4)
            assert rank["above"] >= 4 or row["items"][rank["above"]] == row["held_out"]


def test_scores_are_log_probabilities_and_what_was_had_is_left_out(sft_run, recommend) -> None:
    (row,) = rows_of(recommend(sft_run.path, "--user", "u3", "--now", "--k", "1000", "--json"))
    whole = catalogue(sft_run).num_rows
    assert row["held_out"] is None and not set(row["items"]) & set(row["history"])
    assert row["scores"] == sorted(row["scores"], reverse=True) and 0 < np.exp(row["scores"]).sum() < 1
    again = rows_of(recommend(sft_run.path, "--user", "u3", "--now", "--seen", "--k", "1000", "--json"))[0]
    assert len(again["items"]) == whole and np.exp(again["scores"]).sum() == pytest.approx(1, abs=1e-4)


def test_a_filter_leaves_items_out_and_changes_no_score(sft_run, recommend) -> None:
    table = catalogue(sft_run)
    value = table["category"][0].as_py()
    (free,) = rows_of(recommend(sft_run.path, "--user", "u3", "--k", "1000", "--json"))
    (kept,) = rows_of(recommend(sft_run.path, "--user", "u3", "--k", "1000", "--only", f"category={value}", "--json"))
    of_value = {item for item, one in zip(*(table[name].to_pylist() for name in ("item", "category"))) if one == value}
    expected = [pair for pair in zip(free["items"], free["scores"]) if pair[0] in of_value]
    assert kept["items"] == [item for item, _ in expected] and expected
    assert kept["scores"] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_beam_finds_what_scoring_the_catalogue_finds(semantic_run, recommend, monkeypatch) -> None:
    value = catalogue(semantic_run)["category"][0].as_py()
    asked = (semantic_run.path, "--all", "--k", "3", "--json")
    whole = rows_of(recommend(*asked)), rows_of(recommend(*asked, "--only", f"category={value}"))
    monkeypatch.setattr(recommending, "exact_is_affordable", lambda policy: False)
    part = rows_of(recommend(*asked)), rows_of(recommend(*asked, "--only", f"category={value}"))
    for exact, found in zip(whole[1], part[1], strict=True):  # a filter has every item that it allows scored
        assert found["items"] == exact["items"] and found["scores"] == pytest.approx(exact["scores"], abs=1e-4)
    same = [len(set(one["items"]) & set(two["items"])) for one, two in zip(whole[0], part[0], strict=True)]
    assert np.mean(same) > 2.5  # of three: a beam as wide as the history and three may miss one
    assert not any(set(row["items"]) & set(row["history"]) for row in part[0])


def test_files_have_every_user(sft_run, recommend, tmp_path) -> None:
    told = recommend(sft_run.path, "--all", "--k", "2", "--to", tmp_path / "a.parquet")
    assert told.code == 0 and told.out == "" and "a.parquet" in told.err
    recommend(sft_run.path, "--all", "--k", "2", "--to", tmp_path / "a.jsonl")
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["items"] for row in table] == [row["items"] for row in lines] and len(table) > 10
    assert rows_of(recommend(sft_run.path, "--k", "2", "--json"))[0] in lines  # ten of them, where none is named


def test_histories_of_a_file_and_from_python(sft_run, recommend, tmp_path) -> None:
    items = catalogue(sft_run)["item"].to_pylist()
    (tmp_path / "h.csv").write_text(f"user,item\nme,{items[0]}\nyou,{items[3]}\nme,{items[1]}\n")
    me, you = rows_of(recommend(sft_run.path, "--history", tmp_path / "h.csv", "--k", "3", "--json"))
    assert (me["user"], me["history"]) == ("me", items[:2]) and you["history"] == [items[3]]
    found = recbench.recommend(sft_run, [items[:2], [items[3]]], k=3)
    assert found == [list(zip(row["items"], row["scores"])) for row in (me, you)]
    policy, _ = load_policy(sft_run.path / "policy")
    import torch

    scores = policy.score_catalogue(torch.tensor([[0, 1]]))[0]
    best = [int(row) for row in scores.argsort(descending=True) if int(row) > 1][:3]
    assert me["items"] == [items[row] for row in best]


def test_a_table_marks_the_held_out_item(sft_run, recommend) -> None:
    shown = recommend(sft_run.path, "--user", "u3", "--k", "1000", "--seen")
    assert shown.code == 0 and shown.out.count("held out") == 1 and "user u3, who had" in " ".join(shown.out.split())
    first = recommend(sft_run.path, "--user", "u3", "--k", "1")
    assert "held out, and not among these" in first.out or "held out" in first.out


def test_a_policy_of_users_reads_no_histories(workspace, sft_run, recommend, tmp_path) -> None:
    run = workspace.baseline("bpr_mf")
    row = rows_of(recommend(run.path, "--user", "u3", "--k", "3", "--json"))[0]
    assert len(row["items"]) == 3
    had = rows_of(recommend(sft_run.path, "--user", "u3", "--k", "3", "--json"))[0]["history"]
    assert len(had) > 1 and row["history"] == had[-6:]  # shown all the same: five, and whether there are more
    (tmp_path / "h.csv").write_text("user,item\nme,i0\n")
    refused = recommend(run.path, "--history", tmp_path / "h.csv")
    assert refused.code == 2 and "reads no history; give --user" in refused.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--user", "nobody"), "--user nobody: no such user"),
        (("--user", "u3", "--all"), "give one of them"),
        (("--only", "brand"), "expected COLUMN=VALUE"),
        (("--only", "brands=x"), "did you mean 'brand'"),
        (("--only", "category=nope"), "no item has it"),
        (("--to", "a.csv"), "ends in .parquet or .jsonl"),
        (("--to", "nowhere/a.jsonl"), "there is no folder"),
        (("--history", "nothing.csv"), "nothing.csv is no file"),
        (("--pick", "mrr@3"), "pick=mrr@3"),
    ],
)
def test_mistakes(sft_run, recommend, arguments, told) -> None:
    result = recommend(sft_run.path, *arguments)
    assert result.code == 2 and told in result.err and result.err.count("\n") == 1


def test_items_that_nobody_knows(sft_run, recommend, tmp_path) -> None:
    (tmp_path / "h.csv").write_text("user,item\nme,nothing\nme,neither\n")
    result = recommend(sft_run.path, "--history", tmp_path / "h.csv")
    assert (
        result.code == 2 and "item 'nothing' is not in the catalogue" in result.err and "1 more are not" in result.err
    )


def test_the_report_of_an_evaluation_has_ten_users(workspace, sft_run) -> None:
    report = (workspace.evaluated(sft_run, "--k", "5").path / "report.md").read_text()
    section = report.split("## 10 users")[1].split("\n## ")[0]
    assert section.count("\n| u") == 1 + 10 and "at rank" in section  # the header begins with user
    assert "users\n" not in (workspace.evaluated(sft_run, "--k", "5", "top_items=0").path / "report.md").read_text()


def test_a_run_that_is_no_training(workspace, sft_run, recommend) -> None:
    result = recommend(sft_run.input_run("data").path)
    assert result.code == 2 and "is no training: give the run of recbench train" in result.err
