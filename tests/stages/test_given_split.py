"""MiniOneRec's files as the split, from the csv files to a comparison, through the command line."""

import csv
import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import MODEL

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


def test_users_not_cases_are_compared(trained, workspace, folder):
    sft = trained.input_run("train")
    runs = [workspace.evaluated(run, "split=test", "--k", "1,3") for run in (sft, trained)]
    result = workspace.command("compare", *(str(run.path) for run in runs), "--metrics", "hr@3", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    rows = rows_of(folder, "test")
    assert found["cases"] == len(rows)
    assert found["users"] == len({row["user_id"] for row in rows}) < len(rows)
