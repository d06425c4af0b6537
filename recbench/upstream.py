"""What a stage needs from the stage before it: the newest finished run that fits, or a new one, made and named."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from recbench.composition import compose
from recbench.console.progress import say
from recbench.errors import UserError
from recbench.execution import RESUME_KEYS, differences, execute, prepare, replace
from recbench.runs import Run, library_versions, newest, origin, require_finished, resolve_run
from recbench.runs.reading import about
from recbench.schema import is_first_sft_in, with_defaults

# Settings that change no number of a run: one made with others is the same.
WITHOUT_EFFECT = ("runs", "threads", "device", "upstream", "force", "resume")
SETTLED_BY_SFT = ("policy", "item_tokens", "reserved", "seed")  # in which an SFT run and what goes on from it agree
_held: set[Path] = set()  # locks that this process holds


def require(
    stage: str,
    config: DictConfig,
    run: Run,
    *,
    match: Callable[[Run], bool] = lambda candidate: True,
    make: Mapping[str, Any] | None = None,
    input: str | None = None,
    fingerprint: str | None = None,
) -> Run:
    """A finished run of `stage` on the data of `config`, recorded as an input of `run` and named on standard error.

    It is the first of these that there is:

    1. Of a resumed run, the input that it has recorded.
    2. The run that `input` names: a path, the beginning of an id, or `latest`.
    3. The newest with the same data config for which `match` holds. Where a data fingerprint is given, or `run` has
       recorded one, it has to agree. Not with `config.force`.
    4. The rest of an interrupted run that would be the next one.
    5. A new one: the stage's defaults, with the data of `config` and the dotted keys of `make` (values or whole nodes).

    Raises:
        UserError: `input` names no finished run on the same data, or none is there and `config.upstream` is false.
    """
    root = Path(config.runs)
    before = run.input_run(stage) if config.get("resume") else None
    if before is not None:  # what `latest` or the newest that fits was, it may no longer be
        say(f"{stage}: run {before.id}, as before the interruption")
        return before
    if input is not None:
        found: Run | None = require_finished(resolve_run(root, input, stage, data=str(config.data.name)))
        assert found is not None
        if not _same_data(found, config, run):
            raise UserError(f"{stage} run {found.id} was made on other data ({found.data_name}) than asked for")
        say(f"{stage}: run {found.id}, as asked for{origin(found)}")
    else:
        known = fingerprint or run.data_fingerprint
        found = None if config.force else find(stage, config, match=match, fingerprint=known)
        if found is None:
            if not config.upstream:
                raise UserError(
                    f"no finished {stage} run on data {config.data.name} fits under {root}, and --no-upstream forbids "
                    f"making one: leave it out, or run 'recbench {stage}' first"
                )
            with _making_alone(root / stage / str(config.data.name), _digest(config, make or {})) as waited:
                # another job of a sweep may have made just this one since we looked: also in no time, without a wait
                again = waited or not config.force
                found = find(stage, config, match=match, fingerprint=known) if again else None
                found = found or _make(stage, config, make or {}, known)
        else:
            say(f"{stage}: run {found.id}, the newest that fits{origin(found)}")
    run.use(found)
    return found


def require_sft(
    config: DictConfig,
    run: Run,
    *,
    input: str | None = None,
    strict: bool = False,
    fingerprint: str | None = None,
) -> Run:
    """The SFT run that a training with `config` starts from: `input`, or one found or made by `config.sft`.

    While `config.sft` has its default settings, an SFT run with any will do, as long as policy, item tokens, reserved
    interactions and seed agree; with `strict` it must be one by just these settings. `fingerprint` is that of the data
    that it must be made on, where `run` has recorded none. Errors as in `require`.
    """
    return require(
        "train",
        config,
        run,
        match=is_sft_for(config, any_settings=not strict and config.sft == compose("train").sft),
        make={
            "algo": config.sft,
            "sft": config.sft,
            **{key: config[key] for key in (*SETTLED_BY_SFT, "device", "precision")},
        },
        input=input,
        fingerprint=fingerprint,
    )


def is_sft_for(config: DictConfig, any_settings: bool = False) -> Callable[[Run], bool]:
    """Whether a train run is the SFT that a training with `config` starts from, by just the settings of `config.sft`.

    With `any_settings` only policy, item tokens, reserved interactions and seed have to agree.
    """
    wanted = with_defaults("train", config)

    def fits(candidate: Run) -> bool:
        theirs = values_of(candidate)
        return (
            is_first_sft_in(theirs)
            and all(theirs[key] == wanted[key] for key in SETTLED_BY_SFT)
            and (any_settings or theirs["algo"] == wanted["sft"])
        )

    return fits


def agreeing(stage: str, config: DictConfig, nodes: Sequence[str]) -> Callable[[Run], bool]:
    """Whether a run has the `nodes` of `config`; those that `config` of `stage` has by default may be any."""
    default, wanted = with_defaults(stage, compose(stage)), with_defaults(stage, config)
    asked = [node for node in nodes if wanted[node] != default[node]]
    return lambda candidate: all(values_of(candidate)[node] == wanted[node] for node in asked)


def reuse(stage: str, overrides: Sequence[str], run: Run, *, force: bool = False) -> Run:
    """A finished run of `stage` with the config that `overrides` compose, the newest, or a new one; an input of `run`.

    Settings without effect on numbers (where runs are, threads, device) may differ; one that was interrupted goes on
    where it stopped. With `force` it is made anew.
    """
    config = prepare(stage, compose(stage, overrides), overrides)
    return obtain(stage, config, overrides, run, force=force)


def obtain(
    stage: str,
    config: DictConfig,
    overrides: Sequence[str],
    run: Run,
    *,
    force: bool = False,
    fingerprint: str | None = None,
) -> Run:
    """As `reuse`, with a config that is composed and checked; `fingerprint` is that of the data it must be made on."""
    known = fingerprint or run.data_fingerprint
    found = None if force else find(stage, config, fingerprint=known)
    if found is None:
        found = _completed(stage, config, overrides, known, force)
        say(f"{stage}: made {found.path}")
    else:
        say(f"{stage}: run {found.id} is of just this config")
    run.use(found)
    return found


def find(
    stage: str,
    config: DictConfig,
    *,
    match: Callable[[Run], bool] | None = None,
    fingerprint: str | None = None,
) -> Run | None:
    """The newest finished run of `stage` with just this config, or with its data and for which `match` holds; or None.

    Where both a run and the caller know the data's `fingerprint`, they have to agree.
    """
    if match is None:
        return _newest(stage, config, _of_just(stage, config), fingerprint)
    data = with_defaults(stage, config)["data"]
    return _newest(stage, config, lambda other: values_of(other)["data"] == data and match(other), fingerprint)


def _of_just(stage: str, config: DictConfig) -> Callable[[Run], bool]:
    """Whether a run has this config, but for settings without effect."""
    wanted = _effective(with_defaults(stage, config))
    return lambda other: _effective(values_of(other)) == wanted


def _newest(
    stage: str, config: DictConfig, fits: Callable[[Run], bool], fingerprint: str | None, status: str = "done"
) -> Run | None:
    def match(other: Run) -> bool:
        return (fingerprint is None or other.data_fingerprint in (None, fingerprint)) and fits(other)

    return newest(Path(config.runs), stage, match, data=str(config.data.name), status=status)


def _effective(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}


def values_of(run: Run) -> dict[str, Any]:
    """The config of a run, with today's defaults for the keys that are younger than it."""
    file = run.path / "config.yaml"
    return _read_values(run.stage, file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=4096)  # an experiment asks for hundreds of runs among hundreds
