"""Every shipped yaml composes and passes its own checks; the packaging ships what is needed."""

import re
import tomllib
from pathlib import Path

import pytest

from recbench import schema
from recbench.comparisons import experiments
from recbench.composition import compose
from recbench.config_folders import config_folder
from recbench.execution import prepare

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CONF = config_folder()


def names(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def test_the_folder_is_found():
    assert (CONF / "train.yaml").is_file()


@pytest.mark.parametrize("stage", ["data", "caption", "tokenize", "ctr", "simulate", "train", "eval", "laboratory"])
def test_the_defaults_of_a_stage_are_valid(stage):
    prepare(stage, compose(stage), ())


@pytest.mark.parametrize("group", ["item_tokens", "negatives", "policy", "algo"])
def test_every_choice_of_a_group_composes(group):
    for name in names(group):
        overrides = [f"{group}={name}", "item_tokens.path=index.json", "policy.path=model"]
        if name in ("tawin", "window"):
            overrides += ["algo=tawin", "algo.top_k=10"]
        if name == "weighted_sft":
            overrides.append("algo.top_k=10")
        if name in ("count", "bpr"):  # rules of other policies than the default one
            overrides += [{"count": "policy=popularity", "bpr": "policy=bpr_mf"}[name]]
        prepare("train", compose("train", overrides), ())


@pytest.mark.parametrize("name", names("data"))
def test_every_data_set_composes(name):
    for stage in ("data", "caption", "tokenize", "ctr", "simulate", "train", "eval"):
        assert compose(stage, [f"data={name}"]).data.source


@pytest.mark.parametrize("name", names("experiment"))
def test_every_experiment_composes(name):
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    if "\nbench:" in text:  # every arm on every data set, and the evaluations
        experiments.design([f"experiment={name}"])
        return
    stage = "ctr" if "override /ctr:" in text else "laboratory" if "recbench laboratory" in text else "train"
    prepare(stage, compose(stage, [f"experiment={name}"]), ())


@pytest.mark.parametrize("group", ["captioner", "features", "ctr"])
def test_every_choice_of_the_caption_chain_composes(group):
    for name in names(group):
        prepare("ctr", compose("ctr", [f"{group}={name}"]), ())


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_file_says_what_it_is(file):
    lines = [line for line in file.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# "), "the first line tells what the file is"


def test_every_option_has_help_and_a_valid_default():
    for stage, options in schema.STAGE_SCHEMAS.items():
        for key, item in schema.options(options):
            assert item.metadata["help"], (stage, key)


def test_nearest_words():
    words = ["policy.layers", "algo.steps", "negatives"]
    assert schema.did_you_mean("algo.stps", words) == "; did you mean 'algo.steps'?"
    assert schema.did_you_mean("steps", words) == "; did you mean 'algo.steps'?"
    assert schema.did_you_mean("neg", words) == "; did you mean 'negatives'?"
    assert schema.did_you_mean("xyz", words) == ""


@pytest.mark.parametrize("name", ["target", "auc", "hr@10", "ndcg@5", "mrr@1", "wpauc(0.01,0.05)"])
def test_metrics_that_select(name):
    prepare("train", compose("train", [f"algo.select_by='{name}'"]), ())


def test_constraints_pin_every_dependency_without_a_build():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if not line.startswith("#")}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    missing = {re.split(r"[<>=\[]", text)[0].lower() for text in wanted} - pinned
    assert missing == set()
    assert "torch==2.13.0" in lines  # no local version: any index has it
