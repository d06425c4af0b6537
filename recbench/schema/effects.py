"""Which keys have an effect in a run: a key that a user gives and that has none is refused, by one mechanism.

A field's `of` says when it has one; `clauses` has the grammar.
"""

from collections.abc import Sequence
from typing import cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench.dotted import named
from recbench.errors import UserError
from recbench.schema.clauses import clauses, conditions
from recbench.schema.given import given_keys
from recbench.schema.kinds import policy_kind, rule_of
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.schema.validation import options
from recbench.stage_table import STAGES

# What the laboratory, which counts steps and has unlimited users, does not look at.
NOT_IN_LABORATORY = (
    *("interactions", "contexts", "continues", "epochs", "label_smoothing", "item_dropout", "weight_averaging"),
    *("evaluate_every", "patience", "select_by", "validation_cases", "replay_weight", "replay_batch"),
    *("dropout", "rank_dropout", "l2", "micro_batch"),
)
SFT_OF_LABORATORY = ("name", "steps", "batch_size", "learning_rate", "weight_decay", "warmup", "schedule")


def refuse_ineffective(stage: str, config: DictConfig, overrides: Sequence[str]) -> None:
    """Raise UserError for the first key in `overrides` that cannot have an effect in a run of `stage` with `config`.

    What experiments and groups set is not asked about: only what the user gave.
    """
    for override, key in zip(overrides, given_keys(overrides), strict=True):
        if why := ineffective(stage, config, key):
            raise UserError(f"{override} has no effect here: {why}: leave it out")


def ineffective(stage: str, config: DictConfig, key: str) -> str | None:
    """Why the dotted key, or the group, has no effect in a run of `stage` with `config`; None where it has one."""
    node = key.partition(".")[0]
    if "@" in key or key == "algo":  # the rule itself has one
        return None
    row = STAGES[stage]
    if row.takes is None and node in ("input", "upstream", "force"):
        return f"a {stage} run is made from no other run"
    if row.idle and (why := named(row.idle)(config, key)):
        return str(why)
    needs = _needs(stage, config).get(key)
    if not needs or (stage == "laboratory" and node == "sft"):
        return None
    configs = [config] if stage != "laboratory" else _arms_of_laboratory(config)
    failing = [[_failing(one, key, text) for text in needs] for one in configs]
    if not failing or not all(all(of_one) for of_one in failing):
        return None
    where = "" if stage != "laboratory" else " in every arm"
    return f"it is for {conditions(key, needs)}, and {failing[0][0]}{where}"


def _needs(stage: str, config: DictConfig) -> dict[str, tuple[str, ...]]:
    return {key: item.metadata.get("of", ()) for key, item in options(STAGE_SCHEMAS[stage], config=config)}


def _failing(config: DictConfig, key: str, text: str) -> str | None:
    """The first clause of a text that does not hold, as what is there instead; None where all hold."""
    prefix = key.rpartition(".")[0]
    return next((one.instead(config, prefix) for one in clauses(text) if not one.holds(config, prefix)), None)


def idle_without_captions(config: DictConfig, key: str) -> str | None:
    """Why a key of `ctr` has no effect where no arm reads captions."""
    reads = set(config.arms) != {"without"} or key.partition(".")[0] not in ("captioner", "features")
    return None if reads else "arms=[without] reads no captions"


def idle_where_runs_are_named(config: DictConfig, key: str) -> str | None:
    """Why a key of `simulate` has no effect where both arms are of runs that are named."""
    if key.partition(".")[0] in ("captioner", "features", "ctr") and all(":" in config[arm] for arm in "ab"):
        return f"a={config.a} and b={config.b} name their runs"
    return None


def idle_in_training(config: DictConfig, key: str) -> str | None:
    """Why all of a key's node has no effect in a training."""
    node = key.partition(".")[0]
    own = policy_kind(config.policy).rule
    if node == "negatives" and not rule_of(config.algo).grouped:
        return f"negatives are of the rl rules (algo=grpo, tawin, ...), and algo is {config.algo.name}"
    if node == "sft" and config.input is not None:
        return f"input={config.input} names the run to start from, and no SFT is made"
    if node == "sft" and own is not None:
        return f"policy={config.policy.kind} starts from no SFT"
    return None


def idle_in_laboratory(config: DictConfig, key: str) -> str | None:
    """Why a key has no effect in any arm of the laboratory."""
    node, _, name = key.partition(".")
    if node == "sft" and name and name not in SFT_OF_LABORATORY:
        return f"SFT in the laboratory has {', '.join(SFT_OF_LABORATORY[1:])}, and no more"
    if node == "algo" and name in NOT_IN_LABORATORY:
        return "the laboratory trains on unlimited draws, for algo.steps, without dropout, and keeps the last step"
    return None


def _arms_of_laboratory(config: DictConfig) -> list[DictConfig]:
    """What each arm that runs is trained by; none where one is no such arm, which the laboratory itself tells.

    `input` says that its SFT goes on from another.
    """
    chosen = [(name, texts) for group in config.groups for name, texts in config.arms.get(group, {}).items()]
    base = OmegaConf.create({"algo": config.algo, "negatives": config.negatives, "input": "sft"})
    kept = [list(texts) for name, texts in chosen if not config.only or name in config.only]
    try:
        merged = [cast(DictConfig, OmegaConf.merge(base, OmegaConf.from_dotlist(texts))) for texts in kept]
    except OmegaConfBaseException:
        return []
    return merged if all(rule_of(one.algo).in_laboratory for one in merged) else []
