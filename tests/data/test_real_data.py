"""Every shipped data config on the real files, where they are: counts as their publishers state them."""

import csv
import os
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score

from recbench.data.build import SOURCES, build
from recbench.data.dataset import load_data
from recbench.data.impressions import click_histories
from recbench.data.interactions import TEST, TRAIN, VALIDATION, held_out_cases, histories, user_of_interaction
from recbench.schema import DataConfig

ROOT = Path(__file__).parents[2]
DATA = ROOT / os.environ.get("RECBENCH_DATA", "../shared/data")
CONFIGS = sorted((ROOT / "conf" / "data").glob("*.yaml"))


def load_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> DataConfig:
    monkeypatch.setenv("RECBENCH_DATA", str(DATA))
    return OmegaConf.merge(OmegaConf.structured(DataConfig), OmegaConf.load(path))


def build_real(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes) -> dict:
    config = load_config(ROOT / "conf" / "data" / f"{name}.yaml", monkeypatch)
    if not Path(config.path).exists():
        pytest.skip(f"{config.path} is not on this machine; set RECBENCH_DATA")
    return build(OmegaConf.merge(config, changes), folder)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_fit_the_schema(path, monkeypatch):
    config = load_config(path, monkeypatch)
    assert config.name == path.stem and config.source in SOURCES and config.min_user_interactions >= 1


@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [
        ("amazon_beauty", 22_363, 12_101, 198_502),
        ("amazon_sports", 35_598, 18_357, 296_337),
        ("microlens", 50_000, 19_220, 359_708),
        ("amazon_industrial", 3_285, 3_686, 22_743),
        ("amazon_office", 3_231, 3_459, 22_447),
        ("yelp", 30_431, 20_033, 316_354),
    ],
)
def test_published_counts(name, users, items, interactions, tmp_path, monkeypatch):
    numbers = build_real(name, tmp_path, monkeypatch)
    assert (numbers["users"], numbers["items"], numbers["interactions"]) == (users, items, interactions)
    assert numbers["cases"] == {"validation": users, "test": users}


@pytest.mark.parametrize("name", ["amazon_industrial", "amazon_office"])
def test_given_cases_are_the_rows_of_the_files(name, tmp_path, monkeypatch):
    build_real(name, tmp_path, monkeypatch, split="given")
    data = load_data(tmp_path)
    mine, items = data.interactions, np.array(data.catalogue["item"])
    trained = dict.fromkeys(mine.users, 0)  # lengths of what is trained on: the beginning of a sequence
    for user, number in zip(
        *np.unique(user_of_interaction(mine)[mine.split == TRAIN], return_counts=True), strict=True
    ):
        trained[mine.users[user]] = int(number)
    for file, code in (("valid.csv", VALIDATION), ("test.csv", TEST)):
        with (DATA / name.replace("_", "-") / file).open(newline="", encoding="utf-8") as text:
            rows = [
                (row["user_id"], [str(item) for item in literal_eval(row["history_item_id"])], row["item_id"])
                for row in csv.DictReader(text)
            ]
        cases = held_out_cases(mine, code)
        past = histories(mine, cases, 10)
        found = [
            (mine.users[user], [items[item] for item in row if item >= 0], items[mine.items[position]])
            for user, position, row in zip(cases.user, cases.position, past, strict=True)
        ]
        assert len(rows) == len(found) and sorted(rows) == sorted(found)
        # A row's item, and what follows it, is never trained on.
        assert np.all(cases.position - mine.offsets[cases.user] >= [trained[mine.users[user]] for user in cases.user])
        # Nor is a lone first item, which may be as late as the row.
        assert all(trained[user] != 1 for user, _, _ in rows)


def test_movielens_by_time(tmp_path, monkeypatch):
    numbers = build_real("movielens", tmp_path, monkeypatch, split="global_time", min_user_interactions=1)
    # 1,000,209 ratings, of which 575,281 are 4 or 5
    assert numbers["interactions"] == 575_281 and numbers["dropped"]["negatives"] == 1_000_209 - 575_281
    assert numbers["splits"]["train"] / 575_281 == pytest.approx(0.8, abs=1e-3)
    splits = numbers["impressions"]["splits"]
    rows = {name: split["rows"] for name, split in splits.items()}
    assert rows == {"train": 800_167, "validation": 100_021, "test": 100_021}
    assert sum(split["clicks"] for split in splits.values()) == 575_281
    data = load_data(tmp_path)
    assert data.catalogue[72]["title"] == "Misérables, Les (1995)"
    # 337,147 training rows, all rated 3 or less, have no time: the lengths of histories must not tell them apart.
    shown = data.impressions
    rows = np.flatnonzero((shown.split == 0) & (shown.user < 200))
    lengths = np.sum(click_histories(shown, rows, 500) >= 0, axis=1)
    user, label = shown.user[rows], shown.label[rows]
    both = [one for one in range(200) if 0 < label[user == one].mean() < 1]
    aucs = [roc_auc_score(label[user == one], lengths[user == one]) for one in both]
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 * np.std(aucs) / np.sqrt(len(aucs)))


def test_magazine_is_a_core(tmp_path, monkeypatch):
    numbers = build_real("amazon_magazine", tmp_path, monkeypatch)
    # 2,375 reviews, of which 2,328 differ in user, item or second
    assert numbers["dropped"]["duplicates"] == 2_375 - 2_328
    assert numbers["interactions_per_user"]["min"] >= 5


def test_hm_counts(tmp_path, monkeypatch):
    numbers = build_real("hm", tmp_path, monkeypatch)
    assert numbers["items"] == 11_800 and numbers["images"] == {"present": 11_800, "missing": 0, "items_without": 0}
    shown = numbers["impressions"]
    assert (shown["rows"], shown["clicks"], shown["queries"]) == (61_186 * 5, 61_186, 11_508)


def test_open_bandit_counts(tmp_path, monkeypatch):
    clicks = 0
    for policy in ("random", "bts"):
        for campaign, items in (("all", 80), ("men", 34), ("women", 46)):
            folder = tmp_path / policy / campaign
            options = {"policy": policy, "campaign": campaign}
            numbers = build_real("open_bandit", folder, monkeypatch, options=options)
            assert numbers["items"] == items and numbers["impressions"]["rows"] == 10_000
            clicks += numbers["impressions"]["clicks"]
            propensity = load_data(folder).impressions.propensity
            if policy == "random":
                assert propensity == pytest.approx(np.full(10_000, 1 / items))
            else:
                assert propensity.max() > 2 / items  # it prefers some
    assert clicks == 287
