"""The grammar of a field's `of`: keys, the values that give the field an effect, and both in words.

A clause is `KEY=VALUE,VALUE` or `KEY!=VALUE,VALUE`: KEY stands beside the field, or is one of the whole config where it
has a dot; a list holds a value that is in it. Clauses with blanks between have to hold all; of several texts in a tuple
one has to. Three keys are not in the config: `rule`, what a node of training rules does; `reads`, which settings its
rule, source of negatives or captioner shares with others; and `made_by`, who makes semantic IDs: us, or a tokenize run.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf

from recbench.schema.first_sft import is_first_sft
from recbench.schema.kinds import CAPTIONER_KINDS, RULES, SOURCE_KINDS, captioner_of, rule_of, source_of
from recbench.schema.outside import is_outside

RL = tuple(name for name, rule in RULES.items() if rule.grouped)
OUTSIDE = "from outside"  # what every rule is that is a class from outside the package, beside its name
KINDS = {"features": "kinds", "algo": "name", "sft": "name"}  # a node's key that its group chooses, where not `kind`
MORE_SFT = "more_sft"
CALLED = {  # rules in words
    "rl": "an rl rule (algo=grpo, tawin, ...)",
    "sft": "a first SFT (algo=sft, or the sft that rl starts from)",
    MORE_SFT: "algo=more_sft",
}


class Key:
    """A key of the config."""

    groups_only = False  # it tells of rules with groups, which a first SFT has not

    def __init__(self, name: str) -> None:
        self.name = name

    def found(self, config: DictConfig, prefix: str) -> set[str]:
        """What it is in a config, as texts; `prefix` is the node of the field."""
        value = OmegaConf.select(config, self.name if "." in self.name or not prefix else f"{prefix}.{self.name}")
        if isinstance(value, ListConfig):
            return {str(entry) for entry in value}
        return {"none" if value is None else str(value)}

    def holds(self, config: DictConfig, prefix: str, values: Sequence[str]) -> bool:
        """Whether it has one of the values."""
        return bool(self.found(config, prefix) & set(values))

    def in_words(self, prefix: str) -> str:
        """What a user calls it."""
        if prefix and self.name == KINDS.get(prefix, "kind"):
            return prefix
        return self.name if "." in self.name or not prefix else f"{prefix}.{self.name}"

    def condition(self, prefix: str, values: Sequence[str], negated: bool) -> str:
        """The clause, as `captioner=llava or text`."""
        key = self.in_words(prefix)
        return f"{key} other than {' or '.join(values)}" if negated else f"{key}={' or '.join(values)}"


class RuleKey(Key):
    """`rule`: what the node does."""

    groups_only = True

    def found(self, config: DictConfig, prefix: str) -> set[str]:
        """The rule, and whether it is from outside."""
        return {rule_in(config, prefix)} | ({OUTSIDE} if is_outside(config[prefix]) else set())

    def holds(self, config: DictConfig, prefix: str, values: Sequence[str]) -> bool:
        """`rl` is each of the rules with groups."""
        wanted = {name for value in values for name in ((*RL, OUTSIDE) if value == "rl" else (value,))}
        return bool(self.found(config, prefix) & wanted)

    def in_words(self, prefix: str) -> str:
        """The node chooses it."""
        return prefix

    def condition(self, prefix: str, values: Sequence[str], negated: bool) -> str:
        """Rules by the options that choose them."""
        words = [CALLED.get(value, f"algo={value}") for value in values]
        return "a rule other than " + " or ".join(values) if negated else " or ".join(words)


class ReadsKey(Key):
    """`reads`: what the rule, the source of negatives or the captioner of the node says that it reads."""

    groups_only = True

    def found(self, config: DictConfig, prefix: str) -> set[str]:
        """Its name."""
        return {rule_in(config, prefix)} if prefix in RULE_NODES else {str(config[prefix].kind)}

    def holds(self, config: DictConfig, prefix: str, values: Sequence[str]) -> bool:
        """Asked of the rule, the source or the captioner itself."""
        return bool(READERS[prefix][0](config[prefix]).reads & set(values))

    def in_words(self, prefix: str) -> str:
        """The node chooses it."""
        return prefix

    def condition(self, prefix: str, values: Sequence[str], negated: bool) -> str:
        """All that read it, by the options that choose them."""
        names = [name for name, kind in READERS[prefix][1].items() if kind.reads & set(values)]
        if prefix in RULE_NODES:
            return " or ".join(f"algo={name}" for name in names)
        return f"{prefix}=" + " or ".join(names)


class MadeByKey(Key):
    """`made_by`: who makes semantic IDs."""

    def found(self, config: DictConfig, prefix: str) -> set[str]:
        """A tokenize run is a folder with such a file."""
        return {"us" if not (Path(str(config[prefix].source)) / "semantic_ids.json").is_file() else "a tokenize run"}

    def in_words(self, prefix: str) -> str:
        """The key that names the run."""
        return f"{prefix}.source"

    def condition(self, prefix: str, values: Sequence[str], negated: bool) -> str:
        """The one condition that there is."""
        return f"{prefix}.source other than a tokenize run"


RULE_NODES = ("algo", "sft")
READERS: dict[str, tuple[Callable[[Any], Any], Mapping[str, Any]]] = {  # of a node: what it names, and all that it may
    **dict.fromkeys(RULE_NODES, (rule_of, RULES)),
    "negatives": (source_of, SOURCE_KINDS),
    "captioner": (captioner_of, CAPTIONER_KINDS),
}
NOT_IN_CONFIG: dict[str, type[Key]] = {"rule": RuleKey, "reads": ReadsKey, "made_by": MadeByKey}


class Clause(NamedTuple):
    """One clause, read."""

    key: Key
    negated: bool
    values: tuple[str, ...]

    def holds(self, config: DictConfig, prefix: str) -> bool:
        """Whether it does, for a field of the node `prefix`."""
        return self.key.holds(config, prefix, self.values) != self.negated

    def instead(self, config: DictConfig, prefix: str) -> str:
        """What is there where it does not hold."""
        if self.key.groups_only and prefix == "sft":
            return "sft is of a first SFT, which counts epochs and has no groups"
        shown = ", ".join(sorted(self.key.found(config, prefix) - {OUTSIDE})) or "empty"
        return f"{self.key.in_words(prefix)} is {'sft' if shown == MORE_SFT else shown}"


def clauses(text: str) -> list[Clause]:
    """The clauses of a text, all of which have to hold."""
    return [_clause(part) for part in text.split(" ")]


def _clause(text: str) -> Clause:
    name, _, values = text.partition("=")
    bare = name.rstrip("!")
    return Clause(NOT_IN_CONFIG.get(bare, Key)(bare), name.endswith("!"), tuple(values.split(",")))


def rule_in(config: DictConfig, node: str) -> str:
    """What the node `algo` or `sft` of a training does: sft (the first one), more_sft, or the rule that it names."""
    pretrains = rule_of(config[node]).pretrains
    return MORE_SFT if pretrains and node == "algo" and not is_first_sft(config) else str(config[node].name)


def conditions(key: str, needs: Sequence[str]) -> str:
    """When a field has an effect, in words: `captioner=llava_small with captioner.path=none, or ...`."""
    prefix = key.rpartition(".")[0]
    told = [[one.key.condition(prefix, one.values, one.negated) for one in clauses(text)] for text in needs]
    return ", or ".join(" with ".join(parts) for parts in told)