def _read_values(stage: str, file: Path, changed: int) -> dict[str, Any]:
    with about(file.parent, file.name):
        return with_defaults(stage, Run(file.parent).values)


def _make(stage: str, config: DictConfig, make: Mapping[str, Any], fingerprint: str | None) -> Run:
    reason = "made anew (--force)" if config.force else "none fits, so one is made first"
    say(f"{stage}: {reason}")
    keys = {"runs": config.runs, "threads": config.threads, "data": config.data}
    made = replace(compose(stage), {**keys, **make})
    settled, overrides = prepare(stage, made, ()), differences(stage, made)
    result = _completed(stage, settled, overrides, fingerprint, bool(config.force))
    say(f"{stage}: made {result.path}")
    return result


def _completed(stage: str, config: DictConfig, overrides: Sequence[str], fingerprint: str | None, force: bool) -> Run:
    """Go on with the newest interrupted run of just this config and these library versions, else start one."""
    if force or "resume" not in config:  # not every stage can
        return execute(stage, config, overrides)
    of_just, versions = _of_just(stage, config), library_versions()
    begun = _newest(
        stage,
        config,
        lambda other: of_just(other) and other.manifest["versions"] == versions,
        fingerprint,
        status="interrupted",
    )
    if begun is None:
        return execute(stage, config, overrides)
    say(f"{stage}: run {begun.id} was interrupted and goes on")
    config.resume = begun.id
    return execute(stage, config, [f"{key}={config[key]}" for key in RESUME_KEYS if key in config])


def _same_data(other: Run, config: DictConfig, run: Run) -> bool:
    if values_of(other)["data"] != with_defaults("data", config)["data"]:
        return False
    mine, theirs = run.data_fingerprint, other.data_fingerprint
    return mine is None or theirs is None or mine == theirs


@contextmanager
def _making_alone(folder: Path, what: str) -> Iterator[bool]:
    """Let one process at a time make `what` in `folder`, so that a sweep's jobs share it; yields whether it waited."""
    try:
        import fcntl
    except ImportError:  # no such locks here: at worst two jobs make the same run
        yield False
        return
    lock = folder / f".making-{what}.lock"
    if lock in _held:
        yield False
        return
    folder.mkdir(parents=True, exist_ok=True)
    waited = False
    with lock.open("w") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not waited:
                    say(f"waiting for another job that makes a run in {folder}")
                waited = True
                time.sleep(0.2)
        _held.add(lock)
        try:
            yield waited
        finally:
            _held.remove(lock)


def _digest(config: DictConfig, make: Mapping[str, Any]) -> str:
    """A name for the run that `make` on the data of `config` makes: the same wherever it would be the same run."""
    values = OmegaConf.to_container(OmegaConf.create({**make, "data": config.data}), resolve=True)
    kept = _effective(cast(dict[str, Any], values))
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]
