"""Malformed inputs, by script: every parser is given what it must refuse, or must read as if nothing were wrong.

Each input is one command in an empty folder and a process of its own, forked so that imports are paid once, with a time
limit and a memory limit. It is judged by what the user sees:

    handled     exit status 2, one `error:` line of printable text and bounded length, nothing half-written
    fine        exit status 0 where the input is valid, with the content of its undamaged twin
    traceback   a traceback on the screen, or an exception that leaves the command
    foreign     exit status 1: an exception that no message was written for
    silent      exit status 0 though the input must be refused, or with other content than its twin's
    unclean     refused, but with several error lines, control characters, a page of text, or files left half-written
    refused     exit status 2 though the input is valid
    hang        longer than the time limit
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torture.malformed_cases import Case, all_cases
from torture.results import Row

LIMIT = 40.0  # seconds a case
MEMORY = 3 << 30  # bytes beyond what the imports take
LONGEST = 2_000  # characters of an error line
GOOD = ("handled", "fine")
BAD = ("traceback", "foreign", "silent", "unclean", "refused", "hang")


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    case: Case
    verdict: str
    seconds: float
    said: str  # the last line on standard error, or what is wrong


# How a verdict counts in the table of all parts.
COUNTED = dict.fromkeys(GOOD, "handled") | {"silent": "silent", "refused": "silent"}


def run(scratch: Path, seed: int) -> list[Row]:
    """Every case, in processes of the scratch folder; a row for each parser."""
    rows: dict[str, Row] = {}
    for outcome in run_cases(scratch, seed):
        kind = outcome.case.name.split(":")[0].split(",")[0]
        said = f"{outcome.verdict}: {outcome.case.name}: {outcome.said}"
        rows.setdefault(kind, Row(f"malformed: {kind}")).add(COUNTED.get(outcome.verdict, "tracebacks"), said)
    return list(rows.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Some cases by their names, one line each where asked for; 1 where any was bad."""
    parser = argparse.ArgumentParser(prog="python -m torture.malformed", description=str(__doc__).splitlines()[0])
    parser.add_argument("--only", default="", help="a regular expression that names of cases contain")
    parser.add_argument("--seed", type=int, default=0, help="of the bytes that are drawn (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--verbose", action="store_true", help="print every case with what it said")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="malformed-") as root:
        outcomes = run_cases(Path(root), options.seed, options.only, options.jobs, options.verbose)
    count = Counter(outcome.verdict for outcome in outcomes)
    for outcome in outcomes:
        if outcome.verdict in BAD:
            sys.stdout.write(f"{outcome.verdict}: {outcome.case.name}: {outcome.said[:300]}\n")
    numbers = [f"tried {len(outcomes)}", *(f"{word} {count[word]}" for word in (*GOOD, *BAD))]
    sys.stdout.write(f"malformed: {', '.join(numbers)} ({time.monotonic() - started:.0f} s)\n")
    return 1 if any(count[word] for word in BAD) else 0


