"""One token an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.item_tokens.kinds.interface import ItemTokenKind

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData
    from recbench.item_tokens.make import ItemTokens
    from recbench.schema import ItemTokensConfig


class Atomic(ItemTokenKind):
    """Ranks of the whole catalogue cost one matrix product."""

    name = "atomic"
    place = 0
    whole_items = True

    def make(self, config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
        """Nothing is learned."""
        import numpy as np

        from recbench.item_tokens.make import ItemTokens

        return ItemTokens(np.arange(data.catalogue.num_rows)[:, None], "atomic: one token an item")
