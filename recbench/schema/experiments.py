"""Configuration of an experiment that `recbench bench` runs: the `bench` node of a file in conf/experiment."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench.errors import UserError
from recbench.option import option
from recbench.schema.validation import check_picker, did_you_mean

SFT, SCRATCH = "sft", "scratch"  # what an arm may start from, beside other arms
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass
class ArmConfig:
    """One arm: what it starts from, and by which overrides of `recbench train` it goes on."""

    start: str = option(
        SFT,
        "what the arm goes on from: the SFT checkpoint of its seed (sft), another arm by its name, or nothing "
        "(scratch); one from scratch has the data and the reserved interactions in common with the others, no more",
    )
    train: list[str] = option([], "overrides of recbench train")


@dataclass
class BenchConfig:
    """An experiment over data sets, arms and seeds."""

    seeds: list[int] = option([0, 1], "each has its own SFT checkpoint (--seeds)")
    metrics: list[str] = option([], "what the tables show; none: the usual ones (--metrics)")
    baseline: str = option(SFT, "the arm that the others are held against")
    summary: str = option("ndcg@10", "metric of the table over data sets")
    pick: list[str] = option(
        [],
        "validation metrics that pick the checkpoints of all arms alike, a table each: target (what each arm aims at), "
        "auc, ndcg@10, hr@K, wpauc(a,b); none: as each arm's algo.select_by says (--pick)",
    )
    eval: list[str] = option([], "overrides of recbench eval (eval.KEY=VALUE)")
    data: dict[str, list[str]] = option({}, "data sets: a name, and the overrides that say data and budget (--on)")
    arms: dict[str, ArmConfig] = option({}, "arms beside the built-in ones, which they may replace")
    sets: dict[str, list[str]] = option(
        {}, "names for several arms (--arms); all of them run unless some are asked for"
    )


def read_bench(file: str, content: Mapping[str, Any], known: Sequence[str]) -> BenchConfig:
    """The experiment in the plain `content` of a yaml file; an arm may be written as its list of overrides.

    `known` names the built-in arms. Raises UserError, which names the `file`, for unknown keys, arms and starts, values
    of a wrong type, arms that start from each other, and anything beside the `bench` node, which would go nowhere.
    """
    beside = [key for key in content if key != "bench"]
    if beside:
        raise UserError(
            f"{file}: {beside[0]} stands beside the bench node: put what trainings need into the overrides under "
            "bench.data or bench.arms"
        )
    node: dict[Any, Any] = dict(_mapping(file, "bench", content["bench"]))
    _check_keys(file, "bench", node, BenchConfig)
    if isinstance(node.get("pick"), str):  # one metric is a list of one
        node["pick"] = [node["pick"]]
    arms = {}
    for name, value in _mapping(file, "bench.arms", node.get("arms")).items():
        arms[name] = {"train": value} if isinstance(value, list) else _mapping(file, f"bench.arms.{name}", value)
        _check_keys(file, f"bench.arms.{name}", arms[name], ArmConfig)
    try:
        typed = OmegaConf.merge(OmegaConf.structured(BenchConfig), {**node, "arms": arms})
        bench = cast(BenchConfig, OmegaConf.to_object(typed))
    except OmegaConfBaseException as problem:
        where = f"bench.{key}" if (key := getattr(problem, "full_key", None)) else "bench"
        raise UserError(f"{file}: {where}: {str(problem).splitlines()[0]}") from problem
    _check_names(file, bench, [*known, *(arm for arm in bench.arms if arm not in known)])
    return bench


def _mapping(file: str, key: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UserError(
            f"{file}: {key} is {value!r}: expected names and what they stand for, as in 'name: [KEY=VALUE]'"
        )
    return value


def _check_keys(file: str, where: str, node: Mapping[str, Any], schema: type) -> None:
    known = [item.name for item in fields(schema)]
    for key in node:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise UserError(f"{file}: unknown key {where}.{key}: expected some of {', '.join(known)}{near}")


def _check_names(file: str, bench: BenchConfig, arms: Sequence[str]) -> None:
    """Check that every name can be written on a command line, and that whatever is referred to is there."""
    for kind, names in (("data", bench.data), ("arms", bench.arms), ("sets", bench.sets)):
        for name in names:
            if not NAME.fullmatch(name):
                raise UserError(f"{file}: bench.{kind}.{name}: expected a name of letters, digits, '.', '_' and '-'")
    for name in bench.sets:
        if name in arms:
            raise UserError(f"{file}: bench.sets.{name} has the name of an arm: give another")
    if SCRATCH in bench.arms:
        raise UserError(f"{file}: bench.arms.{SCRATCH} is what arms start from: give the arm another name")
    if bench.arms.get(SFT, ArmConfig()) != ArmConfig():
        raise UserError(f"{file}: bench.arms.{SFT} is the SFT checkpoint itself: leave it out, or give another name")
    named = [(f"bench.sets.{name}", arm) for name, members in bench.sets.items() for arm in members]
    named += [(f"bench.arms.{name}.start", arm.start) for name, arm in bench.arms.items() if arm.start != SCRATCH]
    for where, arm in [*named, ("bench.baseline", bench.baseline)]:
        if arm not in arms:
            raise UserError(f"{file}: {where}: no arm {arm!r}; there are {', '.join(arms)}{did_you_mean(arm, arms)}")
    for name, arm_config in bench.arms.items():
        passed = [name]
        while (start := arm_config.start) in bench.arms and start != SFT:
            if start in passed:
                raise UserError(f"{file}: bench.arms.{name}: {' starts from '.join([*passed, start])}: no end to it")
            passed.append(start)
            arm_config = bench.arms[start]
    for name, overrides in bench.data.items():
        if not overrides:
            raise UserError(f"{file}: bench.data.{name} is empty: give its data, as in [data=amazon_beauty]")
    for name in bench.pick:
        check_picker(f"{file}: bench.pick", name)
    if not bench.seeds or len(set(bench.seeds)) < len(bench.seeds) or min(bench.seeds) < 0:
        raise UserError(f"{file}: bench.seeds={bench.seeds}: expected different whole numbers, as in [0, 1]")
