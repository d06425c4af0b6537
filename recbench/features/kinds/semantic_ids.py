"""Codes of residual k-means over caption embeddings; they can be the item tokens of `recbench train`, too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recbench.features.kinds.interface import FeatureKind
from recbench.kinds import own
from recbench.option import option

if TYPE_CHECKING:
    import numpy as np

    from recbench.features.interface import Features, Material


@dataclass
class EmbeddingSettings:
    """Kinds that embed captions."""

    embedding: str = option("tfidf", "tfidf, or the folder of a sentence encoder")
    dimensions: int = option(64, "dimensions after SVD", least=2)


@dataclass
class LevelSettings:
    """Keys of its own."""

    levels: int = option(3, "levels of residual k-means", least=1, most=8)
    codebook_size: int = option(64, "clusters a level", least=2)
    level_columns: bool = option(
        True, "a column a level; false: one column of all levels, pooled, whose ids tell the level"
    )


class SemanticIds(FeatureKind):
    """A column a level, or one."""

    name = "semantic_ids"
    place = 3
    Settings = (EmbeddingSettings, LevelSettings)

    def add(self, material: Material, made: Features) -> None:
        """The codes are kept, too."""
        from recbench.features.semantic import joint_column, level_columns

        settings = own(LevelSettings, material.config)
        made.codes, made.origins["semantic_ids"] = codes_of(material, settings.levels, settings.codebook_size)
        if settings.level_columns:
            made.columns.extend(level_columns("semantic_ids", made.codes, settings.codebook_size))
        else:
            made.columns.append(joint_column("semantic_ids", made.codes, settings.codebook_size))


def codes_of(material: Material, levels: int, codebook_size: int) -> tuple[np.ndarray, str]:
    """Codes int64 [N, levels], and where the embedding comes from."""
    from recbench.features.semantic import TFIDF, caption_codes

    settings = own(EmbeddingSettings, material.config)
    codes = caption_codes(
        material.captions,
        material.training,
        levels,
        codebook_size,
        settings.embedding,
        settings.dimensions,
        material.seed,
    )
    if settings.embedding == TFIDF:
        return codes, "TF-IDF and SVD of captions of training items"
    return codes, f"sentence encoder {Path(settings.embedding).name} on captions"
