"""Every source of negatives, one module each, in one table by the name that `negatives.kind` gives it.

As in `recbench.rl.rules`, modules import torch where they are asked for negatives, and not before.
"""

from typing import Any

from recbench.kinds import kinds_in
from recbench.rl.sources.interface import Source
from recbench.rl.sources.outside import SourceFromOutside

SOURCES = kinds_in(__name__, __path__, Source)


def source_of(negatives: Any) -> Source:
    """The source that a node of settings names: a built-in one, or a class from outside the package."""
    return SOURCES.get(str(negatives.kind)) or SourceFromOutside(negatives)
