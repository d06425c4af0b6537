"""Run one stage: compose its config, check it, make the run folder, and see the run to its end, good or bad."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf, open_dict

from recbench import extensions, schema
from recbench.composition import compose
from recbench.console.progress import say, short_warnings
from recbench.dotted import named
from recbench.errors import StorageError, UnfinishedError, UserError
from recbench.runs import Run, create_run, resolve_run, storage_errors
from recbench.stage_table import STAGES

_making: ContextVar[Run | None] = ContextVar("_making", default=None)  # the run that is executed here just now
# what may change between a run and its continuation: no number depends on it, nor on how a server is reached
CONNECTION = ("url", "key_variable", "concurrency", "timeout", "retries", "back_off", "most_failures")
RESUME_KEYS = ("resume", "runs", "threads", "device", *(f"captioner.{name}" for name in CONNECTION))


def prepare(stage: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Take over what `input=RUN` settles, then check every value; raises UserError. Makes no folder."""
    row = STAGES[stage]
    if config.get("input") is not None and row.takes is not None:
        _adopt(stage, config, overrides)
    elif config.get("input") is not None:
        raise UserError(f"input={config.input}: a {stage} run starts from no other; leave input out")
    if row.has_rules:  # a sweep's jobs and what another run asks for are not composed by `compose`
        schema.settle_first_sft(config, overrides)
    schema.validate(stage, config)
    extensions.check(config)
    if row.settle:
        named(row.settle)(config)
    return config


