"""Checks of a composed config, each told in one line, and what `--help-config` prints."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from recbench.dotted import named
from recbench.errors import UserError
from recbench.metrics.fpr_window import check_window
from recbench.redaction import has_secrets, redacted
from recbench.schema.kinds import ITEM_TOKENS, POLICIES, RULES, policy_kind, rule_of, source_of
from recbench.schema.outside import KINDS
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.stage_table import STAGES

WEIGHTS = re.compile(r"window|(ndcg|mrr)@[1-9]\d*")
# Whole numbers without an end of their own: what counts things in memory is far smaller, and a larger one is a slip.
LARGEST = 2**31 - 1
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """A question to end an error line with, or nothing when no word is near; `steps` is near `algo.steps`."""
    near = difflib.get_close_matches(word, words, n=1) or [other for other in words if other.startswith(word)][:1]
    ends = {dotted.rpartition(".")[2]: dotted for dotted in words}
    near = near or [ends[end] for end in difflib.get_close_matches(word, list(ends), n=1)]
    return f"; did you mean {near[0]!r}?" if near else ""


def options(schema: type, prefix: str = "", config: DictConfig | None = None) -> Iterator[tuple[str, Field[Any]]]:
    """Every (dotted key, dataclass field) of a schema, nested ones included; with a config, those that it has beyond.

    A node of a config may be of a dataclass below the schema's: its choice is then a class from outside the package.
    """
    for item in fields(schema):
        node = config.get(item.name) if config is not None else None
        below = _type_of(node, item)
        if is_dataclass(below):
            yield from options(cast(type, below), f"{prefix}{item.name}.", node)
        else:
            yield prefix + item.name, item


def _type_of(node: Any, item: Field[Any]) -> Any:
    """The dataclass that a node is of, where it is of one; else what the field says."""
    found = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    return found if is_dataclass(found) else item.type


def expected(item: Field[Any]) -> str:
    """What a field takes, in words: `one of a, b`, `at least 1 and at most 8`, or its type."""
    one_of, least, most = (item.metadata.get(key) for key in ("one_of", "least", "most"))
    if one_of:
        return "one of " + ", ".join(one_of)
    ends = [(word, bound) for word, bound in (("at least", least), ("at most", most)) if bound is not None]
    bounds = [f"{word} {bound:,}" if isinstance(bound, int) else f"{word} {bound:g}" for word, bound in ends]
    return " and ".join(bounds) or str(getattr(item.type, "__name__", item.type))


def validate(stage: str, config: DictConfig) -> None:
    """Check every value against its field's range and choices, and what spans fields; raises UserError in one line."""
    _check_keys(config, STAGE_SCHEMAS[stage])
    values = dict(_leaves(OmegaConf.to_container(config, resolve=True)))
    if missing := sorted(key for key, value in values.items() if value == MISSING):
        raise UserError(f"{missing[0]} has no value: give {missing[0]}=VALUE")
    for key, item in options(STAGE_SCHEMAS[stage], config=config):
        _check_value(key, values.get(key), item)
    check_addresses(f"{key}={value}" for key, value in _texts(config))
    if "captioner" in config:
        _check_endpoint(config.captioner)
    if check := STAGES[stage].check:
        named(check)(config)
    for window in config.get("windows") or []:
        check_window(window, f"windows={list(config.windows)}")
    for k in config.get("ks") or []:
        if type(k) is not int or k < 1:
            raise UserError(f"ks={list(config.ks)}: expected whole numbers of at least 1, as in --k 1,5,10")


def check_addresses(settings: Iterable[str]) -> None:
    """Raise UserError for a KEY=VALUE with an address that has a user name, a password or a token in it.

    Settings are written to config.yaml, overrides.yaml and reports, and commands to the shell's history.
    """
    for setting in settings:
        if "://" in setting and has_secrets(setting):
            raise UserError(
                f"{redacted(setting)}: no user name, password or token may stand in an address, which is written to "
                "config.yaml; leave it out, and for an endpoint put it into an environment variable, named by "
                "captioner.key_variable=NAME"
            )


def _texts(config: DictConfig) -> Iterator[tuple[str, str]]:
    def walk(key: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict | list):
            for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from walk(f"{key}.{name}".lstrip("."), inner)

    yield from walk("", OmegaConf.to_container(config, throw_on_missing=False))


def _check_endpoint(captioner: DictConfig) -> None:
    """Check the address and the name of the key's variable, before either is written anywhere."""
    if captioner.key_variable and not VARIABLE.fullmatch(captioner.key_variable):
        raise UserError(
            "captioner.key_variable is no name of an environment variable (it is not shown: it may be the key itself): "
            "export the key as, say, API_KEY, and give captioner.key_variable=API_KEY"
        )
    if not captioner.url:
        return
    try:
        address = urlsplit(captioner.url)
        port = address.port
    except ValueError:
        port = 0
    if port == 0 or address.scheme not in ("http", "https") or not address.hostname or not captioner.url.isprintable():
        raise UserError(f"captioner.url={captioner.url}: expected an address such as http://localhost:8000/v1")
    if address.query or address.fragment or " " in captioner.url:
        raise UserError(
            f"captioner.url={captioner.url}: expected a base address such as http://localhost:8000/v1, to which "
            "/chat/completions is added, without ? and #"
        )


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key and its value; of a mapping without a schema, such as data.options, also its own."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check_keys(config: DictConfig, schema: type, prefix: str = "") -> None:
    known = {item.name: item for item in fields(schema)}
    for key in config:
        if key not in known:  # Hydra lets +key=value add anything
            raise UserError(f"unknown key {prefix}{key!s}{did_you_mean(str(key), [str(name) for name in known])}")
        below = _type_of(config._get_node(str(key)), known[str(key)])
        if is_dataclass(below):
            _check_keys(config[key], cast(type, below), f"{prefix}{key}.")


