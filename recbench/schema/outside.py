"""Config nodes whose choice is a class from outside the package: what names it, and how runs' configs have it back.

Such a node is of a dataclass below the group's own. It has the class's settings, its `label`, and `code`, the hash of
its files. Nothing here imports what a user wrote: `recbench.extensions` does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench.errors import UserError
from recbench.option import option
from recbench.schema.captions import CaptionerConfig, CtrModelConfig, FeaturesConfig
from recbench.schema.options import DataConfig
from recbench.schema.recommender import PolicyConfig
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.schema.training import AlgoConfig, NegativesConfig

CODE, LABEL, TRAINED_BY = "code", "label", "trained_by"
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Kind:
    """What may come from outside in a group's place."""

    key: str  # of the node: what names it
    node: type  # the node's dataclass
    protocol: str  # MODULE:NAME of what a class has to have
    base: str = ""  # MODULE:NAME of the class that it has to be below; none: any
    enough: str = ""  # MODULE:NAME of a class below which a class has all that it needs
    own: str = ""  # the key below which its settings stand; none: beside the node's other keys
    titled: str = ""  # a key that has the class's name where none is given


KINDS = {
    "data": Kind("source", DataConfig, "recbench.data.sources.interface:Source", own="options", titled="name"),
    "captioner": Kind("kind", CaptionerConfig, "recbench.captioning.interface:OwnCaptioner"),
    "features": Kind("kinds", FeaturesConfig, "recbench.features.interface:Feature"),
    "negatives": Kind("kind", NegativesConfig, "recbench.rl.interface:NegativeSource"),
    "algo": Kind("name", AlgoConfig, "recbench.rl.interface:Rule"),
    "policy": Kind(
        "kind",
        PolicyConfig,
        "recbench.policy.interface:CountedPolicy",
        "recbench.policy.baselines.atomic:AtomicPolicy",
        enough="recbench.policy.baselines.sasrec:SasRec",
    ),
    "ctr": Kind("kind", CtrModelConfig, "recbench.ctr.interface:ClickModel", "torch.nn:Module"),
}


def node_from_outside(group: str, name: str, settings: Any, label: str, code: str, rule: str | None = None) -> type:
    """The dataclass of a group's node where a class from outside is chosen: with its settings, its label and its hash.

    `rule` is what trains a policy: count, or any.
    A setting that the group has too takes that one's place: default, range and help are then the class's.

    Raises:
        UserError: `settings` is no dataclass of config keys with defaults, or has one that cannot be.
    """
    kind, asked = KINDS[group], f"{group}={name}"
    own = list(_own_fields(asked, group, name, settings)) if settings is not None else []
    if kind.own:
        below = make_dataclass("Options", own)
        own = [(kind.own, below, field(default_factory=below))]
    told = [
        (LABEL, str, option(label, "what reports call it")),
        (CODE, str, option(code, f"SHA-256 of the files of {name}; not to be given")),
    ]
    if kind.titled:
        own.append((kind.titled, str, option(name, f"of {asked}, where none is given")))
    if rule is not None:
        told.append((TRAINED_BY, str, option(rule, "what trains it; not to be given", one_of=(rule,))))
    fields_of_node = [*own, _choice(kind.node, kind.key, (name,)), *told]
    node = make_dataclass(f"{kind.node.__name__}FromOutside", fields_of_node, bases=(kind.node,))
    try:
        OmegaConf.structured(node)
    except (OmegaConfBaseException, ValueError, TypeError) as problem:
        reason = str(problem).splitlines()[0]
        raise UserError(f"{asked}: its Settings cannot be config keys: {reason}") from problem
    return node


def _own_fields(asked: str, group: str, name: str, settings: Any) -> Iterator[tuple[str, Any, Any]]:
    kind = KINDS[group]
    if not isinstance(settings, type) or not is_dataclass(settings):
        raise UserError(f"{asked}: Settings is no dataclass: write @dataclass above it")
    known = {} if kind.own else {item.name: item.type for item in fields(kind.node)}
    types = get_type_hints(settings)
    for item in fields(settings):
        if item.name in (kind.key, LABEL, CODE, TRAINED_BY):
            raise UserError(f"{asked}: Settings.{item.name} is recbench's own key: give it another name")
        if item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"{asked}: Settings.{item.name} has no default: give one, as option(DEFAULT, HELP)")
        if item.name in known and types[item.name] != known[item.name]:
            theirs = getattr(known[item.name], "__name__", known[item.name])
            raise UserError(f"{asked}: Settings.{item.name} has to be of type {theirs}, as {group}.{item.name} is")
        key = f"{group}.{kind.key}" if kind.own else kind.key
        needs = tuple(f"{key}={name} {text}".strip() for text in item.metadata.get("of", ()) or ("",))
        metadata = {**item.metadata, "of": needs}
        if item.default_factory is not MISSING:
            yield item.name, types[item.name], field(default_factory=item.default_factory, metadata=metadata)
        else:
            yield item.name, types[item.name], field(default=item.default, metadata=metadata)


