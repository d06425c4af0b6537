"""Arms of the laboratory: a name and overrides of the rule and its negatives, nothing else may differ."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench.errors import UserError
from recbench.rl.aims import check_objective, objective_metric
from recbench.rl.rules import RULES, rule_of
from recbench.schema import AlgoConfig, LaboratoryStageConfig, NegativesConfig, check_rule, check_values, did_you_mean

SFT = "sft"  # the policy that all arms start from
BEST = "best possible"  # the truth as a policy
NODES = ("algo", "negatives")
# What every arm has alike: an arm that had more steps or data than another would win by them.
SHARED = ("algo.steps", "algo.batch_size", "algo.learning_rate", "algo.schedule", "algo.warmup", "algo.weight_decay")


@dataclass(frozen=True)
class Arm:
    """One way to go on from the SFT policy."""

    name: str
    overrides: list[str]
    algo: AlgoConfig
    negatives: NegativesConfig
    aim: str  # the metric that the rule optimises; "" for sft, which optimises the likelihood
    notes: list[str]


def read_arms(config: LaboratoryStageConfig, note: Callable[[str], None] = lambda text: None) -> list[Arm]:
    """The arms of the chosen groups, in the config's order, each with the configs that its overrides make.

    Arms of a group that aim at a rank beyond the catalogue are left out, and named by `note`, unless `only` asks for
    arms.

    Raises UserError, which names the arm, for groups or arms that are not there, overrides of what all arms share or of
    unknown keys, values out of range, and rules that contradict themselves, the catalogue or the laboratory.
    """
    groups = {str(name): arms for name, arms in config.arms.items()}
    for group in config.groups:
        if group not in groups:
            raise UserError(f"groups={group}: expected some of {', '.join(groups)}{did_you_mean(group, list(groups))}")
    found = [
        (str(name), list(texts)) for group in dict.fromkeys(config.groups) for name, texts in groups[group].items()
    ]
    names = [name for name, _ in found]
    for name in names:
        if names.count(name) > 1 or name in (SFT, BEST):
            taken = "is in two groups" if names.count(name) > 1 else "has a name that the laboratory uses itself"
            raise UserError(f"arm {name!r} {taken}: give it another")
    for name in config.only:
        if name not in names:
            raise UserError(f"--arms {name}: expected some of {', '.join(names)}{did_you_mean(name, names)}")
    kept = [(name, texts) for name, texts in found if not config.only or name in config.only]
    negatives = config.data.catalogue_size - 1
    if not config.only and (large := [name for name, texts in kept if _aimed_rank(texts) > negatives]):
        note(f"{', '.join(large)} left out: data.catalogue_size={negatives + 1} has {negatives} negatives")
        kept = [(name, texts) for name, texts in kept if name not in large]
    if not kept:
        raise UserError("there is no arm to train: name groups=[main], or add arms to one")
    return [_read_arm(name, texts, config) for name, texts in kept]


def _aimed_rank(overrides: Sequence[str]) -> int:
    """The K of an arm that aims at a Top-K or an anchor; 0 for others."""
    found = [re.fullmatch(r"algo\.(?:top_k|anchor)=(\d+)|algo\.weights=\w+@(\d+)", text) for text in overrides]
    return max((int(match[1] or match[2]) for match in found if match), default=0)


def _read_arm(name: str, overrides: Sequence[str], config: LaboratoryStageConfig) -> Arm:
    base = OmegaConf.create({node: config[node] for node in NODES})  # type: ignore[index]
    for text in overrides:
        key = text.partition("=")[0]
        if "=" not in text or key.partition(".")[0] not in NODES:
            raise UserError(f"arm {name!r}: override {text!r} is no algo.KEY=VALUE or negatives.KEY=VALUE")
        if key in SHARED:
            raise UserError(f"arm {name!r}: {key} is the same for all arms: set it for the whole laboratory")
    try:
        merged = cast(DictConfig, OmegaConf.merge(base, OmegaConf.from_dotlist(list(overrides))))
        algo, negatives = merged.algo, merged.negatives
        check_values("algo", algo)
        check_values("negatives", negatives)
        check_rule(algo, negatives)
        notes = check_objective(algo, negatives, config.data.catalogue_size)
    except OmegaConfBaseException as problem:
        raise UserError(f"arm {name!r}: {str(problem).splitlines()[0]}") from problem
    except UserError as problem:
        raise UserError(f"arm {name!r}: {problem}") from problem
    rule = rule_of(algo)
    if not rule.in_laboratory:
        able = ", ".join(name for name, one in RULES.items() if one.in_laboratory)
        raise UserError(f"arm {name!r}: algo.name={algo.name} is not for the laboratory: use {able}")
    if negatives.exclude_seen:
        raise UserError(f"arm {name!r}: users of the laboratory have seen nothing: leave negatives.exclude_seen out")
    aim = objective_metric(algo, negatives, config.data.catalogue_size - 1) if rule.grouped else ""
    plain: list[Any] = [OmegaConf.to_object(node) for node in (algo, negatives)]
    return Arm(name, list(overrides), plain[0], plain[1], aim, notes)
