"""The config of a stage from the yaml files under conf/ and overrides, as Hydra composes it, in a seventh of the time.

Hydra reads every file anew for every config, and merges them in typed containers, its own settings first. An experiment
composes hundreds of configs: here files are read once a process, plain values are merged, and types are checked once,
at the end. Which files make a config, and what an override means, Hydra itself decides. What cannot be composed so is
left to Hydra, and so are its error messages.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml  # type: ignore[import-untyped]
from hydra import compose as hydra_compose
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository, IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench import schema
from recbench.config_folders import config_file, config_folders, hydra_search, own_folder
from recbench.console.progress import say
from recbench.errors import UserError
from recbench.extensions import announce
from recbench.overrides import as_typed
from recbench.stage_table import STAGES

_told: set[tuple[Path | None, str]] = set()  # own configs that this process has named
DEEPEST = 50  # levels of a config's file; real ones have five


def compose(stage: str, overrides: Sequence[str] = ()) -> DictConfig:
    """The config of `conf/<stage>.yaml` with overrides. A multirun's job may call it.

    Raises:
        UserError: a file of the config is no yaml, or of a kind that cannot be composed; else Hydra's own errors.
    """
    typed = as_typed(stage, overrides)
    with unreadable_told():
        check_experiments(typed)
        typed = [*announce(stage, overrides), *typed]
        try:
            config = _composed(stage, typed, tuple(map(str, config_folders())))
        except (HydraException, OmegaConfBaseException):
            config = None  # Hydra says what is wrong, and in which file
        return _settled(stage, config, overrides) if config is not None else compose_by_hydra(stage, overrides)


@contextmanager
def unreadable_told() -> Iterator[None]:
    """What Hydra raises beside its own errors is about what it was given: a file of no yaml, a value out of place."""
    try:
        yield
    except (HydraException, OmegaConfBaseException):
        raise
    except RecursionError as problem:
        raise UserError(
            "the config refers to itself, or is nested too deeply; correct its file or override"
        ) from problem
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OSError) as problem:
        reason = " ".join(str(problem).split())
        raise UserError(f"the config cannot be composed: {reason}; correct the file or override") from problem


def check_experiments(overrides: Sequence[str]) -> None:
    """Refuse what is endless in an experiment's file or an own one: aliases, as a dozen fill any memory, and depth."""
    built_in = config_folders()[-1]
    for override in overrides:
        key, _, name = override.partition("=")
        group = key.lstrip("+").partition("@")[0]
        file = config_file(f"{group}/{name}") if name.strip() and "/" not in name and "\0" not in name else None
        if file is None or (group != "experiment" and file.is_relative_to(built_in)):
            continue
        depth = 0
        with file.open(encoding="utf-8", errors="replace") as text:
            for event in yaml.parse(text, yaml.SafeLoader):
                line = event.start_mark.line + 1
                if isinstance(event, yaml.AliasEvent):
                    raise UserError(f"{file} line {line}: *{event.anchor} is an alias; write the value out there")
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > DEEPEST:
                    raise UserError(f"{file} line {line} is nested more than {DEEPEST} deep; no config is")


def compose_by_hydra(stage: str, overrides: Sequence[str] = ()) -> DictConfig:
    """The same by Hydra alone: what `compose` is held against."""
    typed = [*announce(stage, overrides), *as_typed(stage, overrides)]
    with _hydra(stage):
        return _settled(stage, hydra_compose(stage, overrides=typed), overrides)


