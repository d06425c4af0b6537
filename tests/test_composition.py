"""Configs are those that Hydra composes, to the last key, type and order; and what Hydra refuses, it refuses here."""

from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench import composition, config_folders
from recbench.comparisons import experiments
from recbench.composition import compose, compose_by_hydra
from recbench.config_folders import config_folder
from recbench.schema import STAGE_SCHEMAS

pytestmark = pytest.mark.slow

CONF = config_folder()
STAGES = list(STAGE_SCHEMAS)
GROUPS = {"policy": "train", "algo": "train", "negatives": "train", "item_tokens": "train", "data": "data"}
GROUPS |= {"captioner": "ctr", "features": "ctr", "ctr": "ctr"}
CHOICES = [
    (stage, f"{group}={file.stem}") for group, stage in GROUPS.items() for file in sorted((CONF / group).glob("*.yaml"))
]
SINGLE = {  # experiments of one run, and of which command
    file.stem: "ctr" if "override /ctr:" in text else "laboratory" if "recbench laboratory" in text else "train"
    for file in sorted((CONF / "experiment").glob("*.yaml"))
    if "\nbench:" not in (text := file.read_text())
}


def told(node: Node | None) -> Any:
    """Everything that a config holds and knows: keys in order, values as written, and the types that they must have."""
    assert node is not None
    known = (type(node), node._metadata.ref_type, node._metadata.object_type, node._metadata.optional)
    if isinstance(node, DictConfig):
        if node._is_none() or node._is_missing() or node._is_interpolation():
            return known, node._value()
        return known, [(key, told(node._get_node(key))) for key in node]  # type: ignore[arg-type]
    if isinstance(node, ListConfig):
        if node._is_none() or node._is_missing() or node._is_interpolation():
            return known, node._value()
        return known, [told(node._get_node(place)) for place in range(len(node))]  # type: ignore[arg-type]
    return known, node._value()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to Hydra."""

    def refuse(*_: Any) -> None:
        raise AssertionError("left to Hydra")

    monkeypatch.setattr(composition, "compose_by_hydra", refuse)


def check(stage: str, overrides: list[str]) -> None:
    mine, theirs = compose(stage, overrides), compose_by_hydra(stage, overrides)
    assert told(mine) == told(theirs)
    assert OmegaConf.is_struct(mine) and OmegaConf.is_struct(theirs)
    assert OmegaConf.to_yaml(mine) == OmegaConf.to_yaml(theirs)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage(alone, stage: str) -> None:
    check(stage, [])


@pytest.mark.parametrize(("stage", "choice"), CHOICES, ids=[choice for _, choice in CHOICES])
def test_every_choice_of_every_group(alone, stage: str, choice: str) -> None:
    check(stage, [choice])


@pytest.mark.parametrize(("name", "stage"), SINGLE.items())
def test_every_experiment_of_one_run(alone, name: str, stage: str) -> None:
    check(stage, [f"experiment={name}"])


def test_an_experiment_of_many_runs(alone, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[str, tuple[str, ...]]] = set()
    monkeypatch.setattr(
        experiments, "composed", lambda stage, given: asked.add((stage, tuple(given))) or compose(stage, given)
    )
    experiments.design(["experiment=table1"], on=["industrial"])
    assert len(asked) > 10
    for stage, overrides in sorted(asked):
        check(stage, list(overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        ["algo=tawin", "algo.window=[0.0,0.1]", "negatives=beam"],  # a list in place of nothing
        ["++data.options.size=tiny", "+data.options.shade=3", "data.fields=[a,b]", "data.path='a, b'"],
        ["policy=sasrec", "algo=sft", "~experiment", "data.options={size: tiny, seed: 3}"],
        ["experiment=beauty_rl", "data=hm", "algo.steps=7", "algo.steps=8"],
        ["data.path=${data.name}", "runs='${oc.env:HOME}'"],
    ],
)
def test_overrides(alone, overrides: list[str]) -> None:
    check("train", overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["algo=tawn"],
        ["algo.stps=3"],
        ["algo.steps=many"],
        ["seed=1,2"],
        ["+algo.steps=3"],
        ["experiment=table1"],  # it has a bench node, which no stage has
        ["experiment=nowhere"],
        ["algo.steps=[1"],
        ["nothing@algo=sft"],
    ],
)
def test_mistakes_are_told_in_hydra_s_words(overrides: list[str]) -> None:
    problems = []
    for by in (compose, compose_by_hydra):
        with pytest.raises((HydraException, OmegaConfBaseException)) as problem:
            by("train", overrides)
        problems.append((type(problem.value), str(problem.value)))
    assert problems[0] == problems[1]


def test_a_config_is_the_caller_s_own(alone) -> None:
    first = compose("train", ["algo.steps=3"])
    first.algo.steps = 5
    first.data.options["size"] = "huge"
    first.data.fields.append("colour")
    check("train", ["algo.steps=3"])
    assert compose("train").algo.steps != 5


def test_settings_of_hydra_itself_are_left_to_it() -> None:
    check("train", ["hydra.job.chdir=false", "algo.steps=3"])


def test_two_folders_are_two(alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eval.yaml").write_text("defaults: [eval_schema, _self_]\nseed: 77\n")
    assert compose("eval").seed == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config_folders, "config_folder", lambda: tmp_path)
    assert compose("eval").seed == 77