def run_cases(root: Path, seed: int, only: str = "", jobs: int = 2, verbose: bool = False) -> list[Outcome]:
    """Prepare what cases start from, then run those whose name matches `only`, `jobs` at a time."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # a name that is no folder would be asked for on the hub, again and again
    _import_all()
    cases = all_cases(seed)
    names = Counter(case.name for case in cases)
    assert not [name for name, times in names.items() if times > 1], names.most_common(3)
    named = [case for case in cases if re.search(only, case.name)]
    twins = {case.twin for case in named}
    chosen = [case for case in cases if case in named or case.name in twins]
    for base in {case.base: None for case in chosen if case.base}:
        _prepare(root / "bases" / str(base))
    waiting, running, outcomes = list(enumerate(chosen)), {}, []
    fingerprints: dict[str, str | None] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, case = waiting.pop(0)
            folder = root / f"case-{number}"
            running[_start(case, folder, root / "bases")] = (case, folder, time.monotonic())
        time.sleep(0.005)
        for process, (case, folder, since) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            taken = time.monotonic() - since
            if not ended and taken > LIMIT:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            elif not ended:
                continue
            del running[process]
            fingerprints[case.name] = _fingerprint(folder)
            verdict, said = ("hang", f"after {LIMIT:.0f} s") if not ended else _judge(case, folder, status)
            outcomes.append(Outcome(case, verdict, taken, said))
            shutil.rmtree(folder, ignore_errors=True)
            if verbose:
                sys.stderr.write(f"{verdict:9} {taken:5.1f} s  {case.name}: {said[:400]}\n")
    return [_against_twin(outcome, fingerprints) for outcome in outcomes]


def _start(case: Case, folder: Path, bases: Path) -> int:
    """Fork a process that writes the case's files and runs its command; returns its id."""
    folder.mkdir()
    work = folder / "work"
    if case.base:
        shutil.copytree(bases / case.base, work, symlinks=True)
    else:
        work.mkdir()
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.chdir(work)
        case.write(work)
        for name, number in (("out", 1), ("err", 2)):
            descriptor = os.open(folder / name, os.O_CREAT | os.O_WRONLY)
            os.dup2(descriptor, number)
        with contextlib.suppress(OSError, ValueError):
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        status = case.run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 0xFF)


def _judge(case: Case, folder: Path, status: int) -> tuple[str, str]:
    """The verdict, and the line that the user reads."""
    code = os.waitstatus_to_exitcode(status)
    said = (folder / "err").read_text(encoding="utf-8", errors="surrogateescape") if (folder / "err").exists() else ""
    lines = said.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    last = errors[0] if errors else lines[-1] if lines else f"exit status {code}"
    if "Traceback (most recent call last)" in said or code == 70:
        return "traceback", last
    if code == 0:
        if case.expect == "refuse":
            return "silent", f"exit status 0, though it must be refused; {last}"
        problem = case.check(folder / "work") if case.check is not None else None
        return ("silent", problem) if problem else ("fine", last)
    if code != 2:
        return "foreign", f"exit status {code}: {last}"
    left = [str(path.relative_to(folder)) for path in folder.rglob(".partial-*")]
    if left:
        return "unclean", f"left {left[0]}"
    if len(errors) != 1:
        return "unclean", f"{len(errors)} error lines: {said[:200]!r}"
    if len(errors[0]) > LONGEST or any(unicodedata.category(character) == "Cc" for character in errors[0]):
        return "unclean", f"{len(errors[0])} characters: {errors[0][:200]!r}"
    if case.expect == "take":
        return "refused", last
    if case.words not in errors[0]:
        return "unclean", f"does not say {case.words!r}: {errors[0]}"
    return "handled", last


def _against_twin(outcome: Outcome, fingerprints: dict[str, str | None]) -> Outcome:
    """Fine only with the content of the undamaged twin."""
    case = outcome.case
    if outcome.verdict != "fine" or case.twin is None:
        return outcome
    if fingerprints[case.name] == fingerprints[case.twin] is not None:
        return outcome
    return Outcome(case, "silent", outcome.seconds, f"other content than {case.twin}")


def _fingerprint(folder: Path) -> str | None:
    """Of the data set that a case made."""
    found = sorted(folder.glob("work/runs/data/*/*/description.json"))
    try:
        return str(json.loads(found[-1].read_text(encoding="utf-8"))["fingerprint"]) if found else None
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        return None


def _prepare(folder: Path) -> None:
    """Make a folder that cases start from, in a process of its own, so that no thread is left in this one."""
    from torture.malformed_cases.bases import BASES

    process = os.fork()
    if not process:
        status = 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.chdir(folder)
            BASES[folder.name]()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        raise SystemExit(f"the base {folder.name} could not be made")


def _import_all() -> None:
    """Import what commands import, once, before processes are forked."""
    import importlib
    import pkgutil

    import recbench

    for module in pkgutil.walk_packages(recbench.__path__, "recbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    import pandas  # noqa: F401
    import sklearn.feature_extraction.text  # noqa: F401
    import transformers.models.auto
    import transformers.models.llama.modeling_llama  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
