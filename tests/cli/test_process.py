"""What only a real process shows: signals, completion by the shell, a terminal's progress bar."""

import os
import signal
import subprocess
import sys
import time

import pytest

from recbench.runs import find_runs

pytestmark = pytest.mark.process

STUB = """
import sys, time
from types import ModuleType
from dataclasses import replace
from recbench import cli
from recbench.stage_table import STAGES
def train(config, run):
    with run.progress("train", 100) as bar:
        bar.advance(1, loss=0.5)
        print("started", flush=True)
        time.sleep({seconds})
    return {{"auc": 0.5}}
stub = ModuleType("stub")
stub.run = train
sys.modules["stub"] = stub
STAGES["train"] = replace(STAGES["train"], run="stub:run")
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_marks_the_run_interrupted(sent, tmp_path):
    command = [sys.executable, "-c", STUB.format(seconds=60), "train"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: runs/train/bazaar/" in err
    assert "Traceback" not in err
    (run,) = find_runs(tmp_path / "runs")
    assert run.manifest["status"] == "interrupted"


def test_a_terminal_gets_a_bar(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", STUB.format(seconds=0.3), "train"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    assert process.wait(timeout=30) == 0
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 5
    while b"report: " not in shown and time.monotonic() < deadline:
        shown += os.read(ours, 65536)
    os.close(ours)
    assert "━" in shown.decode()
    assert "1/100" in shown.decode()
    assert "loss 0.5" in shown.decode()


def complete(words, cursor):
    environment = {
        **os.environ,
        "_RECBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(cursor),
    }
    code = "import sys; from recbench.cli import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "cursor", "expected"),
    [
        ("recbench tr", 1, ["train"]),
        ("recbench train algo=t", 2, ["algo=tawin"]),
        ("recbench train algo = t", 4, ["tawin"]),  # as bash splits it
        ("recbench train --neg b", 3, ["beam"]),
        ("recbench train data=amazon_b", 2, ["data=amazon_beauty"]),
        ("recbench compare latest --format m", 4, ["markdown"]),
        ("recbench train policy.lay", 2, ["policy.layers="]),
    ],
)
def test_completion(words, cursor, expected):
    assert complete(words, cursor) == expected


def test_threads_wait_asleep_unless_the_environment_says_otherwise():
    code = "import os; from recbench.cli import main; main(['--help']); print(os.environ['OMP_WAIT_POLICY'])"
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=kept | given, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == expected
