"""Files and folders that are whole, whenever the process is killed and whatever the disk refuses."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recbench.errors import StorageError
from recbench.runs import atomic_path
from recbench.runs.files import overwrite_json, settle, settle_all, storage_errors, write_json

# Replaces the folder `last` of two files by one of two others, and kills itself at the n-th call that changes a disk.
SWAP = """
import os, shutil, signal, sys
from pathlib import Path
place, number = Path(sys.argv[1]), int(sys.argv[2])
calls = [0]
def killing(real):
    def call(*arguments, **keys):
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keys)
    return call
for name in ("rename", "replace", "unlink", "rmdir", "fsync", "mkdir"):
    setattr(os, name, killing(getattr(os, name)))
from recbench.runs import atomic_path
with atomic_path(place / "last") as partial:
    partial.mkdir()
    for name in ("weights", "state"):
        (partial / name).write_text("new")
print(calls[0])
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.process
@pytest.mark.parametrize("call", range(1, 30))
def test_a_kill_at_any_call_of_a_swap_leaves_the_old_or_the_new_folder(call, tmp_path) -> None:
    old = {"weights": "old", "state": "old"}
    (tmp_path / "last").mkdir()
    for name, text in old.items():
        (tmp_path / "last" / name).write_text(text)
    command = [sys.executable, "-c", SWAP, str(tmp_path), str(call)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    settle_all(tmp_path)
    assert os.listdir(tmp_path) == ["last"]
    assert contents(tmp_path / "last") in (old, {"weights": "new", "state": "new"})
    if result.returncode == 0:
        assert contents(tmp_path / "last")["state"] == "new"
        assert call > int(result.stdout) > 8  # every call has had its turn


def made(place: Path, name: str, text: str) -> None:
    (place / name).mkdir()
    (place / name / "state").write_text(text)


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ({"last": "old", ".whole-last": "new"}, "new"),
        ({".whole-last": "new", ".aside-last": "old"}, "new"),
        ({"last": "new", ".aside-last": "old"}, "new"),
        ({".aside-last": "old"}, "old"),
        ({"last": "old", ".whole-last": "new", ".aside-last": "older"}, "new"),
    ],
)
def test_what_a_kill_has_left_is_settled(left, kept, tmp_path) -> None:
    for name, text in left.items():
        made(tmp_path, name, text)
    settle(tmp_path / "last")
    assert os.listdir(tmp_path) == ["last"]
    assert contents(tmp_path / "last") == {"state": kept}


def test_what_was_written_in_part_is_removed(tmp_path) -> None:
    made(tmp_path, "last", "old")
    made(tmp_path, ".partial-17-last", "half")
    (tmp_path / ".partial-18-a.json").write_text("{")
    settle_all(tmp_path)
    assert os.listdir(tmp_path) == ["last"]
    assert contents(tmp_path / "last") == {"state": "old"}


@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),  # as safetensors has it
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),  # as pyarrow may
    ],
)
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_file(problem, tmp_path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(StorageError) as told, atomic_path(path) as partial:
        partial.write_text("half")
        raise problem
    assert str(told.value) == f"{path} cannot be written: No space left on device"
    assert os.listdir(tmp_path) == ["a.json"] and path.read_text() == "old"


@pytest.mark.process
def test_a_file_beyond_the_size_that_the_system_allows(tmp_path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from recbench.runs import write_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_json(Path(sys.argv[1]), list(range(1000)))\n"
        "except Exception as problem: print(type(problem).__name__, problem)"
    )
    path = tmp_path / "a.json"
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout == f"StorageError {path} cannot be written: File too large\n"
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/a\.json cannot be written: File exists"):
        write_json(tmp_path / "file" / "a.json", {})
    (tmp_path / "b.json").mkdir()
    with pytest.raises(StorageError, match=r"b\.json cannot be written: Is a directory"):
        write_json(tmp_path / "b.json", {})
    with pytest.raises(StorageError, match=r"cannot be written: File name too long"):
        write_json(tmp_path / f"{'x' * 300}.json", {})


def test_other_errors_stay_what_they_are(tmp_path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.json"):
        open(tmp_path / "input.csv").close()
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path / "a.json"):
        1 / 0  # noqa: B018
    assert os.listdir(tmp_path) == []


def test_overwriting_needs_no_room(tmp_path) -> None:
    path = tmp_path / "manifest.json"
    write_json(path, {"status": "running", "seed": 0})
    size, place = path.stat().st_size, path.stat().st_ino
    overwrite_json(path, {"status": "failed", "seed": 0})
    assert path.read_text().rstrip(" \n") == '{"seed":0,"status":"failed"}'
    assert (path.stat().st_size, path.stat().st_ino) == (size, place)
    with pytest.raises(OSError, match="no room"):
        overwrite_json(path, {"error": "x" * size})
