"""What makes columns of captions: built-in kinds are modules in `kinds/`, others are named by MODULE.CLASS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from recbench.features.vocabulary import Encoded, Vocabulary
from recbench.schema import FeaturesConfig


@dataclass(frozen=True)
class Material:
    """What columns are made from."""

    config: FeaturesConfig
    captions: list[str | None]  # [N] in catalogue order
    training: np.ndarray  # bool [N]; items that anything may be learned from
    caption_run: Path  # the folder that may hold the captioner's tokenizer
    seed: int


@dataclass
class Features:
    """Columns, and what belongs with them in the run's folder."""

    columns: list[Encoded] = field(default_factory=list)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)  # by kind
    origins: dict[str, str] = field(default_factory=dict)  # by kind: the tokenizer or embedding, in words
    codes: np.ndarray | None = None  # int64 [N, L]; semantic IDs, -1 without a caption
    tokenizer: str | None = None  # tokenizer.json of the kind tokens


class Feature(Protocol):
    """Adds columns to those of the kinds before it."""

    def add(self, material: Material, made: Features) -> None:
        """Append to `made.columns`: PAD is 0, OOV is 1, and whatever is fitted is fitted on training items."""
        ...
