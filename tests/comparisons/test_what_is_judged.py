"""A run says what it is of: the policy that an evaluation scores, arms of a comparison, arms of an online test."""

import json

import pytest

from recbench import cli
from recbench.runs import Run, find_runs

pytestmark = pytest.mark.slow

TINY = ["data=bazaar", "data.options.size=tiny", "policy.layers=1", "policy.width=16", "policy.feed_forward=16"]
TINY += ["policy.history=8", "threads=1"]
SHORT = ["sft.epochs=2", "algo.steps=4", "algo.batch_size=16", "algo.group_size=4", "algo.validation_cases=20"]


@pytest.fixture
def here(capsys, monkeypatch, tmp_path):
    """`recbench ARGUMENTS` in an empty folder: standard output of a command that has to succeed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        capsys.readouterr()
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return run


def test_train_then_eval_in_an_empty_folder_judges_the_policy_that_was_asked_for(here, tmp_path) -> None:
    here("train", "--neg=beam", *TINY, *SHORT)
    trained = find_runs(tmp_path / "runs", "train")
    grpo = next(run for run in trained if run.config.algo.name == "grpo")
    sft = next(run for run in trained if run.config.algo.name == "sft")
    assert len(trained) == 2 and sft.id > grpo.id  # the SFT that it made for itself started later
    out = here("eval", "--window", "0.01,0.05", "data=bazaar", "data.options.size=tiny", "bootstrap=0")
    (evaluated,) = find_runs(tmp_path / "runs", "eval")
    metrics = json.loads((evaluated.path / "metrics.json").read_text())
    assert metrics["trained"]["algorithm"] == "grpo"
    assert metrics["judged"]["algorithm"] == "grpo"
    assert metrics["judged"]["described"] == "grpo, beam negatives, seed 0" and metrics["judged"]["from"] == "sft"
    told = f"policy: grpo, beam negatives, seed 0 (run {grpo.id}), from sft (run {sft.id})"
    assert out.splitlines()[0] == told
    report = (evaluated.path / "report.md").read_text()
    assert told in report.split("## ")[0]  # above the first section
    assert told in (evaluated.path / "report.html").read_text()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["--algo=tawin", "--top-k", "5"], "tawin at Top-5, window negatives, seed 0"),
        (["--algo=tawin", "--window", "0.02,0.2", "--neg=random"], "tawin at 0.02,0.2, random negatives, seed 0"),
        (["--algo=tawin", "--weights", "ndcg@5"], "tawin by ndcg@5, window negatives, seed 0"),
        (["algo=more_sft", "seed=0"], "more sft, seed 0"),
    ],
)
def test_a_training_says_what_it_is_and_what_it_went_on_from(workspace, sft_run, overrides, words) -> None:
    run = workspace.rl(sft_run, *overrides, "algo.steps=1")
    assert run.manifest["headline"][0] == f"policy: {words} (run {run.id}), from sft (run {sft_run.id})"


def test_a_policy_of_its_own_rule_is_named_by_its_kind(workspace) -> None:
    run = workspace.baseline("popularity")
    assert run.manifest["headline"] == [f"policy: popularity, seed 0 (run {run.id})"]


KEPT = "this is the SFT policy: no step was better on validation"


def test_rl_that_keeps_the_sft_policy_says_so_everywhere(workspace, sft_run) -> None:
    # a learning rate of 0 leaves every weight as it is: no step can be better than the start
    arm = workspace.rl(sft_run, "--algo=grpo", "--neg=random", "algo.learning_rate=0")
    assert arm.metrics["best_step"] == 0
    assert arm.manifest["headline"][1] == KEPT
    scored = [workspace.evaluated(run, "--k", "5") for run in (sft_run, arm)]
    assert scored[1].manifest["headline"][1] == KEPT and scored[1].metrics["judged"]["is_its_start"] is True
    assert len(scored[0].manifest["headline"]) == 1 and scored[0].metrics["judged"]["is_its_start"] is False
    result = workspace.command("compare", *(str(run.path) for run in scored))
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == f"grpo random, seed 0: {KEPT}"
    for run in (scored[0].id, scored[1].id, sft_run.id, arm.id):
        assert run in result.out
    assert f"**{KEPT}.**" in (scored[1].path / "report.md").read_text()


def test_arms_that_are_equal_though_both_moved_say_so(workspace, sft_run) -> None:
    cases = (0, 60)  # all of the sixty, both times
    arms = [workspace.rl(sft_run, "--neg=random", f"algo.validation_cases={some}") for some in cases]
    assert all(run.metrics["best_step"] > 0 for run in arms)
    scored = [workspace.evaluated(run, "--k", "5") for run in arms]
    found = json.loads(workspace.command("compare", *(str(run.path) for run in scored), "--json").out)
    assert found["headline"] == [
        "grpo random algo.validation_cases=60, seed 0: equal to grpo random algo.validation_cases=0 to the last bit "
        "in every case"
    ]
    assert [(one["arm"], one["eval"]) for one in found["runs"]] == [
        (f"grpo random algo.validation_cases={some}", run.id) for some, run in zip(cases, scored)
    ]


def test_a_bench_says_it_on_top_of_its_tables_and_its_report(fresh_workspace) -> None:
    arms = ["--arms", "sft,grpo_random", "--seeds", "0"]
    result = fresh_workspace.stage("bench", *TINY[:-1], *SHORT, "algo.learning_rate=0", *arms)
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == f"grpo random, seed 0: {KEPT}"
    (run,) = find_runs(fresh_workspace.root, "bench")
    assert f"**grpo random, seed 0: {KEPT}.**" in Run(run.path).path.joinpath("report.md").read_text()
