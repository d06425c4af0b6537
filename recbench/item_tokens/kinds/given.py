"""An index file of somebody else's, as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbench.errors import UserError
from recbench.item_tokens.kinds.interface import ItemTokenKind

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData
    from recbench.item_tokens.make import ItemTokens
    from recbench.schema import ItemTokensConfig


class Given(ItemTokenKind):
    """MiniOneRec and LETTER write such files."""

    name = "given"
    place = 2

    def check(self, config: Any) -> None:
        """It needs the file's name."""
        if config.path is None:
            raise UserError("item_tokens=given needs the index file: give item_tokens.path=FILE")

    def make(self, config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
        """The file is read."""
        from recbench.item_tokens.make import ItemTokens, read_index_file

        if config.path is None:
            raise UserError("item_tokens.path is not set; item_tokens=given reads an index file: item_tokens.path=FILE")
        codes = read_index_file(Path(config.path), data.catalogue["item"])
        return ItemTokens(codes, f"given by {Path(config.path).name}; how it was made is unknown to recbench")
