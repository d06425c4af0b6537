"""Standard output and standard error that are closed, full, or left by their reader, in real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recbench.runs import find_runs

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here"),
]

# The command line with a train stage that tells much on standard error, and trains nothing.
STUB = """
import sys
from types import ModuleType
from dataclasses import replace
from recbench import cli
from recbench.stage_table import STAGES
from recbench.console.progress import say
def train(config, run):
    with run.progress("train", 3) as bar:
        for step in range(3):
            bar.advance(1, loss=0.5)
            say("x" * 100_000)
            run.note("a note")
    return {"auc": 0.5}
stub = ModuleType("stub")
stub.run = train
sys.modules["stub"] = stub
STAGES["train"] = replace(STAGES["train"], run="stub:run")
sys.exit(cli.main(sys.argv[1:]))
"""


def shell(redirected: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command with redirections as bash has them, in which the command's exit status is the whole line's."""
    command = ["bash", "-c", f'set -o pipefail; "$@" {redirected}', "bash", sys.executable, "-c", STUB, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


REDIRECTIONS = ["> /dev/full", ">&-", "2> /dev/full", "2>&-", "> /dev/full 2>&1", ">&- 2>&-", "2>&1 | head -c 10"]


@pytest.mark.parametrize("redirected", REDIRECTIONS)
def test_a_run_is_done_whatever_becomes_of_its_output(redirected, tmp_path) -> None:
    result = shell(redirected, "train", folder=tmp_path)
    assert result.returncode == 0, result
    (run,) = find_runs(tmp_path / "runs")
    assert run.status == "done" and run.metrics == {"auc": 0.5}
    assert (run.path / "report.md").is_file()
    assert run.manifest["notes"] == ["a note"] * 3
    for word in ("Traceback", "Exception ignored", "BrokenPipe"):
        assert word not in result.stdout + result.stderr
    if redirected == "> /dev/full":
        assert "warning: standard output cannot be written: No space left on device" in result.stderr
    assert (run.path / "log.txt").read_text().count("a note") == 3  # and nothing of the screen got into a file


def test_what_is_only_on_the_screen_and_cannot_be_written_is_an_error(tmp_path) -> None:
    assert shell("2> /dev/null", "train", folder=tmp_path).returncode == 0
    for arguments in (["runs"], ["runs", "--json"], ["report", "latest"]):
        full = shell("> /dev/full", *arguments, folder=tmp_path)
        assert full.returncode == 1
        assert full.stderr == "warning: standard output cannot be written: No space left on device\n"
    few = shell("| head -c 3", "runs", folder=tmp_path)
    assert (few.returncode, few.stdout, few.stderr) == (0, "run", "")


@pytest.mark.parametrize("redirected", ["2> /dev/full", "2>&-"])
def test_a_mistake_has_its_status_even_where_it_cannot_be_told(redirected, tmp_path) -> None:
    assert shell(redirected, "report", "nothing", folder=tmp_path).returncode == 2