def _check_value(key: str, value: Any, item: Field[Any]) -> None:
    one_of, least, most = (item.metadata.get(name) for name in ("one_of", "least", "most"))
    if value is None:
        return
    if value == "" and (item.type == str | None or key == "runs"):
        raise UserError(f"{key}='' is empty: give a value, or leave {key} out")
    if isinstance(value, list | ListConfig):
        for entry in value:
            _check_value(key, entry, item)
        return
    if one_of and value not in one_of:
        group, _, name = key.partition(".")
        own = group in KINDS and name == KINDS[group].key and "." in str(value)
        hint = f"; a class of your own is named by {group}={value}" if own else did_you_mean(str(value), one_of)
        raise UserError(f"{key}={value!r}: expected {expected(item)}{hint}")
    if isinstance(value, int | float):
        if value != value or value in (float("inf"), float("-inf")):
            raise UserError(f"{key}={value}: expected a finite number")
        if (least is not None and value < least) or (most is not None and value > most):
            raise UserError(f"{key}={_written(value)}: expected {expected(item)}")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UserError(f"{key}={_written(value)}: expected a whole number of at most {LARGEST:,}")


def _written(value: int | float) -> str:
    """A number as it was given; short where it would fill a line."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if abs(value) < 10**30 else f"{value:.0e}" if abs(value) < 10**300 else "1e300 or more"


def check_values(node: str, config: DictConfig) -> None:
    """Check every value of a config node against its fields' ranges and choices; raises UserError."""
    for key, item in options(cast(type, OmegaConf.get_type(config))):
        _check_value(f"{node}.{key}", OmegaConf.select(config, key), item)


def check_rule(algo: DictConfig, negatives: DictConfig) -> None:
    """Check that a training rule and its negatives go together; raises UserError."""
    if not WEIGHTS.fullmatch(algo.weights):
        raise UserError(f"algo.weights={algo.weights!r}: expected window, ndcg@K or mrr@K, as in --weights ndcg@10")
    rule_of(algo).check(algo, source_of(negatives))
    if algo.window is not None:
        check_window(algo.window, f"algo.window={list(algo.window)}")


def check_picker(key: str, name: str) -> None:
    """Check that checkpoints can be picked by a metric of this name; raises UserError."""
    from recbench.metrics.table import EVAL, ROWS, read_metric  # imports NumPy, which --help-config need not wait for

    if name == "target":
        return
    able = [row for row in ROWS if EVAL in row.shown]
    try:
        found = read_metric(name).metric in able
    except UserError:
        found = False
    if not found:
        raise UserError(f"{key}={name!r}: expected one of target, {', '.join(row.written for row in able)}")


def check_evaluation(config: DictConfig) -> None:
    """Check that an evaluation has something to tell; raises UserError."""
    if not config.windows and not config.ks:
        raise UserError("windows and ks are both empty: give --window a,b or --k K")


def check_training(config: DictConfig) -> None:
    """Check that rule, negatives, policy and items of a training go together; raises UserError."""
    check_rule(config.algo, config.negatives)
    if config.sft.name not in RULES or not RULES[config.sft.name].pretrains:
        raise UserError(
            f"sft.name={config.sft.name!r}: the node 'sft' tells how an SFT run is made; its name stays sft"
        )
    if config.sft.interactions == "reserved":
        raise UserError(
            "sft.interactions=reserved: a first SFT cannot learn from what is kept from it; use seen or all"
        )
    for node in ("algo", "sft"):
        for key in ("select_by", "also_select_by"):
            for name in [config[node][key]] if key == "select_by" else config[node][key]:
                check_picker(f"{node}.{key}", name)
    _check_policy(config)
    ITEM_TOKENS[config.item_tokens.kind].check(config.item_tokens)


def _check_policy(config: DictConfig) -> None:
    """Check that the policy, what trains it, and how items are written go together."""
    policy, rule, kind = config.policy, config.algo.name, policy_kind(config.policy)
    if kind.rule is not None and config.input is not None:
        raise UserError(f"policy={policy.kind} starts from no other run: leave input={config.input} out")
    if kind.rule is not None and rule != kind.rule:
        done = f"trained by {kind.rule}" if RULES[kind.rule].takes_steps else "counted"
        raise UserError(f"policy={policy.kind} is {done}, and algo is {rule}: give --algo={kind.rule}")
    able = [name for name, other in POLICIES.items() if other.rule == rule]
    if kind.rule is None and able:
        raise UserError(
            f"algo={rule} is for policy={' or '.join(able)}, and policy is {policy.kind}: give another of the two"
        )
    kind.check(policy)
    if not kind.reads_tokens and not ITEM_TOKENS[config.item_tokens.kind].whole_items:
        raise UserError(
            f"policy={policy.kind} knows items, not their tokens, and item_tokens is {config.item_tokens.kind}: "
            "give item_tokens=atomic"
        )
    if policy.initial_embeddings not in kind.starts_from:
        raise UserError(
            f"policy={policy.kind} has no token embeddings to start from {policy.initial_embeddings}: "
            "leave policy.initial_embeddings out"
        )
