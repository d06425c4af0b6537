"""A training that was killed goes on to the very numbers that it would have had."""

import os
import signal
import subprocess
import sys

import pytest

from recbench.runs import find_runs
from recbench.stages import rules

pytestmark = pytest.mark.slow

AVERAGED = ["algo.weight_averaging=0.9", "algo.item_dropout=0.2", "algo.schedule=cosine"]

# The command line, which kills itself without a word in its KILLED_AT-th SFT step.
SUICIDE = """
import os, signal, sys
from recbench import cli
from recbench.policy import sft
real, calls = sft.sft_loss, [0]
def loss(*arguments):
    calls[0] += 1
    if calls[0] == {killed_at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
sft.sft_loss = loss
sys.exit(cli.main(sys.argv[1:]))
"""


def _interrupt(monkeypatch: pytest.MonkeyPatch, name: str, call: int, problem: BaseException) -> None:
    """Let the call-th use of a function that the training rules call raise."""
    real, calls = getattr(rules, name), [0]

    def breaking(*arguments, **keys):
        calls[0] += 1
        if calls[0] == call:
            raise problem
        return real(*arguments, **keys)

    monkeypatch.setattr(rules, name, breaking)


def _metrics(run) -> bytes:
    return (run.path / "metrics.json").read_bytes()


def _policy(run) -> bytes:
    return (run.path / "policy" / "model.safetensors").read_bytes()


def test_an_sft_killed_in_the_middle(workspace) -> None:
    whole = workspace.sft(*AVERAGED)
    made = {run.id for run in find_runs(workspace.root)}
    arguments = [text for text in whole.overrides if not text.startswith("upstream")]
    # Validations are after steps 16 and 32: step 25 is lost with the eight before it.
    command = [sys.executable, "-c", SUICIDE.format(killed_at=25), "train", *arguments]
    result = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr
    (killed,) = (run for run in find_runs(workspace.root) if run.id not in made)
    assert killed.status == "interrupted"
    assert not (killed.path / "metrics.json").exists()
    resumed = workspace.made("train", "--resume", str(killed.path))
    assert resumed.path == killed.path
    assert _metrics(resumed) == _metrics(whole)
    assert _policy(resumed) == _policy(whole)
    assert not list(resumed.path.rglob(".partial-*"))


@pytest.mark.parametrize(("policy", "function"), [("sasrec", "padded"), ("bpr_mf", "draw_negatives")])
def test_a_baseline_stopped_in_the_middle(policy, function, workspace, monkeypatch) -> None:
    whole = workspace.baseline(policy, "algo.weight_averaging=0.9")
    arguments = [text for text in whole.overrides if not text.startswith("upstream")]
    per_epoch = whole.metrics["curve"][1]["step"]
    with monkeypatch.context() as patch:
        _interrupt(patch, function, per_epoch + 2, KeyboardInterrupt())  # the second epoch's first step is lost
        result = workspace.command("train", *arguments)
    assert result.code == 130, result.err
    stopped = find_runs(workspace.root, "train")[-1]
    assert stopped.status == "interrupted"
    resumed = workspace.made("train", "--resume", stopped.id)
    assert resumed.path == stopped.path
    assert _metrics(resumed) == _metrics(whole)
    assert _policy(resumed) == _policy(whole)


REPLAY = ["algo.replay_weight=0.5", "algo.replay_batch=8"]
SEQUENCES = ["algo.contexts=sequence", "algo.rank_dropout=true", "algo.interactions=all", "algo.item_dropout=0.1"]
SEQUENCES += ["algo.continues=training", "algo.weight_averaging=0.9"]


@pytest.mark.parametrize("problem", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["failed", "interrupted"])
@pytest.mark.parametrize("call", [1, 5], ids=["before any step", "after a validation"])
@pytest.mark.parametrize("more", [REPLAY, SEQUENCES], ids=["replay", "sequences"])
def test_a_tawin_stopped_in_the_middle(problem, call, more, workspace, sft_run, monkeypatch) -> None:
    arm = ["--algo=tawin", "--top-k", "5", "algo.window_shape=soft", "algo.kl=0.1", "algo.steps=6", *more]
    arguments = [f"input={sft_run.path}", *arm, "algo.evaluate_every=3", "algo.batch_size=16", "algo.group_size=8"]
    whole = workspace.made("train", *arguments)
    with monkeypatch.context() as patch:
        _interrupt(patch, "rl_step", call, problem)
        result = workspace.stage("train", *arguments)
    assert result.code == (1 if isinstance(problem, RuntimeError) else 130), result.err
    stopped = find_runs(workspace.root, "train")[-1]
    assert stopped.status == ("failed" if isinstance(problem, RuntimeError) else "interrupted")
    resumed = workspace.made("train", "--resume", stopped.id)
    assert resumed.path == stopped.path
    assert _metrics(resumed) == _metrics(whole)
    assert _policy(resumed) == _policy(whole)


def test_a_resumed_run_keeps_the_start_it_had(fresh_workspace, monkeypatch) -> None:
    # The KL term pulls to the policy that RL started from; by the time of the resume, `latest` is another.
    start = fresh_workspace.sft()
    arm = ["--algo=grpo", "--neg=random", "algo.kl=1", "algo.steps=6", "algo.evaluate_every=3", "algo.batch_size=16"]
    whole = fresh_workspace.made("train", f"input={start.path}", *arm)
    again = fresh_workspace.sft("algo.interactions=all")  # later than `whole`, and another policy
    expected = fresh_workspace.made("train", f"input={again.path}", *arm)
    assert _metrics(expected) != _metrics(whole)
    with monkeypatch.context() as patch:
        _interrupt(patch, "rl_step", 5, KeyboardInterrupt())
        result = fresh_workspace.stage("train", "input=latest", *arm)
    assert result.code == 130, result.err
    stopped = find_runs(fresh_workspace.root, "train")[-1]
    newest = stopped.input_run("train")
    expected = fresh_workspace.made("train", f"input={newest.path}", *arm)
    fresh_workspace.sft("seed=3")
    resumed = fresh_workspace.made("train", "--resume", stopped.id)
    assert [entry["id"] for entry in resumed.manifest["inputs"] if entry["stage"] == "train"] == [newest.id]
    assert _metrics(resumed) == _metrics(expected)


def test_sft_that_goes_on_is_one_sft(workspace) -> None:
    """More SFT behind a training of two passes is the rest of one of four: the same weights, average and moments."""
    same = [
        "algo.batch_size=16",
        "algo.warmup=0",
        "algo.learning_rate=0.01",
        "algo.item_dropout=0.2",
        "algo.weight_decay=0.02",
        "algo.weight_averaging=0.9",
    ]
    whole = workspace.sft("reserved=0", "algo.epochs=4", *same)
    half = workspace.sft("reserved=0", "algo.epochs=2", *same)
    steps = whole.metrics["steps"] - half.metrics["steps"]
    more = [
        "algo=more_sft",
        "reserved=0",
        "algo.interactions=all",
        "algo.contexts=sequence",
        "algo.continues=training",
    ]
    rest = workspace.rl(half, *more, *same, f"algo.steps={steps}", f"algo.evaluate_every={steps}")
    for file in ("model.safetensors", "optimizer.safetensors", "average.safetensors"):
        parts = [(run.path / "checkpoints" / "last" / file).read_bytes() for run in (half, rest, whole)]
        assert parts[1] == parts[2] != parts[0]
