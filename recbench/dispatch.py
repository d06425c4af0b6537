"""From a command's overrides to runs: compose, run or multirun, show results, and tell errors in one line."""

import errno
import json
import os
import re
import shutil
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import typer
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench import schema
from recbench.composition import compose, config_folder
from recbench.errors import StorageError, UserError
from recbench.execution import checked, execute
from recbench.overrides import as_typed, quote
from recbench.redaction import redacted
from recbench.reporting.markup import escaped
from recbench.reporting.progress import lines_only, say
from recbench.reporting.tables import comparison_grid, markdown, show, show_lines
from recbench.reporting.visible import LONGEST_LINE, for_people, visible
from recbench.runs import Run, plain, write_json

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)  # too long, or with a link that leads to itself
NO_RIGHTS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)
LONGEST = 1500  # characters of an error line
# What a multirun asks of Hydra: to compose and to sweep, and to write nothing of its own.
OF_HYDRA = (
    "hydra.sweep.subdir=.",  # every job makes an ordinary run folder; the sweep's holds the table over them
    "hydra.output_subdir=null",  # a run keeps config.yaml and overrides.yaml itself
    "hydra.job.chdir=false",  # relative paths stay those of the shell
    "hydra/hydra_logging=disabled",  # recbench has its own log, one a run
    "hydra/job_logging=disabled",
)


def dispatch(
    stage: str, overrides: Sequence[str], *, multirun: bool = False, print_config: bool = False, as_json: bool = False
) -> None:
    """Run `stage` once, or once for each combination in a multirun, and print its results; or only print the config."""
    assisting = os.environ.get("RANK", "0") not in ("", "0")  # a launcher's process, and not its first
    if multirun:
        if print_config:
            raise UserError("--cfg prints one config: leave -m and the commas out")
        if assisting:
            raise UserError("-m is not for a launcher's processes: start one launch for each run")
        sweep(stage, overrides, as_json=as_json)
        return
    config = compose(stage, overrides)
    if print_config:
        typer.echo(redacted(OmegaConf.to_yaml(config)), nl=False)
        return
    if stage == "caption" and assisting:
        from recbench.stages.caption import assist

        assist(checked(stage, config, overrides))  # type: ignore[arg-type]
        return
    run = execute(stage, checked(stage, config, overrides), overrides)
    from recbench.reporting.results import headline, result_grids  # imports numpy, which --cfg need not wait for

    if as_json:
        about = {"run": run.id, "path": str(run.path), "stage": stage}
        print_json({**about, "headline": headline(run), "metrics": run.metrics})
    else:
        show_lines(headline(run))
        show(result_grids(stage, run.metrics))
    say(f"report: {run.path / 'report.md'}")


def print_json(value: Any) -> None:
    """One JSON object on standard output; NaN is null."""
    typer.echo(json.dumps(plain(value), sort_keys=True, indent=2, allow_nan=False))


# ---- multirun


