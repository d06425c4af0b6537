"""MiniOneRec's files as the split, from the csv files to a comparison, through the command line."""

import csv
import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from recbench.data.dataset import load_data
from recbench.data.interactions import TEST, held_out_cases, histories
from recbench.policy.checkpoint import load_policy
from tests.conftest import MODEL

pytestmark = pytest.mark.slow

USERS, ITEMS = 40, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sliding windows of a random log, split 8:1:1 by time, without the training file; items 0 and 1 share their ID."""
    folder = tmp_path_factory.mktemp("minionerec")
    random = np.random.default_rng(0)
    past: dict[str, list[int]] = {}
    rows = []
    for user in random.integers(USERS, size=400):
        before = past.setdefault(f"u{user}", [])
        item = int(random.integers(ITEMS))
        if before:
            rows.append((f"u{user}", before[-10:], item))
        before.append(item)
    first, second = round(0.8 * len(rows)), round(0.9 * len(rows))
    for name, part in (("valid", rows[first:second]), ("test", rows[second:])):
        with (folder / f"{name}.csv").open("w", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["user_id", "history_item_id", "item_id"])
            writer.writerows(part)
    ids = {str(item): [f"<a_{max(item, 1) % 5}>", f"<b_{max(item, 1) // 5}>"] for item in range(ITEMS)}
    (folder / "index.json").write_text(json.dumps(ids))
    (folder / "item.json").write_text(json.dumps({str(item): {"title": f"thing {item % 7}"} for item in range(ITEMS)}))
    return folder


def rows_of(folder, name) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def trained(workspace, folder):
    given = ["experiment=industrial", "data.split=given", f"data.path={folder}", *MODEL]
    short = ["sft.epochs=2", "sft.evaluate_every=1", "sft.batch_size=16", "algo.steps=2", "algo.group_size=5"]
    return workspace.made("train", "--algo=grpo", "--neg=beam", *given, *short, "algo.batch_size=8")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_row_is_a_case_of_its_user(trained, workspace, folder, split):
    run = workspace.evaluated(trained, f"split={split}", "--k", "1,3")
    rows = rows_of(folder, {"validation": "valid"}.get(split, split))
    assert run.metrics["cases"] == len(rows)
    table = pq.read_table(run.path / "ranks.parquet").to_pydict()
    assert Counter(table["user"]) == Counter(row["user_id"] for row in rows)  # users cluster: some have several
    assert max(Counter(table["user"]).values()) > 1
    assert len(set(zip(table["user"], table["case"], strict=True))) == len(rows)


@pytest.mark.parametrize("ranks", ["exact", "beam"])
def test_ids_are_counted_as_minionerec_does(trained, workspace, folder, ranks):
    """Its script: a beam's IDs in order, a hit where one is the target's; items 0 and 1 have the same."""
    run = workspace.evaluated(trained, "split=test", "--k", "1,3,10", f"ranks={ranks}", "beam_width=12")
    index = json.loads((folder / "index.json").read_text())
    policy, _ = load_policy(trained.path / "policy")
    data = load_data(trained.input_run("data").path)
    cases = held_out_cases(data.interactions, TEST)
    past = torch.from_numpy(histories(data.interactions, cases, policy.history).astype(np.int64))
    found = policy.beam_search(past, ITEMS).items
    names = data.catalogue["item"]
    places = []
    for row, position in zip(found.tolist(), cases.position, strict=True):
        predicted = list(dict.fromkeys(tuple(index[names[item]]) for item in row))
        assert len(predicted) == ITEMS - 1
        places.append(predicted.index(tuple(index[names[data.interactions.items[position]]])))
    kept = run.metrics["kept"]
    for k in (1, 3, 10):
        gains = [1 / np.log2(place + 2) if place < k else 0 for place in places]
        assert kept[f"hr_by_id@{k}"]["value"] == pytest.approx(np.mean(np.array(places) < k))
        assert kept[f"ndcg_by_id@{k}"]["value"] == pytest.approx(np.mean(gains))
        assert kept[f"hr_by_id@{k}"]["value"] >= kept[f"hr@{k}"]["value"]
    assert "hr_by_id@3" not in run.metrics["excluded"] and "hr_by_id@3" in (run.path / "report.md").read_text()
    names = ["hr_by_id@3", "hr@3", "recall@3"]
    words = ["compare", str(run.path), "--metrics", ",".join(names), "--json"]
    compared = json.loads(workspace.command(*words).out)["arms"][0]["values"]
    assert [compared[name]["mean"] for name in names] == pytest.approx(
        [kept[name]["value"] for name in [*names[:2], "hr@3"]]
    )
    result = workspace.command(*words, "--excluded")
    assert result.code == 2 and "hr_by_id@3: eval run" in result.err and result.err.count("\n") == 1


def test_users_not_cases_are_compared(trained, workspace, folder):
    sft = trained.input_run("train")
    runs = [workspace.evaluated(run, "split=test", "--k", "1,3") for run in (sft, trained)]
    result = workspace.command("compare", *(str(run.path) for run in runs), "--metrics", "hr@3", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    rows = rows_of(folder, "test")
    assert found["cases"] == len(rows)
    assert found["users"] == len({row["user_id"] for row in rows}) < len(rows)
