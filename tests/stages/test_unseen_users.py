"""Validation users who picked a checkpoint, and the others, who are judged."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.comparisons import experiments
from recbench.comparisons.experiments import design, training
from recbench.data.dataset import load_data
from recbench.data.interactions import VALIDATION, Cases, held_out_cases, sample_cases
from recbench.errors import UserError
from recbench.runs import Run
from recbench.stages.evaluate import users_who_chose


def judged(run: Run) -> set[str]:
    return set(pq.read_table(run.path / "ranks.parquet")["user"].to_pylist())


def test_a_user_with_one_of_several_cases_in_the_sample_chose() -> None:
    cases = Cases(np.array([0, 0, 1, 2, 2, 3]), np.arange(6))
    for size in range(1, 6):
        sample = sample_cases(cases, size)
        assert users_who_chose(cases, [size]).tolist() == sorted(set(sample.user.tolist()))
    assert users_who_chose(cases, [0]).tolist() == users_who_chose(cases, [1, 6]).tolist() == [0, 1, 2, 3]


def test_only_users_who_picked_neither_the_policy_nor_its_start_are_judged(workspace, refuse) -> None:
    start = workspace.sft("algo.validation_cases=30", "seed=5")
    run = workspace.rl(start, "--algo=more_sft", "algo.validation_cases=20")
    everyone = judged(workspace.evaluated(run, "split=validation"))
    unseen = workspace.evaluated(run, "split=validation", "users=unseen")
    data = load_data(run.input_run("data").path)
    cases = held_out_cases(data.interactions, VALIDATION)
    chose = {data.interactions.users[user] for size in (20, 30) for user in sample_cases(cases, size).user}
    assert judged(unseen) == everyone - chose and chose < everyone
    counts = {"judged": len(everyone - chose), "chose": len(chose), "all": len(everyone)}
    assert unseen.metrics["validation_users"] == counts
    assert f"{counts['judged']} validation users are judged" in (unseen.path / "report.md").read_text()
    assert judged(workspace.evaluated(run, "split=validation", "users=auto")) == judged(unseen)
    # where everybody picked, nobody is left
    whole = workspace.rl(start, "--algo=more_sft", "algo.validation_cases=0")
    refuse(
        workspace.stage("eval", f"input={whole.path}", "split=validation", "users=unseen"),
        "users=unseen: all",
    )
    told = workspace.evaluated(whole, "split=validation", "users=auto")
    assert judged(told) == everyone and any(
        "picked checkpoints, and are judged" in note for note in told.manifest["notes"]
    )
    refuse(workspace.stage("eval", f"input={run.path}", "users=unseen"), "it is for split=validation")


def test_the_same_users_pick_every_arm_of_a_bench() -> None:
    arms = ["more_sft", "grpo_beam", "sasrec", "bpr_mf", "popularity"]
    config = design(["experiment=table1"], arms=arms, on=["beauty"], split="validation")
    assert {training(config, "beauty", arm)[0].algo.validation_cases for arm in arms} == {6000}
    assert "users=auto" in config.evaluation
    assert "users=auto" not in design(["experiment=table1"], arms=arms, on=["beauty"]).evaluation
    with pytest.raises(UserError, match="sft.validation_cases=6000 and algo.validation_cases=500 on beauty"):
        design(["experiment=table1", "algo.validation_cases=500"], arms=["more_sft"], on=["beauty"], split="validation")
    config.arms.grpo_beam.train.append("algo.validation_cases=7")
    with pytest.raises(UserError, match="algo.validation_cases is 6000 in arm more_sft and 7 in grpo_beam, on beauty"):
        experiments._check_choosers(config, "beauty", arms)
