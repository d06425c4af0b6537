"""Every shipped data config on the real files, where they are: counts as their publishers state them."""

import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from recbench.data.build import SOURCES, build
from recbench.data.dataset import load_data
from recbench.schema import DataConfig

ROOT = Path(__file__).parents[2]
DATA = ROOT / os.environ.get("RECBENCH_DATA", "../shared/data")
CONFIGS = sorted((ROOT / "conf" / "data").glob("*.yaml"))


def load_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> DataConfig:
    monkeypatch.setenv("RECBENCH_DATA", str(DATA))
    return OmegaConf.merge(OmegaConf.structured(DataConfig), OmegaConf.load(path))


def build_real(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes) -> dict:
    config = load_config(ROOT / "conf" / "data" / f"{name}.yaml", monkeypatch)
    if not Path(config.path).is_dir():
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
    ],
)
def test_published_counts(name, users, items, interactions, tmp_path, monkeypatch):
    numbers = build_real(name, tmp_path, monkeypatch)
    assert (numbers["users"], numbers["items"], numbers["interactions"]) == (users, items, interactions)
    assert numbers["cases"] == {"validation": users, "test": users}


def test_movielens_by_time(tmp_path, monkeypatch):
    numbers = build_real("movielens", tmp_path, monkeypatch, split="global_time", min_user_interactions=1)
    # 1,000,209 ratings, of which 575,281 are 4 or 5
    assert numbers["interactions"] == 575_281 and numbers["dropped"]["negatives"] == 1_000_209 - 575_281
    assert numbers["splits"]["train"] / 575_281 == pytest.approx(0.8, abs=1e-3)
    assert load_data(tmp_path).catalogue[72]["title"] == "Misérables, Les (1995)"


def test_magazine_is_a_core(tmp_path, monkeypatch):
    numbers = build_real("amazon_magazine", tmp_path, monkeypatch)
    # 2,375 reviews, of which 2,328 differ in user, item or second
    assert numbers["dropped"]["duplicates"] == 2_375 - 2_328
    assert numbers["interactions_per_user"]["min"] >= 5
