"""Every captioner, one module each, in one table by the name that `captioner.kind` gives it.

The config's classes are made of this table: modules here import what makes captions where one is made.
"""

from typing import Any

from recbench.captioning.kinds.interface import CaptionerKind
from recbench.captioning.kinds.outside import CaptionerFromOutside
from recbench.kinds import kinds_in

CAPTIONERS = kinds_in(__name__, __path__, CaptionerKind)


def captioner_of(settings: Any) -> CaptionerKind:
    """What a node of settings names: a built-in captioner, or a class from outside the package."""
    return CAPTIONERS.get(str(settings.kind)) or CaptionerFromOutside()