def _choice(node: type, key: str, names: tuple[str, ...]) -> tuple[str, Any, Any]:
    """The field `key` of a node for `make_dataclass`: names from outside are among its choices, the first its default.

    Of a list built-in choices stay; elsewhere another choice would not go with the node's settings.
    """
    item = next(item for item in fields(node) if item.name == key)
    if item.type is str:
        return key, str, option(names[0], item.metadata["help"], one_of=names)
    kept = tuple(name for name in item.metadata["one_of"] if name not in names)
    return key, item.type, option([names[0]], item.metadata["help"], one_of=(*kept, *names))


def recorded(node: type, values: Mapping[str, Any]) -> type:
    """The dataclass of a node with these values, as a run's config has them: `node`, unless its choice is from outside.

    What such a class adds to the node has no types here: it was checked when the run was made.
    """
    key = next((kind.key for kind in KINDS.values() if kind.node is node), None)
    if key is None or CODE not in values:
        return node
    named = values.get(key)
    names = (named,) if isinstance(named, str) else tuple(named) if isinstance(named, list | ListConfig) else ()
    if not names or not all(isinstance(name, str) for name in names):
        return node  # a damaged config: types tell of it
    return _recorded(node, key, names, tuple(values))


@cache
def _recorded(node: type, key: str, names: tuple[str, ...], keys: tuple[str, ...]) -> type:
    known = [item.name for item in fields(node)]
    added = [(name, Any, field(default=None)) for name in keys if name not in known]
    own = [_choice(node, key, names), *added]
    return make_dataclass(f"Recorded{node.__name__}", own, bases=(node,), namespace={"recorded": True})


def as_values(settings: Any) -> dict[str, Any]:
    """The settings of a node as a dictionary, whether they are a dataclass or its composed config."""
    if OmegaConf.is_config(settings):
        return cast(dict[str, Any], OmegaConf.to_container(settings, resolve=True))
    return asdict(settings)


def settings_of(node: type[Settings], values: Mapping[str, Any]) -> Settings:
    """What `as_values` has written as settings again: of the dataclass `node`, or of one below it (`recorded`)."""
    return cast(Settings, recorded(node, values)(**values))


def label_of(group: str, node: Any) -> str:
    """What reports call the choice of a config node: its name, or the label of a class from outside."""
    return str(getattr(node, LABEL, None) or getattr(node, KINDS[group].key))


def is_outside(node: Any) -> bool:
    """Whether the choice of a config node, a DictConfig or a dataclass, is a class from outside."""
    return CODE in node if isinstance(node, DictConfig) else getattr(node, CODE, None) is not None


def outside_name(group: str, node: Any) -> str:
    """The name of the class from outside that a config node has; of a list, the one that is not built in.

    Raises:
        UserError: the list has been given without it.
    """
    kind, named = KINDS[group], getattr(node, KINDS[group].key)
    if isinstance(named, str):
        return named
    built_in = next(item for item in fields(kind.node) if item.name == kind.key).metadata["one_of"]
    found = [name for name in named if name not in built_in]
    if len(found) != 1:
        raise UserError(
            f"{group}.{kind.key}={list(named)} has none from outside: name the class, or leave it out of {group}="
        )
    return str(found[0])


def is_recorded(node: DictConfig) -> bool:
    """Whether a node was taken over from a run, so that no class was imported for it."""
    return bool(getattr(OmegaConf.get_type(node), "recorded", False))


def typed(stage: str, values: Mapping[str, Any]) -> DictConfig:
    """A run's config with the types of its stage's schema; values as `OmegaConf.merge` checks them."""
    config = OmegaConf.structured(STAGE_SCHEMAS[stage])
    for group, kind in KINDS.items():
        if group in config and CODE in (values.get(group) or {}):
            config[group] = OmegaConf.structured(recorded(kind.node, values[group]))
    return cast(DictConfig, OmegaConf.merge(config, values))
