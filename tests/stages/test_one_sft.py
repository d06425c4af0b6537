"""SFT has one place for its settings, and the SFT that a user trains is the one that rl would make for itself."""

import pytest
from omegaconf import OmegaConf
from safetensors.numpy import load_file

from recbench.composition import compose
from recbench.errors import UserError
from recbench.runs import find_runs
from recbench.schema import with_defaults

pytestmark = pytest.mark.slow

SHORT = ["data.options.size=tiny", "policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=8"]
SFT = ["sft.epochs=3", "sft.batch_size=16", "sft.learning_rate=0.01"]
RL = ["algo.steps=2", "algo.batch_size=16", "algo.group_size=4"]


def test_an_experiments_rl_settings_do_not_leak_into_sft() -> None:
    config = compose("train", ["algo=sft", "experiment=sports_rl"])
    # those of conf/algo/sft.yaml, with what the experiment has under sft; not 800 steps, 96 contexts, 200 between
    assert (config.algo.epochs, config.algo.patience, config.algo.weight_averaging) == (14, 4, 0.998)
    assert (config.algo.batch_size, config.algo.learning_rate, config.algo.evaluate_every) == (128, 1e-3, 1)
    assert config.algo == config.sft
    rl = compose("train", ["algo=grpo", "experiment=sports_rl"])
    assert (rl.algo.batch_size, rl.algo.evaluate_every) == (96, 200) and rl.sft == config.sft


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("beauty_sft", {"epochs": 22, "patience": 4, "weight_averaging": 0.998, "validation_cases": 6000}),
        ("beauty_sasrec", {"epochs": 14, "patience": 0, "weight_averaging": 0.995, "validation_cases": 6000}),
        ("sports_sasrec", {"epochs": 9, "patience": 0, "weight_averaging": 0.995, "validation_cases": 6000}),
        ("beauty_semantic_ids", {"epochs": 40, "patience": 4, "weight_averaging": 0.998, "validation_cases": 2000}),
    ],
)
def test_experiments_that_are_an_sft_say_so_under_sft(experiment, expected) -> None:
    algo = compose("train", [f"experiment={experiment}"]).algo
    assert algo.name == "sft"
    assert {key: algo[key] for key in expected} == expected


def test_both_spellings_mean_the_same_and_contradicting_ones_are_refused(workspace, refuse) -> None:
    one, other = compose("train", ["algo=sft", "sft.epochs=2"]), compose("train", ["algo=sft", "algo.epochs=2"])
    assert one == other and one.algo.epochs == 2
    assert compose("train", ["algo=sft", "sft.epochs=2", "algo.epochs=2"]) == one
    both = workspace.stage("train", "--algo=sft", "sft.epochs=2", "algo.epochs=3")
    refuse(both, "algo.epochs=3.0 and sft.epochs=2.0 are one setting, of this SFT: give one of them")
    refuse(workspace.stage("train", "sft.interactions=reserved"), "cannot learn from what is kept from it")


def test_an_experiment_that_is_an_sft_and_sets_algo_is_told_where_it_belongs(tmp_path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /algo: sft\n  - _self_\n{node}: {{epochs: 22}}\n"
    for node in ("algo", "sft"):
        (tmp_path / "experiment" / f"by_{node}.yaml").write_text(text.format(node=node))
    search = f"hydra.searchpath=[file://{tmp_path}]"
    assert compose("train", [search, "experiment=by_sft"]).algo.epochs == 22
    with pytest.raises(UserError, match=r"the experiment sets algo.epochs=22.0.*write sft.epochs there"):
        compose("train", [search, "experiment=by_algo"])


def test_more_sft_keeps_the_settings_that_rl_has() -> None:
    config = compose("train", ["algo=more_sft", "experiment=sports_rl"])
    assert (config.algo.steps, config.algo.batch_size, config.sft.batch_size) == (800, 96, 128)


def test_rl_finds_the_sft_that_a_user_trained_and_would_have_made_the_same(tmp_path, workspace) -> None:
    by_user, by_rl = (type(workspace)(tmp_path / name) for name in ("by_user", "by_rl"))
    asked = by_user.made("train", "--algo=sft", *SHORT, *SFT)
    made_from = by_user.made("train", "--neg=beam", *SHORT, *SFT, *RL).input_run("train")
    assert made_from.id == asked.id and len(find_runs(by_user.root, "train")) == 2
    own = by_rl.made("train", "--neg=beam", *SHORT, *SFT, *RL).input_run("train")
    weights = [load_file(run.path / "policy" / "model.safetensors") for run in (asked, own)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert asked.metrics == own.metrics
    values = [with_defaults("train", run.config) for run in (asked, own)]
    for of_run in values:
        of_run.pop("runs")
        of_run.pop("force")
    assert values[0] == values[1]
    assert "sft.epochs=3.0" in own.overrides and "algo=sft" in own.overrides


def test_a_run_of_before_counts_as_what_it_was_trained_by() -> None:
    """Whatever its node sft says: an older run has the defaults there, and its settings under algo."""
    now = compose("train", ["algo=sft", "algo.epochs=7"])
    before = OmegaConf.merge(now, {"sft": compose("train").sft})
    assert before.sft != now.sft
    assert with_defaults("train", before) == with_defaults("train", now)


def test_validations_that_never_come_are_told(workspace) -> None:
    run = workspace.made("train", "--algo=sft", "data=bazaar", *SHORT, *SFT, "sft.evaluate_every=9")
    assert run.manifest["notes"] == [
        "evaluate_every=9 epochs is more than the training has: it is validated at its start and at its end, and "
        "nowhere between"
    ]
