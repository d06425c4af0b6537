"""What flags become, and that the config a stage gets is the one asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from recbench.composition import compose
from recbench.quoting import quote
from recbench.runs import find_runs


def composed(result):
    assert result.code == 0, result.err
    return OmegaConf.create(result.out)


def test_defaults(command):
    config = composed(command("train", "--cfg"))
    assert config.data.name == "bazaar"
    assert config.algo.name == "grpo"
    assert config.negatives.kind == "beam"
    assert config.item_tokens.kind == "atomic"
    assert config.policy.kind == "llama_small"
    assert config.seed == 0


def test_the_sft_node_is_the_sft_algorithm(command):
    config = composed(command("train", "--cfg"))
    assert config.sft == composed(command("train", "--algo=sft", "--cfg")).algo
    assert config.sft.learning_rate == 1e-3
    assert config.sft.epochs == 30


def test_cfg_makes_no_folder(command, tmp_path):
    composed(command("train", "--cfg"))
    assert list(tmp_path.iterdir()) == []


def test_tawin_takes_negatives_from_its_window_unless_told_otherwise(command):
    assert composed(command("train", "--algo=tawin", "--top-k=10", "--cfg")).negatives.kind == "window"
    assert composed(command("train", "--algo=tawin", "--top-k=10", "--neg=random", "--cfg")).negatives.kind == "random"
    assert composed(command("train", "algo=tawin", "algo.top_k=10", "negatives=beam", "--cfg")).negatives.kind == "beam"


def test_a_window_is_not_split_at_its_comma(command):
    config = composed(command("train", "--algo=tawin", "--window", "0.001,0.003", "--cfg"))
    assert config.algo.window == [0.001, 0.003]
    assert config.algo.top_k is None


def test_eval_windows_and_ks_are_lists(command):
    config = composed(command("eval", "--window", "0.01,0.05", "--window=0,0.001", "--k", "1,5", "--k", "10", "--cfg"))
    assert config.windows == [[0.01, 0.05], [0.0, 0.001]]
    assert config.ks == [1, 5, 10]


def test_an_override_wins_over_a_flag(command):
    assert composed(command("train", "--neg=random", "negatives=mixed", "--cfg")).negatives.kind == "mixed"


def test_upstream_and_force_flags(command):
    config = composed(command("train", "--no-upstream", "--force", "--cfg"))
    assert (config.upstream, config.force) == (False, True)


def test_the_stage_gets_the_config_and_the_run_keeps_it(command, trained, tmp_path):
    result = command("train", "--neg=random", "seed=3", "algo.steps=7")
    assert result.code == 0, result.err
    (config,) = trained
    assert (config.seed, config.algo.steps, config.negatives.kind) == (3, 7, "random")
    (run,) = find_runs(tmp_path / "runs")
    assert run.config.algo.steps == 7
    assert list(OmegaConf.load(run.path / "overrides.yaml")) == ["negatives=random", "seed=3", "algo.steps=7"]


def test_experiments_are_a_group(tmp_path):
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /algo: tawin\n  - _self_\nalgo: {top_k: 3}\nseed: 5\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    config = compose("train", [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"])
    assert (config.algo.name, config.negatives.kind, config.algo.top_k, config.seed) == ("tawin", "window", 3, 5)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12))
def test_a_quoted_text_arrives_as_it_was(text):
    assert compose("eval", [f"input={quote(text)}"]).input == text


@pytest.mark.parametrize(
    "text",
    ["a,b", "x=1", "it's", "back\\", "q\\'", "\\\\'", "${seed}", "a b", "", "null", "1e-3", "[1,2]", "{a:1}", "~"],
)
def test_a_text_full_of_syntax_arrives_as_it_was(text):
    assert compose("eval", [f"input={quote(text)}"]).input == text


def test_quote_of_numbers_and_lists():
    assert quote([(0.01, 0.05), (0, 1)]) == "[[0.01,0.05],[0,1]]"
    assert quote(None) == "null"
    assert quote(True) == "true"
