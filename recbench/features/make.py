"""All columns that a config asks for, from captions."""

import re
from collections.abc import Sequence

from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.features.columns import OOV
from recbench.features.interface import Features, Material
from recbench.features.kinds import FEATURES
from recbench.features.vocabulary import Encoded

NAME = re.compile(r"[A-Za-z]\w*")  # of a column


def make_features(material: Material) -> Features:
    """The columns of every kind in `config.kinds`, in that order; semantic IDs may be several columns.

    Raises:
        UserError: no kinds or one twice, no captions of training items, or no such tokenizer or encoder.
    """
    kinds = list(material.config.kinds)
    if not kinds or len(set(kinds)) < len(kinds):
        raise UserError(f"features.kinds={kinds}: expected at least one of {', '.join(FEATURES)}, each at most once")
    if not any(caption and trained for caption, trained in zip(material.captions, material.training, strict=True)):
        raise UserError("no item of the training period has a caption: there is nothing to fit a vocabulary on")
    made = Features()
    for kind in kinds:
        if kind in FEATURES:
            FEATURES[kind].add(material, made)
        else:
            before = [encoded.column.name for encoded in made.columns]
            implementation("features", material.config)().add(material, made)
            _check_added(kind, made.columns[len(before) :], before, len(material.captions))
    return made


def _check_added(kind: str, added: Sequence[Encoded], before: Sequence[str], items: int) -> None:
    """Raise UserError unless a class from outside has added columns that every reader of them can take."""
    if not added:
        raise UserError(f"features={kind}: add has added no column to made.columns")
    names = list(before)
    for encoded in added:
        if not isinstance(encoded, Encoded):
            raise UserError(f"features={kind}: add has added a {type(encoded).__name__}, expected an Encoded")
        column = encoded.column
        if not NAME.fullmatch(str(column.name)) or column.name in (*names, "item"):
            raise UserError(f"features={kind}: a column is called {column.name!r}; expected another name, of letters")
        names.append(column.name)
        if len(column.offsets) != items + 1 or column.offsets[0] != 0 or column.offsets[-1] != len(column.ids):
            raise UserError(f"features={kind}: the offsets of column {column.name} do not lead through {items} items")
        if len(column.ids) and not (column.ids.min() >= OOV and column.ids.max() < column.size):
            raise UserError(f"features={kind}: the ids of column {column.name} are not all from {OOV} to its size")
