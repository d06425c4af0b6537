"""The examples as arms of a bench: what their code has made is used again, and made anew when the code has changed."""

import json

import pytest
from omegaconf import OmegaConf

from recbench.comparisons import experiments

TINY = ["data.options.size=tiny", "policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=8"]
SHORT = ["sft.epochs=1", "algo.steps=2", "algo.batch_size=16", "algo.group_size=8"]
BENCH = {
    "seeds": [0],
    "metrics": ["hr@10", "ndcg@10"],
    "eval": ["bootstrap=10"],
    "data": {"tiny": [*TINY, *SHORT]},
    "arms": {
        "hinge": ["algo=rule.Hinge", "negatives=random", "algo.margin=2"],
        "hard": ["algo=grpo", "negatives=negatives.Hardest"],
    },
}
COMMAND = ["bench", "experiment=mine", "--arms", "hinge,hard", "--json"]


@pytest.fixture
def experiment(user_folder):
    folder = user_folder / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = "# Rules of ours.\n" + OmegaConf.to_yaml(OmegaConf.create({"bench": BENCH}))
    (folder / "mine.yaml").write_text(text)
    experiments._composed.cache_clear()
    yield user_folder
    experiments._composed.cache_clear()


def test_a_bench_trains_only_what_has_changed(experiment, fresh_workspace, forget_imports):
    result = fresh_workspace.stage(*COMMAND)
    assert result.code == 0, result.err
    again = fresh_workspace.stage(*COMMAND)
    assert again.code == 0 and ": made " not in again.err
    (experiment / "rule.py").write_text((experiment / "rule.py").read_text() + "\n")
    forget_imports("rule")
    experiments._composed.cache_clear()
    plan = fresh_workspace.stage(*COMMAND, "--plan")
    assert plan.code == 0, plan.err
    missing = {job["arm"] for job in json.loads(plan.out)["rows"] if job["train"] is None}
    assert missing == {"hinge"}
