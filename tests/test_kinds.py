"""The tables of rules and of sources of negatives are the one place that names them."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from recbench.captioning.kinds import CAPTIONERS
from recbench.composition import compose
from recbench.ctr.models import MODELS
from recbench.features.kinds import FEATURES
from recbench.item_tokens.kinds import ITEM_TOKENS
from recbench.kinds import Kind, classes_of, kinds_in, own, settings_of_kinds
from recbench.rl.rules import RULES, rule_of
from recbench.rl.sources import SOURCES
from recbench.schema import (
    AlgoConfig,
    CaptionerConfig,
    CtrModelConfig,
    FeaturesConfig,
    ItemTokensConfig,
    NegativesConfig,
)

ROOT = Path(__file__).resolve().parents[1]
TABLES = [
    ("algo", "name", "rule", AlgoConfig, RULES, ROOT / "recbench/rl/rules"),
    ("negatives", "kind", "kind", NegativesConfig, SOURCES, ROOT / "recbench/rl/sources"),
    ("captioner", "kind", "kind", CaptionerConfig, CAPTIONERS, ROOT / "recbench/captioning/kinds"),
    ("item_tokens", "kind", "kind", ItemTokensConfig, ITEM_TOKENS, ROOT / "recbench/item_tokens/kinds"),
    ("features", "kinds", "kinds", FeaturesConfig, FEATURES, ROOT / "recbench/features/kinds"),
]
NO_KIND = {"__init__", "interface", "outside", "windowed"}  # what the modules of a folder have in common


@pytest.mark.parametrize(("group", "key", "clause", "node", "table", "folder"), TABLES)
def test_every_file_names_one_that_is_there(group, key, clause, node, table, folder) -> None:
    files = sorted((ROOT / "conf" / group).glob("*.yaml"))
    named = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))[key] for file in files}
    assert named.pop("more_sft", "sft") == "sft"  # the same rule, on what is kept from the first
    assert named == {name: [name] if key == "kinds" else name for name in table}


@pytest.mark.parametrize(("group", "key", "clause", "node", "table", "folder"), TABLES)
def test_choices_and_keys_are_those_of_the_table(group, key, clause, node, table, folder) -> None:
    metadata = {item.name: item.metadata for item in fields(node)}
    assert metadata[key]["one_of"] == tuple(table)
    for kind in table.values():
        for item in (item for settings in classes_of(kind) for item in fields(settings)):
            for text in metadata[item.name]["of"]:
                named, _, values = text.split(" ")[0].partition("=")
                assert named == clause and kind.name in values.split(",")
    clauses = {part for one in metadata.values() for text in one["of"] for part in text.split(" ")}
    asked = {part.removeprefix("reads=") for part in clauses if part.startswith("reads=")}
    assert asked == {name for kind in table.values() for name in kind.reads}


@pytest.mark.parametrize(("group", "key", "clause", "node", "table", "folder"), TABLES)
def test_each_has_a_module_of_its_own(group, key, clause, node, table, folder) -> None:
    assert {file.stem for file in folder.glob("*.py")} - NO_KIND == set(table)
    assert all(type(kind).__module__.endswith(f".{name}") for name, kind in table.items())


def test_a_click_model_is_named_by_its_module() -> None:
    files = sorted((ROOT / "conf/ctr").glob("*.yaml"))
    assert [yaml.safe_load(file.read_text(encoding="utf-8"))["kind"] for file in files] == list(MODELS)
    choices = next(item.metadata["one_of"] for item in fields(CtrModelConfig) if item.name == "kind")
    assert choices == tuple(MODELS) and all(model.__module__.endswith(f".{name}") for name, model in MODELS.items())


def test_keys_are_known_without_torch() -> None:
    asked = "import sys, recbench.schema; print(sorted({'torch', 'numpy'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout == "[]\n"


def test_a_module_is_enough(tmp_path, monkeypatch) -> None:
    package = tmp_path / "own_kinds"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("from recbench.kinds import Kind\nclass Base(Kind):\n    pass\n")
    settings = (
        "from dataclasses import dataclass\n"
        "from recbench.kinds import Kind\n"
        "from recbench.option import option\n"
        "@dataclass\n"
        "class Settings:\n"
        "    size: int = option(3, 'how many')\n"
        "    depth: int = option(1, 'how deep', of='size!=1')\n"
    )
    (package / "last.py").write_text(f"{settings}class Last(Kind):\n    name = 'last'\n    Settings = Settings\n")
    for name, place in (("b", 100), ("a", 100), ("first", 0)):
        text = f"from own_kinds.base import Base\nclass One(Base):\n    name, place = {name!r}, {place}\n"
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = kinds_in("own_kinds", [str(package)], Kind)
    assert list(found) == ["first", "a", "b", "last"]

    node = settings_of_kinds("Node", found, "kind")
    assert {item.name: item.metadata["of"] for item in fields(node)} == {
        "size": ("kind=last",),
        "depth": ("kind=last size!=1",),
    }
    assert own(found["last"].Settings, node(size=5)).size == 5


def test_a_rule_is_found_by_a_composed_config_too() -> None:
    assert rule_of(compose("train", ["algo=sdpo"]).algo) is RULES["sdpo"] and RULES["sdpo"].needs_reference
