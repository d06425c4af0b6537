"""The real command line on the smallest market, in this process; the run that most tests start from is made once."""

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pytest
from hydra.core.config_store import ConfigStore

from recbench import cli, composition, extensions, redaction, schema
from recbench.data.dataset import RecommendationData
from recbench.data.interactions import Interactions
from recbench.data.splits import leave_one_out
from recbench.runs import Run

MARKET = ["data=bazaar", "data.options.size=tiny"]
# A policy of a few thousand weights; one thread, so that sums are taken in one order.
MODEL = ["policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=8"]
SHORT_SFT = ["algo.epochs=12", "algo.evaluate_every=4", "algo.batch_size=16", "algo.learning_rate=0.01"]
SHORT_RL = ["algo.steps=6", "algo.evaluate_every=3", "algo.batch_size=16", "algo.group_size=8"]  # groups last


class Output(NamedTuple):
    """What a command left: exit status, standard output, standard error."""

    code: int
    out: str
    err: str


class Workspace:
    """A folder of runs, and the commands that write to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *arguments: str) -> Output:
        """`recbench ARGUMENTS` as it is."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(list(arguments))
        return Output(code, out.getvalue(), err.getvalue())

    def stage(self, stage: str, *arguments: str) -> Output:
        """A stage with this workspace's runs folder and one thread."""
        return self.command(stage, *arguments, f"runs={self.root}", "threads=1")

    def made(self, stage: str, *arguments: str) -> Run:
        """The finished run of a stage that has to succeed."""
        result = self.stage(stage, *arguments, "--json")
        assert result.code == 0, result.err
        run = Run(Path(json.loads(result.out)["path"]))
        assert run.status == "done"
        return run

    def sft(self, *arguments: str) -> Run:
        """A short SFT of a tiny policy on the tiny market."""
        return self.made("train", "--algo=sft", *MARKET, *MODEL, *SHORT_SFT, *arguments)

    def rl(self, start: Run, *arguments: str) -> Run:
        """A short RL training from a finished run, or its control, which has no groups."""
        control = {"algo=more_sft", "--algo=more_sft", "--algo=sft"} & set(arguments)
        return self.made("train", f"input={start.path}", *(SHORT_RL[:-1] if control else SHORT_RL), *arguments)

    def baseline(self, policy: str, *arguments: str) -> Run:
        """Two passes of a policy that the LLM recommender is compared with, on the tiny market."""
        short = ["algo.epochs=2", "algo.evaluate_every=1", "algo.batch_size=32", "algo.learning_rate=0.01"]
        own = {"sasrec": [*MODEL, *short], "bpr_mf": ["policy.width=16", *short], "item_knn": ["policy.history=8"]}
        return self.made("train", *MARKET, f"policy={policy}", *own.get(policy, []), *arguments)

    def evaluated(self, trained: Run, *arguments: str) -> Run:
        """An evaluation of a finished training."""
        return self.made("eval", f"input={trained.path}", "bootstrap=50", *arguments)


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process knows no secrets of the test before."""
    monkeypatch.setattr(redaction, "_forms", set())
    monkeypatch.setattr(redaction, "_known", None)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed goes into a pipe, whatever width the terminal of whoever runs the tests has."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's working folder with the examples of the documentation; what is imported from it is forgotten after.

    Choices of config groups that its classes have become are forgotten, too: other tests read the list of choices.
    """
    folder = shutil.copytree(Path(__file__).parents[1] / "docs" / "examples", tmp_path / "user")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(extensions, "_loaded", {})
    extensions._installed.cache_clear()
    before = set(sys.modules)
    yield folder
    extensions._installed.cache_clear()
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    for group in schema.KINDS:  # in which recbench stores nothing else
        ConfigStore.instance().repo.pop(group, None)
    composition._files.cache_clear()


@pytest.fixture
def forget_imports() -> Callable[[str], None]:
    """Forget a module of the user's folder, as a new process would import it."""

    def forget(name: str) -> None:
        sys.modules.pop(name, None)
        extensions._loaded.clear()
        composition._files.cache_clear()

    return forget


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One folder of runs for all tests; name runs by path, since `latest` may be another test's."""
    return Workspace(tmp_path_factory.mktemp("workspace") / "runs")


@pytest.fixture
def fresh_workspace(tmp_path: Path) -> Workspace:
    """A folder without runs."""
    return Workspace(tmp_path / "runs")


@pytest.fixture(scope="session")
def sft_run(workspace: Workspace) -> Run:
    """The SFT run that arms start from."""
    return workspace.sft()


@pytest.fixture(scope="session")
def semantic_run(workspace: Workspace) -> Run:
    """An SFT run whose items are two codes and a collision level."""
    codes = ["item_tokens=semantic_ids", "item_tokens.levels=2", "item_tokens.codebook_size=6"]
    return workspace.sft(*codes, "item_tokens.dimensions=8")


@pytest.fixture
def refuse() -> Callable[[Output, str], None]:
    """Check that a command ended as a mistake does: one line, exit status 2, nothing on standard output."""

    def check(result: Output, words: str) -> None:
        assert result.code == 2, result
        errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and words in errors[0], result.err
        assert "Traceback" not in result.err
        assert result.out == ""

    return check


@pytest.fixture
def make_interactions() -> Callable[[Sequence[Sequence[int]]], Interactions]:
    """Interactions of item sequences, one a user, split by leave-one-out."""

    def make(sequences: Sequence[Sequence[int]]) -> Interactions:
        offsets = np.cumsum([0, *map(len, sequences)])
        items = np.array([item for sequence in sequences for item in sequence], dtype=np.int32)
        return Interactions([f"u{row}" for row in range(len(sequences))], offsets, items, leave_one_out(offsets), None)

    return make


@pytest.fixture
def make_data(make_interactions, tmp_path: Path) -> Callable[..., RecommendationData]:
    """A data set of items with the given texts and of the given sequences."""

    def make(texts: Sequence[str], sequences: Sequence[Sequence[int]]) -> RecommendationData:
        catalogue = datasets.Dataset.from_dict(
            {"item": [f"i{row}" for row in range(len(texts))], "title": list(texts), "text": [""] * len(texts)}
        )
        return RecommendationData("hand made", catalogue, make_interactions(sequences), "f" * 64, None, tmp_path)

    return make
