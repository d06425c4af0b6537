"""Semantic IDs: codes of residual k-means, made here from texts or interactions, or by a tokenize run from captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbench.item_tokens.kinds.interface import ItemTokenKind

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData
    from recbench.item_tokens.make import ItemTokens
    from recbench.schema import ItemTokensConfig


class SemanticIds(ItemTokenKind):
    """Those of a tokenize run know of interactions only which items the training period has."""

    name = "semantic_ids"
    place = 1
    has_source = True

    def captions_index(self, config: ItemTokensConfig) -> Path | None:
        """Of the run whose folder `source` is."""
        index = Path(config.source) / "semantic_ids.json"
        return index if index.is_file() else None

    def make(self, config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
        """Taken over, or learned."""
        from recbench.item_tokens.make import ItemTokens, break_collisions, read_index_file, residual_kmeans
        from recbench.item_tokens.vectors import item_vectors

        if (index := self.captions_index(config)) is not None:
            remedy = f"the tokenize run has another catalogue: make one on data {data.name}"
            codes = read_index_file(index, data.catalogue["item"], remedy)
            origin = "captions, by a tokenize run"
        else:
            vectors, origin = item_vectors(config.source, data, config.dimensions, reserved, seed)
            codes = residual_kmeans(vectors, config.levels, config.codebook_size, seed)
        if config.break_collisions:
            codes = break_collisions(codes)
        return ItemTokens(codes, f"semantic IDs: residual k-means of {origin}")
