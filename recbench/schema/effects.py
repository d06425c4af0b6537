"""Which keys have an effect in a run: a key that a user gives and that has none is refused, by one mechanism.

A field's `of` says when it has one. A clause is `KEY=VALUE,VALUE` or `KEY!=VALUE,VALUE`: KEY stands beside the field,
or is one of the whole config where it has a dot; a list holds a value that is in it. Clauses with blanks between have
to hold all; of several texts in a tuple one has to. Two keys are not in the config: `rule`, what a node of training
rules does, and `made_by`, who makes semantic IDs: us, or a tokenize run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recbench.dotted import named
from recbench.errors import UserError
from recbench.schema.first_sft import is_first_sft
from recbench.schema.given import given_keys
from recbench.schema.outside import is_outside
from recbench.schema.stages import STAGE_SCHEMAS
from recbench.schema.validation import options, rule_of_policy
from recbench.stage_table import STAGES

RL = ("grpo", "tawin", "weighted_sft", "softmax_negatives", "dns", "llpauc", "sdpo", "rere")
OUTSIDE = "from outside"  # what every rule is that is a class from outside the package, beside its name
KINDS = {"features": "kinds", "algo": "name", "sft": "name"}  # a node's key that its group chooses, where not `kind`
CALLED = {  # rules in words
    "rl": "an rl rule (algo=grpo, tawin, ...)",
    "sft": "a first SFT (algo=sft, or the sft that rl starts from)",
    "more_sft": "algo=more_sft",
}
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


def conditions(key: str, needs: Sequence[str]) -> str:
    """When a field has an effect, in words: `captioner=llava_small with captioner.path=none, or ...`."""
    prefix = key.rpartition(".")[0]
    return ", or ".join(
        " with ".join(_in_words(prefix, *_split(clause)) for clause in text.split(" ")) for text in needs
    )


def _needs(stage: str, config: DictConfig) -> dict[str, tuple[str, ...]]:
    return {key: item.metadata.get("of", ()) for key, item in options(STAGE_SCHEMAS[stage], config=config)}


def _failing(config: DictConfig, key: str, text: str) -> str | None:
    """The first clause of a text that does not hold, as what is there instead; None where all hold."""
    prefix = key.rpartition(".")[0]
    for clause in text.split(" "):
        name, negated, wanted = _split(clause)
        found = _found(config, prefix, name)
        if bool(found & _expanded(wanted)) == negated:
            if name == "rule" and prefix == "sft":
                return "sft is of a first SFT, which counts epochs and has no groups"
            shown = ", ".join(sorted(found - {OUTSIDE})) or "empty"
            return f"{_key_in_words(prefix, name)} is {'sft' if shown == 'more_sft' else shown}"
    return None


def _split(clause: str) -> tuple[str, bool, tuple[str, ...]]:
    name, _, values = clause.partition("=")
    return name.rstrip("!"), name.endswith("!"), tuple(values.split(","))


def _expanded(values: Sequence[str]) -> set[str]:
    return {name for value in values for name in ((*RL, OUTSIDE) if value == "rl" else (value,))}


def _found(config: DictConfig, prefix: str, name: str) -> set[str]:
    """What a clause's key is in a config, as texts."""
    if name == "rule":
        return {rule_of(config, prefix)} | ({OUTSIDE} if is_outside(config[prefix]) else set())
    if name == "made_by":
        return {"us" if not (Path(str(config[prefix].source)) / "semantic_ids.json").is_file() else "a tokenize run"}
    value = OmegaConf.select(config, name if "." in name or not prefix else f"{prefix}.{name}")
    if isinstance(value, ListConfig):
        return {str(entry) for entry in value}
    return {"none" if value is None else str(value)}


def rule_of(config: DictConfig, node: str) -> str:
    """What the node `algo` or `sft` of a training does: sft (the first one), more_sft, or the rule that it names."""
    name = str(config[node].name)
    return name if node == "sft" or name != "sft" or is_first_sft(config) else "more_sft"


def _in_words(prefix: str, name: str, negated: bool, values: tuple[str, ...]) -> str:
    if name == "rule":
        words = [CALLED.get(value, f"algo={value}") for value in values]
        return "a rule other than " + " or ".join(values) if negated else " or ".join(words)
    if name == "made_by":
        return f"{prefix}.source other than a tokenize run"
    key = _key_in_words(prefix, name)
    return f"{key} other than {' or '.join(values)}" if negated else f"{key}={' or '.join(values)}"


def _key_in_words(prefix: str, name: str) -> str:
    if name == "rule" or (prefix and name == KINDS.get(prefix, "kind")):
        return prefix
    if name == "made_by":
        return f"{prefix}.source"
    return name if "." in name or not prefix else f"{prefix}.{name}"


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
    own = rule_of_policy(config.policy)
    if node == "negatives" and rule_of(config, "algo") not in RL and not is_outside(config.algo):
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
    return merged if all(one.algo.name in (*RL, "sft") for one in merged) else []
