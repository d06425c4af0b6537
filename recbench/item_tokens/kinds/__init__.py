"""Every way to write items as tokens, one module each, in one table by the name that `item_tokens.kind` gives it.

The config's classes are made of this table: modules here import what makes tokens where they are made.
"""

from recbench.item_tokens.kinds.interface import ItemTokenKind
from recbench.kinds import kinds_in

ITEM_TOKENS = kinds_in(__name__, __path__, ItemTokenKind)
