"""Items of a catalogue as captioners see them."""

from collections.abc import Sequence

from recbench.captioning.interface import Item
from recbench.captioning.pictures import read_pictures
from recbench.data.dataset import RecommendationData
from recbench.schema import CaptionerConfig

# The reference caption is what a captioner is scored against: no prompt may name it.
NOT_FIELDS = ("item", "title", "text", "image", "caption")


def field_names(data: RecommendationData) -> list[str]:
    """The catalogue's columns beside title and text that a prompt may name."""
    return [name for name in data.catalogue.column_names if name not in NOT_FIELDS]


def read_items(
    data: RecommendationData, rows: Sequence[int], config: CaptionerConfig, *, images: bool
) -> list[tuple[Item, str | None]]:
    """The items in these rows of the catalogue, each with the reason why it has no image, None where it has one.

    Of several pictures that cannot be read, the reason is the first one's.

    With `images` false none are read, and no reasons are given.
    """
    if not len(rows):
        return []
    values = data.catalogue[list(rows)]
    names = field_names(data)
    items: list[tuple[Item, str | None]] = []
    for place, row in enumerate(rows):
        pictures, reasons = read_pictures(data.all_images(row), config) if images else ([], [])
        item = Item(
            row=row,
            id=values["item"][place],
            title=values["title"][place],
            text=values["text"][place],
            fields={name: _words(values[name][place]) for name in names},
            image=pictures[0] if pictures else None,
            others=tuple(pictures[1:]),
            unread=len(reasons) if pictures else 0,
        )
        items.append((item, reasons[0] if images and not pictures else None))
    return items


def _words(value: object) -> str:
    """A value of a column as text: null as nothing, several values with commas."""
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value)
    return "" if value is None else str(value)


def reference_captions(data: RecommendationData) -> list[str | None]:
    """The reference caption of every item in catalogue order; None for one without, or with a blank one."""
    if "caption" not in data.catalogue.column_names:
        return [None] * data.catalogue.num_rows
    return [caption if caption and caption.strip() else None for caption in data.catalogue["caption"]]
