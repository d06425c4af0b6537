"""A caption run that is killed, and one that several processes share: through the process, as a user has it."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import torch

from recbench import cli
from recbench.captioning import processes, shards
from recbench.errors import UserError
from recbench.runs import Run, find_runs, write_json

pytestmark = pytest.mark.process

SMALL = ["captioner.shard_size=3", "captioner.batch_size=2"]


class Started:
    """`recbench ARGUMENTS` in a process of its own, forked from this one, which has imported everything."""

    def __init__(self, arguments, screen, **environment):
        self.screen = screen
        self.returncode = None
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:  # the child, which never returns
            os.dup2(os.open(screen, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
            os.dup2(1, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
            os.environ.update(environment)
            torch.set_num_threads(1)
            code = cli.main(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def wait(self, seconds):
        """The exit status, negative for a signal; the process is killed after so many seconds."""
        deadline = time.monotonic() + seconds
        while self.returncode is None:
            finished, status = os.waitpid(self.pid, os.WNOHANG)
            if finished:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            else:
                time.sleep(0.01)
        return self.returncode


@pytest.fixture
def start(tmp_path):
    """Start commands in the background; each has a file for what it shows."""
    numbers = itertools.count()
    return lambda arguments, **environment: Started(arguments, tmp_path / f"screen-{next(numbers)}.txt", **environment)


def words(body):
    return f"caption of {body['messages'][0]['content'][-1]['text']}"


def captions(run):
    """What equal runs agree in: all but the seconds."""
    return pq.read_table(run.path / "captions.parquet").drop_columns("seconds").to_pylist()


def given(server, workspace, *more):
    address = [
        f"captioner.url={server.url}",
        "captioner.model=m",
        "captioner.prompt='{title}'",
        f"runs={workspace.root}",
    ]
    return ["captioner=endpoint", *address, "captioner.back_off=0.01", "captioner.retries=12", *SMALL, *more]


@pytest.fixture(scope="module")
def whole(shop, workspace, serve):
    """The captions of a run that nothing interrupted."""
    server = serve(lambda number, body: (200, {}, words(body)))
    run = workspace.made("caption", *shop.overrides, *given(server, workspace))
    assert len(captions(run)) == 20 and run.metrics["origins"]["model"] == 14
    return run


def newest(workspace):
    return find_runs(workspace.root, "caption")[-1]


@pytest.mark.parametrize("request_number", [1, 7, 16])
def test_killed_while_the_server_fails_and_stalls(request_number, shop, whole, workspace, serve, start):
    # Of every twenty requests six fail and one stalls; in the middle of one the run is killed without a word.
    pids = []

    def answer(number, body):
        if number == request_number and pids:
            os.kill(pids.pop(), signal.SIGKILL)
        if number % 20 in (0, 3, 6, 9, 12, 15):
            return (503, {}, "busy") if number % 2 else None
        if number % 20 == 10:
            time.sleep(1)
        return 200, {}, words(body)

    server = serve(answer)
    arguments = [
        "caption",
        *shop.overrides,
        *given(server, workspace, "captioner.timeout=0.5", "captioner.concurrency=2"),
    ]
    process = start(arguments)
    pids.append(process.pid)
    assert process.wait(120) == -signal.SIGKILL, process.screen.read_text()
    killed = newest(workspace)
    assert killed.status == "interrupted" and not (killed.path / "captions.parquet").exists()
    done = sorted((killed.path / "shards").glob("captions-*.parquet")) if request_number > 7 else []
    asked = len(server.requests)
    resumed = workspace.made("caption", "--resume", killed.id)
    assert resumed.path == killed.path
    assert captions(resumed) == captions(whole)
    assert (resumed.path / "metrics.json").read_bytes() == (whole.path / "metrics.json").read_bytes()
    assert not list(resumed.path.rglob(".partial-*")) and not (resumed.path / "shards").exists()
    if request_number > 7:
        assert done, "a shard was there to be kept"
        again = {words(body) for body in server.requests[asked:]}
        assert len(again) < 14  # what had been captioned is not asked for again


@pytest.mark.parametrize("function", ["write_json", "write_rows", "shutil.rmtree"])
def test_interrupted_while_shards_are_merged(function, shop, whole, workspace, serve, monkeypatch):
    server = serve(lambda number, body: (200, {}, words(body)))

    real = shards.write_rows

    def interrupt(path, *arguments, **keywords):
        if path.parent.name == "shards":  # only the merged table is not written
            return real(path, *arguments, **keywords)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"recbench.captioning.shards.{function}", interrupt)
        result = workspace.stage("caption", *shop.overrides, *given(server, workspace))
    assert result.code == 130, result.err
    stopped = newest(workspace)
    asked = len(server.requests)
    resumed = workspace.made("caption", "--resume", stopped.id)
    assert captions(resumed) == captions(whole) and len(server.requests) == asked
    assert not (resumed.path / "shards").exists()


def test_two_processes_of_a_launcher_share_one_run(shop, whole, workspace, serve):
    server = serve(lambda number, body: (200, {}, words(body)))
    before = {run.id for run in find_runs(workspace.root, "caption")}
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "recbench",
    ]
    command = [*launcher, "caption", *shop.overrides, *given(server, workspace), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    (made,) = (run for run in find_runs(workspace.root, "caption") if run.id not in before)
    assert json.loads(result.stdout)["run"] == made.id  # one result, not two
    assert made.manifest["processes"] == 2
    assert captions(made) == captions(whole)
    assert (made.path / "metrics.json").read_bytes() == (whole.path / "metrics.json").read_bytes()
    assert len(server.requests) == len({words(body) for body in server.requests}) == 14
    assert not list((workspace.root / "caption").glob(".processes-*"))


def test_more_processes_may_resume_what_one_began(shop, whole, workspace, serve, start):
    pids = []

    def answer(number, body):
        if number == 6 and pids:
            os.kill(pids.pop(), signal.SIGKILL)
        return 200, {}, words(body)

    server = serve(answer)
    process = start(["caption", *shop.overrides, *given(server, workspace, "captioner.concurrency=1")])
    pids.append(process.pid)
    assert process.wait(120) == -signal.SIGKILL, process.screen.read_text()
    killed = newest(workspace)
    launch = {"WORLD_SIZE": "2", "MASTER_PORT": "29511", "MASTER_ADDR": "localhost"}
    resume = ["caption", "--resume", str(killed.path), f"runs={workspace.root}"]
    others = [start(resume, RANK=str(rank), **launch) for rank in (1, 0)]
    ends = [other.wait(120) for other in others]
    assert ends == [0, 0], [other.screen.read_text() for other in others]
    assert Run(killed.path).status == "done"
    assert captions(killed) == captions(whole)


def test_what_a_killed_launch_announced_is_not_joined(tmp_path, whole, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_PORT", "29512")
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    with pytest.raises(UserError, match=r"process 1 waited 0\.5 seconds for the run of process 0"):
        processes.find_announced(tmp_path)
    write_json(processes._meeting_point(tmp_path), {"run": str(whole.path)})  # a run that does not run
    with pytest.raises(UserError, match="process 1 waited"):
        processes.find_announced(tmp_path)


def test_launches_meet_at_different_places(tmp_path, monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "1")
    first = processes._meeting_point(tmp_path)
    assert processes._meeting_point(tmp_path) == first
    monkeypatch.setenv("MASTER_PORT", "2")
    assert processes._meeting_point(tmp_path) != first


def test_a_number_that_is_none(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(UserError, match="WORLD_SIZE is 'two'"):
        processes.world_size()
