"""docs/examples/negatives.py and rule.py through the command line, against brute force and autograd."""

import sys

import pytest
import torch

from recbench.composition import compose
from recbench.extensions import implementation

pytestmark = pytest.mark.slow

RULE = ["algo=rule.Hinge", "--neg=random", "algo.margin=2"]
NEGATIVES = ["--algo=grpo", "--neg=negatives.Hardest", "negatives.skipped=1"]


@pytest.fixture
def start(workspace, sft_run):
    """The SFT run and the workspace that it is in."""
    return workspace, sft_run


def test_a_rule(start, user_folder):
    workspace, sft = start
    run = workspace.rl(sft, *RULE)
    assert run.metrics["algorithm"] == "hinge" and run.metrics["steps"] == 6
    assert run.manifest["extensions"] == {"algo": {"name": "rule.Hinge", "code": run.config.algo.code}}
    evaluated = workspace.evaluated(run)
    assert evaluated.metrics["judged"]["described"] == "hinge, random negatives, seed 0"
    shown = workspace.command(
        "compare", str(evaluated.path), "--metrics", "hr@10", "--runs", str(workspace.root), "--json"
    )
    assert '"hinge random"' in shown.out

    settings = compose("train", ["algo=rule.Hinge", "algo.margin=2"]).algo
    scores = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    valid = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], dtype=torch.bool)
    weights = torch.tensor([1.0, 0.5, 1.0], dtype=torch.float64)
    loss = torch.zeros((), dtype=torch.float64)
    for row in range(2):  # the third has no positive
        others = [scores[row, j] for j in range(1, 5) if valid[row, j]]
        hinges = [torch.relu(2 - scores[row, 0] + other) for other in others]
        loss = loss + weights[row] * torch.stack(hinges).mean()
    loss.backward()
    found = implementation("algo", settings)().advantages(scores.detach(), None, valid, weights, settings)
    torch.testing.assert_close(found, -scores.grad)


def test_a_source_of_negatives(start, user_folder):
    workspace, sft = start
    run = workspace.rl(sft, *NEGATIVES)
    assert run.manifest["extensions"]["negatives"]["name"] == "negatives.Hardest"
    assert workspace.evaluated(run).metrics["judged"]["described"] == "grpo, hardest negatives, seed 0"

    class Table:
        def score_catalogue(self, histories):
            return torch.tensor([[0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]])

    settings = compose("train", ["negatives=negatives.Hardest", "negatives.skipped=1"]).negatives
    exclude = torch.tensor([[1, -1], [3, 4]])
    found = implementation("negatives", settings)().choose(
        Table(), exclude, torch.tensor([0, 1]), 3, settings, exclude, torch.Generator()
    )
    # of items 2, 3, 4 by falling score the first is skipped; of 2, 0 too
    assert found.items.tolist() == [[3, 4, -1], [0, -1, -1]]


@pytest.mark.parametrize(
    ("module", "text", "instead", "words"),
    [
        ("negatives", "return Negatives(items,", "return (items,", "choose gave a tuple, expected Negatives"),
        (
            "negatives",
            "Negatives(items, ",
            "Negatives(items[:, 1:], ",
            "items are torch.int64 [16, 6], expected",
        ),
        ("negatives", "left_out + 1, -torch", "left_out * 0, -torch", "a context's positive is among its negatives"),
        (
            "rule",
            "keepdim=True), -pull",
            "keepdim=True) / 0, -pull",
            "rule.Hinge: advantages are not all finite",
        ),
        (
            "rule",
            "return torch.cat([",
            "return pull.sum()  # ([",
            "advantages gave shape [], expected a tensor",
        ),
    ],
)
def test_what_they_give_is_checked(module, text, instead, words, start, user_folder):
    workspace, sft = start
    file = user_folder / f"{module}.py"
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
    asked = {"rule": RULE, "negatives": NEGATIVES}[module]
    short = ["algo.steps=2", "algo.evaluate_every=2", "algo.batch_size=16", "algo.group_size=8"]
    result = workspace.stage("train", f"input={sft.path}", *asked, *short)
    assert result.code == 2 and words in result.err, result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["algo=rule.Hinge", "algo.margin=-1"], "algo.margin=-1: expected at least 0"),
        (["algo=rule.Hinge", "algo.sdpo_beta=2"], "it is for algo=sdpo, and algo is rule.Hinge"),
        (["algo=rule.Hinge", "algo.epochs=2"], "algo is rule.Hinge"),
        (["algo=rule.Hinge", "--window", "0,0.1"], "algo.window is for tawin, and algo is rule.Hinge"),
        (
            ["--neg=negatives.Hardest", "negatives.pool=3"],
            "is for negatives=dns, and negatives is negatives.Hardest",
        ),
        (["--neg=negatives.Softest"], "negatives.py has no Softest"),
        (["--algo=sft", "--neg=negatives.Hardest"], "negatives are of the rl rules"),
    ],
)
def test_what_does_not_go_with_them_is_refused(arguments, words, user_folder, fresh_workspace, refuse):
    refuse(fresh_workspace.stage("train", *arguments, "--no-upstream"), words)


def test_a_window_needs_a_source_that_knows_its_probabilities(start, user_folder):
    workspace, sft = start
    asked = ["--algo=tawin", "--top-k", "3", "--neg=negatives.Hardest"]
    result = workspace.stage("train", f"input={sft.path}", *asked)
    assert result.code == 2 and "give its class knows_inclusion = True" in result.err
    assert "negatives" in sys.modules
