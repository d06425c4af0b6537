"""Every training rule, one module each, in one table by the name that `algo.name` gives it.

The config's classes are made of this table, for which `--help-config` does not wait for torch: modules here import it
where they are asked for a loss, and not before.
"""

from typing import Any

from recbench.kinds import kinds_in
from recbench.rl.rules.interface import Rule
from recbench.rl.rules.outside import RuleFromOutside

RULES = kinds_in(__name__, __path__, Rule)


def rule_of(algo: Any) -> Rule:
    """The rule that a node of settings names: a built-in one, or a class from outside the package."""
    return RULES.get(str(algo.name)) or RuleFromOutside(algo)
