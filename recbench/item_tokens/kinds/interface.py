"""What a way to write items as tokens says of itself, and how they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recbench.kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from recbench.data.dataset import RecommendationData
    from recbench.item_tokens.make import ItemTokens
    from recbench.schema import ItemTokensConfig


class ItemTokenKind(Kind):
    """A way to write items as tokens."""

    whole_items: ClassVar[bool] = False  # one token an item, which every policy reads
    has_source: ClassVar[bool] = False  # `item_tokens.source` says what it is made from

    def check(self, config: Any) -> None:
        """Raise UserError for settings that lack something; before anything is read or made."""

    def captions_index(self, config: ItemTokensConfig) -> Path | None:
        """The semantic IDs of the tokenize run that it takes over; None where there is no such run."""
        return None

    def make(self, config: ItemTokensConfig, data: RecommendationData, reserved: int, seed: int) -> ItemTokens:
        """Codes of all items. What learns from interactions sees none that SFT does not see.

        Raises:
            UserError: the data cannot serve it (no texts, no index file, items missing from it).
        """
        raise NotImplementedError(f"{self.name} makes no tokens")