def checked(stage: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """`prepare` for what a user asked for: a key without an effect in this run is refused, too; raises UserError."""
    settled = prepare(stage, config, overrides)
    if not config.get("resume"):  # which goes on with its run's own config, and knows what may change
        schema.refuse_ineffective(stage, settled, overrides)
    return settled


def execute(stage: str, config: DictConfig, overrides: Sequence[str] = ()) -> Run:
    """Run a stage with a checked config in a new run folder, or in that of the run that `config.resume` names.

    What the stage returns becomes metrics.json; then the report is written. A run that another's stage asks for is
    recorded as made for that one. A stage that raises leaves its run `failed`, an interrupt leaves it `interrupted`;
    both are raised again, what the disk refuses as StorageError. A user's mistake that the stage found before it had
    made anything leaves no folder.
    """
    function: Callable[[DictConfig, Run], dict[str, Any]] = named(STAGES[stage].run)
    if config.get("resume"):
        run, config = _resumed(stage, config, overrides)
    else:
        run = create_run(stage, config, overrides, made_for=_making.get())
    nothing_made = False
    outer = _making.set(run)
    try:
        with run.logging(), short_warnings(run.log):
            run.log.info("%s %s", stage, " ".join(overrides))
            try:
                with storage_errors(run.path):
                    if classes := extensions.used(config):
                        run.record(extensions=classes)
                    metrics = function(config, run)
                    run.finish("done", metrics)
            except KeyboardInterrupt:
                _end(run, "interrupted")
                say(f"interrupted: {run.path}")
                raise
            except BaseException as problem:
                mistake = isinstance(problem, UserError) and not isinstance(problem, UnfinishedError)
                nothing_made = mistake and not config.get("resume") and not run.artifacts()
                if not run.exists():
                    shutil.rmtree(run.path, ignore_errors=True)  # what the stage has written since
                    raise StorageError(run.gone) from problem
                if not nothing_made:
                    run.log.exception("failed")
                    _end(run, "failed", error=f"{type(problem).__name__}: {problem}")
                    problem.add_note(f"run: {run.path}")
                raise
            _report(run)
    finally:
        _making.reset(outer)
        if nothing_made:
            _remove(run)
    return run


def _end(run: Run, status: str, error: str | None = None) -> None:
    """Close a run before its end; one that was done when a late interrupt came stays done."""
    with suppress(StorageError, UserError):  # what is wrong with the disk or the folder is told already
        if Run(run.path).status != "done":
            run.finish(status, error=error)


def _report(run: Run) -> None:
    """Write the report of a finished run; where the disk refuses, the run is done all the same."""
    from recbench.reporting.report import write_report

    try:
        write_report(run.path)
    except (StorageError, OSError) as problem:
        say(f"warning: the run is done, but not its report: {problem}; 'recbench report {run.id}' writes it")


def _remove(run: Run) -> None:
    """Delete a run's folder, and those above it that are empty then."""
    shutil.rmtree(run.path)
    with suppress(OSError):
        for folder in list(run.path.parents)[:3]:  # data set, stage, runs
            folder.rmdir()


def differences(stage: str, config: DictConfig) -> list[str]:
    """What sets `config` apart from the stage's defaults, as overrides (to show, not to parse)."""
    base = dict(_leaves(compose(stage)))
    found = {key: value for key, value in _leaves(config) if key not in base or base[key] != value}
    if STAGES[stage].has_rules and schema.is_first_sft(config):  # whose settings stand under sft
        found = {"algo": "sft"} | {key: value for key, value in found.items() if not key.startswith("algo.")}
    return [f"{key}={value}" for key, value in found.items()]


def _leaves(config: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in cast(dict[str, Any], OmegaConf.to_container(config)).items():
        if isinstance(value, dict):
            yield from _leaves(OmegaConf.create(value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def replace(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Set dotted keys, to values or whole nodes, in place."""
    for key, value in values.items():
        OmegaConf.update(config, key, value, merge=False)
    return config


def _adopt(stage: str, config: DictConfig, overrides: Sequence[str]) -> None:
    """Set the data of the input run, and what else the stage takes over from it; asking for others is a mistake."""
    keys = [override.partition("=")[0].lstrip("+~") for override in overrides]
    data_given = any(key in ("data", "experiment") or key.startswith("data.") for key in keys)
    name = str(config.data.name) if data_given else None
    other = resolve_run(config.runs, config.input, STAGES[stage].takes if config.input == "latest" else None, data=name)
    theirs = other.config.data
    mine, before = schema.with_defaults(stage, config), schema.with_defaults(other.stage, other.config)
    if data_given and before["data"] != mine["data"]:
        raise UserError(
            f"input={config.input} is a run on data {theirs.name}, and other data were asked for: leave data out, "
            f"or name another input"
        )
    with open_dict(config.data):
        config.data = _adopted("data", schema.DataConfig, theirs)
    for node in STAGES[stage].adopts:
        if node not in other.config:  # a train run's input may be a data run
            continue
        given = any(key in (node, "experiment") or key.startswith(f"{node}.") for key in keys)
        if given and mine[node] != before[node]:
            raise UserError(
                f"input={config.input} was made with another {node} than asked for, and what it made fits no other: "
                f"leave {node} out, or name another input"
            )
        config[node] = _adopted(node, OmegaConf.get_type(config[node]), other.config[node])


def _adopted(name: str, node: Any, theirs: DictConfig) -> DictConfig:
    """A node as a run has it, with the types of the schema."""
    node = schema.KINDS[name].node if name in schema.KINDS else node  # ours may be of a class from outside
    return cast(DictConfig, OmegaConf.merge(OmegaConf.structured(schema.recorded(node, theirs)), theirs))


def _resumed(stage: str, config: DictConfig, overrides: Sequence[str]) -> tuple[Run, DictConfig]:
    run = resolve_run(config.runs, config.resume, stage, statuses=("interrupted", "failed"))
    if run.status == "done":
        raise UserError(f"{stage} run {run.id} is done: there is nothing to resume")
    if run.status == "running":
        raise UserError(f"{stage} run {run.id} is still running: wait for it, or stop it first")
    others = [override for override in overrides if override.partition("=")[0] not in RESUME_KEYS]
    if others:
        raise UserError(f"--resume goes on with the run's own config: leave {others[0]} out, or start a new run")
    theirs = schema.typed(stage, run.config)
    for key in RESUME_KEYS:
        if any(override.startswith(f"{key}=") for override in overrides):
            OmegaConf.update(theirs, key, OmegaConf.select(config, key))
    theirs.resume = run.id  # in memory only: this is how the stage knows
    run.reopen()
    return run, theirs
