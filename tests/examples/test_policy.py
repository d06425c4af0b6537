"""docs/examples/policy.py, and a policy that is counted, through the command line."""

import numpy as np
import pytest
import torch

from recbench.data.dataset import load_data
from recbench.data.interactions import TRAIN, user_of_interaction
from recbench.policy.checkpoint import load_policy

pytestmark = pytest.mark.slow

MARKET = ["data=bazaar", "data.options.size=tiny"]
SHORT = ["algo.epochs=1", "algo.batch_size=32", "algo.evaluate_every=1"]
LATEST = '''
import torch
from recbench.policy.baselines.atomic import AtomicPolicy

class Latest(AtomicPolicy):
    """The items whose last interaction is the latest in the file."""
    label = "latest"
    def __init__(self, trie, settings):
        super().__init__(trie, settings)
        self.register_buffer("place", torch.zeros(trie.catalogue_size))
    def count(self, users, items):
        self.place[torch.from_numpy(items).long()] = torch.arange(len(items), dtype=torch.float32)
    def score_catalogue(self, histories):
        return self.place.expand(len(histories), -1)
'''


def test_the_example(user_folder, fresh_workspace, forget_imports):
    trained = fresh_workspace.made("train", *MARKET, "policy=policy.Gru", "policy.width=16", *SHORT)
    assert trained.config.algo.name == "sft"  # as policy=sasrec has it
    assert trained.manifest["extensions"]["policy"] == {"name": "policy.Gru", "code": trained.config.policy.code}
    forget_imports("policy")
    policy, _ = load_policy(trained.path / "policy")
    items = torch.tensor([[3, 1, 4], [1, 5, -1]])
    state = torch.zeros(1, 1, 16)
    embedding, states = policy.item_embeddings.weight, []
    for item in (-1, 3, 1, 4):  # one step at a time, the beginning first
        _, state = policy.recurrent(embedding[item + 1].view(1, 1, -1), state)
        states.append(state[0, 0])
    expected = torch.log_softmax(states[-1] @ embedding[1:].T, dim=0)
    torch.testing.assert_close(policy.score_catalogue(items)[0], expected)

    forget_imports("policy")
    tuned = fresh_workspace.rl(trained, "--algo=tawin", "--top-k", "3")
    evaluated = fresh_workspace.evaluated(tuned)
    assert evaluated.metrics["judged"]["described"].startswith("gru4rec, tawin at Top-3")
    assert evaluated.metrics["judged"]["from"] == "gru4rec"
    file = user_folder / "policy.py"
    file.write_text(file.read_text() + "\n")
    forget_imports("policy")
    result = fresh_workspace.stage("eval", f"input={tuned.path}")
    assert result.code == 2 and "policy=policy.Gru is no longer the code that this was made with" in result.err


def test_a_policy_that_is_counted(user_folder, fresh_workspace):
    (user_folder / "mine.py").write_text(LATEST)
    trained = fresh_workspace.made("train", *MARKET, "policy=mine.Latest", "algo.interactions=all")
    assert trained.config.algo.name == "count"
    data = load_data(trained.input_run("data").path)
    seen = data.interactions.items[data.interactions.split == TRAIN]
    place = np.zeros(len(data.catalogue["item"]))
    place[seen] = np.arange(len(seen))
    policy, _ = load_policy(trained.path / "policy")
    np.testing.assert_array_equal(policy.score_catalogue(torch.zeros(1, 2, dtype=torch.int64))[0], place)
    assert len(user_of_interaction(data.interactions)) > len(seen)
    assert fresh_workspace.evaluated(trained).metrics["judged"]["described"] == "latest, seed 0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["policy=policy.Gru", "policy.layers=3"], "policy is policy.Gru"),
        (["policy=policy.Gru", "--algo=count"], "algo=count is for policy="),
        (["policy=policy.Gru", "policy.width=2"], "policy.width=2: expected at least 4"),
        (["policy=mine.Latest", "--algo=grpo"], "policy=mine.Latest is counted, and algo is grpo: give --algo=count"),
        (["policy=mine.Latest", "policy.trained_by=any"], "policy.trained_by='any': expected one of count"),
        (["policy=mine.Other"], "class Other is no recbench.policy.baselines.atomic.AtomicPolicy: derive it from that"),
        (["policy=mine.Half"], "class Half has no method count(self, users: np.ndarray, items: np.ndarray) -> None"),
        (["policy=mine.AtomicPolicy"], "class AtomicPolicy is abstract: write score_catalogue"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words, user_folder, fresh_workspace, refuse):
    half = "\nclass Other: pass\nclass Half(AtomicPolicy):\n    def score_catalogue(self, histories): pass\n"
    (user_folder / "mine.py").write_text(LATEST + half)
    refuse(fresh_workspace.stage("train", *MARKET, *arguments, "--no-upstream"), words)