def sweep(stage: str, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Run every combination of comma-separated overrides as an ordinary run, then write and print one table over them.

    A failing job is named and the others go on; the command then ends with status 1. The folder
    `<runs>/multirun/<stage>/<time>/` holds jobs.json and table.md.
    """
    schema.register()
    schema.check_addresses(overrides)  # Hydra writes them down before a job's config is checked
    overrides = as_typed(stage, overrides, multirun=True)
    root = next((o.value() for o in _parsed(overrides) if o.key_or_group == "runs"), schema.StageConfig.runs)
    folder = Path(str(root)) / "multirun" / stage / f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    task = partial(_job, stage=stage, folder=folder, parent=os.getpid())
    settings = [f"hydra.sweep.dir={quote(folder)}", *OF_HYDRA]
    try:
        with initialize_config_dir(str(config_folder()), job_name=stage, version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.multirun(stage, task, [*settings, *overrides])
    finally:
        jobs = _collect(folder)
    if not jobs:
        raise UserError(f"-m {' '.join(overrides)}: there is nothing to run; an override has no values")
    named = [(job["name"], Run(Path(job["path"])).metrics) for job in jobs if job["status"] == "done"]
    grid = comparison_grid(f"{stage}: {len(named)} of {len(jobs)} jobs", named, "overrides")
    if as_json:
        print_json({"multirun": str(folder), "jobs": [job | {"metrics": _metrics(job)} for job in jobs]})
    else:
        show([grid])
    for job in jobs:
        if job["status"] != "done":
            say(f"{job['status']}: job {job['name']}: {job['error']}")
    say(f"table: {folder / 'table.md'}")
    failed = [job for job in jobs if job["status"] != "done"]
    if failed:
        raise typer.Exit(MISTAKE if all(job.get("mistake") for job in failed) else FAILED)


def _job(config: DictConfig, *, stage: str, folder: Path, parent: int) -> str:
    """One job of a multirun, here or in a launcher's process; raises interrupts only, lest the others be lost."""
    if os.getpid() != parent:
        lines_only()
    schema.register()
    overrides = list(HydraConfig.get().overrides.task)
    number = int(HydraConfig.get().job.num)
    outcome: dict[str, Any] = {
        "number": number,
        "overrides": [redacted(override) for override in overrides],
        "status": "interrupted",
        "error": "interrupted",
    }
    say(f"job {number}: {' '.join(overrides)}")
    try:
        run = execute(stage, checked(stage, config, overrides), overrides)
        outcome |= {"status": "done", "error": None, "run": run.id, "path": str(run.path)}
    except Exception as problem:  # whatever a job dies of, the next one runs
        mistake = isinstance(problem, UserError)
        error = for_people(explain(problem, stage) + _where(problem))
        outcome |= {"status": "failed", "error": error, "mistake": mistake}
        if not mistake:
            outcome["traceback"] = redacted(traceback.format_exc())
    finally:
        write_json(folder / f"job-{number}.json", outcome)
    return str(outcome["status"])


def _collect(folder: Path) -> list[dict[str, Any]]:
    """Gather what the jobs left into jobs.json and table.md; a folder in which no job began is removed."""
    (folder / "multirun.yaml").unlink(missing_ok=True)  # Hydra's: it names folders of this machine
    files = list(folder.glob("job-*.json"))
    jobs = sorted((json.loads(file.read_text(encoding="utf-8")) for file in files), key=lambda job: job["number"])
    if not jobs:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the folders above go too, if this sweep made them
            folder.parent.rmdir()
            folder.parent.parent.rmdir()
        return []
    common = set.intersection(*(set(job["overrides"]) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        job["name"] = " ".join(text for text in job["overrides"] if text not in common) or f"job {job['number']}"
    write_json(folder / "jobs.json", jobs)
    for file in files:
        file.unlink()
    lines = [markdown(comparison_grid("", [(job["name"], _metrics(job)) for job in jobs], "overrides"))]
    told = [f"{job['status']}: {job['name']}: {job['error']}" for job in jobs if job["status"] != "done"]
    lines += [escaped(line, LONGEST_LINE) + "\n" for line in told]
    (folder / "table.md").write_text("\n".join(lines), encoding="utf-8")
    return jobs


def _metrics(job: dict[str, Any]) -> dict[str, Any]:
    return Run(Path(job["path"])).metrics if job["status"] == "done" else {}


def _parsed(overrides: Sequence[str]) -> list[Any]:
    return list(reversed(OverridesParser.create().parse_overrides(list(overrides))))


# ---- errors


@contextmanager
def one_line_errors(stage: str = "", debug: bool = False) -> Iterator[None]:
    """Tell any error in one line and leave with its status: 2 for a user's mistake, 1 for ours, 130 for an interrupt.

    A termination signal counts as an interrupt, so that a scheduler's kill marks the run as one that can be resumed.
    """
    try:
        with _termination_interrupts():
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as problem:
        if debug:
            typer.echo(visible(redacted(traceback.format_exc()), keep_lines=True), err=True, nl=False)
        mistake = isinstance(problem, UserError | HydraException | OmegaConfBaseException) or _is_of_a_path(problem)
        hint = "" if mistake or debug or isinstance(problem, StorageError) else "; --debug shows where"
        say(f"error: {explain(problem, stage)}{_where(problem)}{hint}")
        raise typer.Exit(MISTAKE if mistake else FAILED) from problem


def explain(problem: BaseException, stage: str = "") -> str:
    """An error in one line; Hydra's, which run over several, with a near word where there is one."""
    text = _explained(problem, stage)  # at most a screen of it: a value that is named may be a whole file
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 300]} ... {text[-300:]}"


def _explained(problem: BaseException, stage: str) -> str:
    text = _joined(problem)
    if isinstance(problem, UserError | StorageError):
        return text
    if isinstance(problem, OSError) and _is_of_a_path(problem):
        if problem.errno in NO_RIGHTS:
            return f"{problem.filename}: {problem.strerror}; give another path, or change its rights"
        return f"{problem.filename}: no file can have this path ({problem.strerror}); give another"
    if not isinstance(problem, HydraException | OmegaConfBaseException):
        return f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    if isinstance(problem, OverrideParseException):
        return f"cannot read {problem.override!r}: write KEY=VALUE, such as seed=1"
    if found := re.search(
        r"Could not find '([^']+)/([^'/]+)' Available options in '[^']+': (.*?)(?: Config search|$)", text
    ):
        group, name, available = found[1], found[2], found[3].split()
        return f"{group}={name}: expected one of {', '.join(available)}{schema.did_you_mean(name, available)}"
    if found := re.search(r"In '(experiment/[^']+)': Could not override '/?([^'@]+)", text):
        return f"{found[1].replace('/', '=')} is not for this command: it sets {found[2]}"
    if found := re.search(r"In '(experiment/[^']+)': .* Key 'bench' not in", text):
        return f"{found[1].replace('/', '=')} is an experiment over several runs: give it to recbench bench"
    if found := re.search(r"Could not override '([^']+)'", text):
        return f"unknown key {found[1]}{schema.did_you_mean(found[1].split('@')[0], _keys(stage))}"
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{found[1]} has several values: add -m to run each, or write a list as [a,b]"
    text = re.sub(r"^Error merging override ", "", text)
    if problem.__cause__ is not None:
        text = f"{text}: {_joined(problem.__cause__)}"
    return re.sub(r" full_key: .*$", "", text)


def _is_of_a_path(problem: BaseException) -> bool:
    """Whether a path was given that no file can have, that may not be read, or that is no file or no folder."""
    return isinstance(problem, OSError) and problem.filename is not None and problem.errno in (*NO_PATH, *NO_RIGHTS)


def _where(problem: BaseException) -> str:
    """The run folder that failed, which the exception carries as a note; the innermost when one run made another."""
    notes = getattr(problem, "__notes__", [])
    return f" ({notes[0]})" if notes else ""


def _joined(problem: BaseException) -> str:
    return " ".join(str(problem).split())


def _keys(stage: str) -> list[str]:
    if stage not in schema.STAGE_SCHEMAS:
        return []
    keys = [key for key, _ in schema.options(schema.STAGE_SCHEMAS[stage])]
    return [*keys, *dict.fromkeys(key.split(".")[0] for key in keys), "experiment"]


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
