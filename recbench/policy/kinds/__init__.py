"""Every kind of policy, one module each, in one table by the name that `policy.kind` gives it.

The config's classes are made of this table, for which `--help-config` does not wait for torch: a module here says where
its class is, and `recbench.policy.make` imports that when it is asked for a policy.
"""

from typing import Any

from recbench.kinds import kinds_in
from recbench.policy.kinds.interface import PolicyKind
from recbench.policy.kinds.outside import PolicyFromOutside

POLICIES = kinds_in(__name__, __path__, PolicyKind)


def policy_kind(policy: Any) -> PolicyKind:
    """The kind that a node of settings names: a built-in one, or a class from outside the package."""
    return POLICIES.get(str(policy.get("kind", "llama_small"))) or PolicyFromOutside(policy)
