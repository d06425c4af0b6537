"""An item's title and fields in words: the caption of items whose picture is missing, without any model."""

from collections.abc import Sequence

from recbench.captioning.interface import Caption, Item, NoCaption


class FieldsCaptioner:
    """Writes `Title. field: value, field: value.`, empty values left out."""

    name = "fields"
    reads_images = False

    def __init__(self, fields: Sequence[str]) -> None:
        """`fields`: the columns to write, in their order."""
        self.fields = list(fields)

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """One caption an item; none for an item that has neither title nor fields."""
        return [self._caption(item) for item in items]

    def _caption(self, item: Item) -> Caption | NoCaption:
        values = [f"{name.replace('_', ' ')}: {item.fields[name]}" for name in self.fields if item.fields.get(name)]
        sentences = [part.strip().rstrip(".") + "." for part in (item.title, ", ".join(values)) if part.strip()]
        return Caption(" ".join(sentences), tokens=0) if sentences else NoCaption("neither title nor fields")