def _settled(stage: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The config, with a first SFT's settings where they belong; raises UserError for an experiment that hides them."""
    if not STAGES[stage].has_rules:
        return config
    given = schema.given_keys(overrides)
    # An experiment that itself chooses SFT, by `override /algo: sft`, means SFT by all that it sets.
    if schema.is_first_sft(config) and "experiment" in given and not {"algo", "policy"} & set(given):
        plain = compose(stage, ["algo=sft"]).algo
        for name in plain:
            if f"algo.{name}" not in given and config.algo[name] not in (plain[name], config.sft[name]):
                raise UserError(
                    f"the experiment sets algo.{name}={config.algo[name]}, and trains a first SFT, whose settings "
                    f"stand under sft: write sft.{name} there"
                )
    return schema.settle_first_sft(config, overrides)


class _Files(CachingConfigRepository):
    """The configs of a folder and the stages' schemas, each read once."""

    def __init__(self, sources: IConfigRepository) -> None:
        self.delegate = sources
        self.cache: dict[str, Any] = {}
        self._plain: dict[str, dict[str, Any] | None] = {}

    def schema(self, path: str) -> DictConfig | None:
        """A typed config, not to be changed; None for a file's."""
        loaded = self.load_config(path)
        assert loaded is not None  # it is in a defaults list
        return cast(DictConfig, loaded.config) if loaded.is_schema_source else None

    def values(self, path: str) -> dict[str, Any] | None:
        """What a file says, as plain values, interpolations as written, not to be changed; None for no mapping."""
        if path not in self._plain:
            loaded = self.load_config(path)
            assert loaded is not None
            content: Any = OmegaConf.to_container(loaded.config)
            known = isinstance(content, dict) and not loaded.is_schema_source
            self._plain[path] = {key: content[key] for key in content if key != "defaults"} if known else None
        return self._plain[path]


@contextmanager
def _hydra(stage: str) -> Iterator[None]:
    """Hydra set up for a stage; the multirun whose job asks for it is put aside, as Hydra allows one at a time."""
    schema.register()
    sweeping = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra_search(stage):
            yield
    finally:
        GlobalHydra.instance().hydra = sweeping


@lru_cache(maxsize=4)
def _files(folders: tuple[str, ...]) -> _Files:
    """Sources as Hydra would have them for folders, without its search for plugins."""
    schema.register()
    version.setbase("1.3")
    for kind in (FileConfigSource, StructuredConfigSource):
        SourcesRegistry.instance().register(kind)
    path = ConfigSearchPathImpl()
    for folder in folders:
        path.append("main", f"file://{folder}")
    path.append("schema", "structured://")
    return _Files(ConfigRepository(path))


def _composed(stage: str, overrides: list[str], folders: tuple[str, ...]) -> DictConfig | None:
    """The config, or None where it takes Hydra: for its own settings, and for more than one schema."""
    files = _files(folders)
    parsed = OverridesParser.create().parse_overrides(overrides)
    if any(override.is_hydra_override() for override in parsed):
        return None
    ConfigLoaderImpl.validate_sweep_overrides_legal(parsed, RunMode.RUN, from_shell=False)
    found = create_defaults_list(
        repo=files, config_name=stage, overrides_list=parsed, prepend_hydra=False, skip_missing=False
    )
    _tell_own([default.config_path for default in found.defaults])
    first, *others = found.defaults
    base, merged = files.schema(first.config_path), _merged(files, others)
    if base is None or first.package or merged is None:
        return None
    changed = _difference(merged, cast(dict[str, Any], OmegaConf.to_container(base)))
    config = copy.deepcopy(base)
    config.merge_with(changed)
    OmegaConf.set_struct(config, True)
    ConfigLoaderImpl._apply_overrides_to_config(found.config_overrides, config)
    return config


def _tell_own(paths: Sequence[str]) -> None:
    """Say once which configs are the user's own: one by the name of a built-in stands in its place."""
    own = own_folder()
    used = [path for path in paths if own is not None and (own / f"{path}.yaml").is_file()]
    for path in used:
        if (own, path) not in _told:
            _told.add((own, path))
            in_place = ", in place of the built-in one" if (config_folders()[-1] / f"{path}.yaml").is_file() else ""
            say(f"config: {path} is {own}/{path}.yaml{in_place}")


def _merged(files: _Files, defaults: Sequence[ResultDefault]) -> dict[str, Any] | None:
    """The values of all files, the later over the earlier; None where one is none of values."""
    merged: dict[str, Any] = {}
    for default in defaults:
        values = files.values(default.config_path)
        if values is None:
            return None
        for node in reversed(default.package.split(".") if default.package else []):
            values = {node: values}
        merged = _over(merged, values)
    return merged


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings in one, at every depth; where both have a value, that of `above`."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _over(below[key], above[key])
    return merged


def _difference(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `values`, at every depth, that is not in `known` as it is."""
    changed = {}
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(known.get(key), dict):
            if below := _difference(value, known[key]):
                changed[key] = below
        elif key not in known or type(value) is not type(known[key]) or value != known[key]:
            changed[key] = value
    return changed
