"""A multirun: every combination of comma-separated overrides as an ordinary run, and one table over them."""

import json
import os
import shutil
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import typer
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from recbench import schema
from recbench.composition import compose
from recbench.config_folders import hydra_search
from recbench.console.progress import lines_only, say
from recbench.console.terminal import print_json, show
from recbench.console.visible import LONGEST_LINE, for_people
from recbench.error_lines import FAILED, MISTAKE
from recbench.errors import UserError
from recbench.execution import checked, execute, prepare
from recbench.explanations import explain, where
from recbench.extensions import announce
from recbench.overrides import as_typed
from recbench.quoting import quote
from recbench.redaction import redacted
from recbench.reporting.markup import escaped
from recbench.reporting.tables import comparison_grid, markdown
from recbench.runs import Run, write_json

# What a multirun asks of Hydra: to compose and to sweep, and to write nothing of its own.
OF_HYDRA = (
    "hydra.sweep.subdir=.",  # every job makes an ordinary run folder; the sweep's holds the table over them
    "hydra.output_subdir=null",  # a run keeps config.yaml and overrides.yaml itself
    "hydra.job.chdir=false",  # relative paths stay those of the shell
    "hydra/hydra_logging=disabled",  # recbench has its own log, one a run
    "hydra/job_logging=disabled",
)


def sweep(stage: str, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Run every combination of comma-separated overrides as an ordinary run, then write and print one table over them.

    A failing job is named and the others go on; the command then ends with status 1. The folder
    `<runs>/multirun/<stage>/<time>/` holds jobs.json and table.md.
    """
    schema.register()
    schema.check_addresses(overrides)  # Hydra writes them down before a job's config is checked
    overrides = [*announce(stage, overrides), *as_typed(stage, overrides, multirun=True)]
    _refuse_what_no_job_needs(stage, overrides)
    root = next((o.value() for o in _parsed(overrides) if o.key_or_group == "runs"), schema.StageConfig.runs)
    folder = Path(str(root)) / "multirun" / stage / f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    task = partial(_job, stage=stage, folder=folder, parent=os.getpid())
    settings = [f"hydra.sweep.dir={quote(folder)}", *OF_HYDRA]
    try:
        with hydra_search(stage):
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


def _refuse_what_no_job_needs(stage: str, overrides: Sequence[str]) -> None:
    """Raise UserError for the first key that has an effect in no job; jobs that a mistake stops say so themselves."""
    parsed = [override for override in reversed(_parsed(overrides)) if not override.is_hydra_override()]
    (jobs,) = BasicSweeper.split_arguments(parsed, None)
    try:
        left_out = [without_effect(stage, job) for job in jobs]
    except (UserError, HydraException, OmegaConfBaseException):
        return
    for override, key in zip(overrides, schema.given_keys(overrides), strict=True):
        reasons = [one.get(key) for one in left_out]
        if reasons and all(reasons):
            in_all = "in any job" if len(reasons) > 1 else "here"
            raise UserError(f"{override} has no effect {in_all}: {reasons[0]}: leave it out")


def without_effect(stage: str, overrides: Sequence[str]) -> dict[str, str]:
    """The keys among one job's overrides that have no effect in it, as they are for other jobs, each with the reason.

    Raises what `prepare` raises of the config that the others make.
    """
    found: dict[str, str] = {}
    while True:  # what is left out may be what another's effect hangs on
        kept = [text for text, key in zip(overrides, schema.given_keys(overrides)) if key not in found]
        config = compose(stage, kept)
        if config.get("resume"):
            return {}
        try:
            judged, problem = prepare(stage, config, kept), None
        except UserError as raised:  # of a rule's key that this job's rule does not have, perhaps
            judged, problem = compose(stage, kept), raised
        reasons = {key: schema.ineffective(stage, judged, key) for key in schema.given_keys(kept)}
        of_rules = {key: why for key, why in reasons.items() if key.split(".")[0] in ("algo", "negatives")}
        new = {key: why for key, why in (of_rules if problem else reasons).items() if why is not None}
        if not new and problem is not None:
            raise problem
        if not new:
            return found
        found |= new


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
        for_others = without_effect(stage, overrides)
        kept = [text for text, key in zip(overrides, schema.given_keys(overrides)) if key not in for_others]
        if for_others:
            outcome["left_out"] = [redacted(text) for text in overrides if text not in kept]
            say(f"note: job {number} leaves out what has no effect in it: {' '.join(outcome['left_out'])}")
            config = compose(stage, kept)
        run = execute(stage, checked(stage, config, kept), kept)
        outcome |= {"status": "done", "error": None, "run": run.id, "path": str(run.path)}
    except Exception as problem:  # whatever a job dies of, the next one runs
        mistake = isinstance(problem, UserError)
        error = for_people(explain(problem, stage) + where(problem))
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
