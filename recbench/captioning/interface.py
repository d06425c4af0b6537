"""What a captioner is: a batch of items in, one caption an item out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recbench.errors import UnfinishedError
from recbench.schema import CaptionerConfig

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Item:
    """One item as a captioner sees it."""

    row: int  # of the catalogue
    id: str
    title: str
    text: str
    fields: dict[str, str]  # the catalogue's other columns; a null is an empty string
    image: Image | None  # RGB, decoded; None where there is none, or none that can be read
    others: tuple[Image, ...] = ()  # after it, where several are read: captioner.pictures, captioner.frames
    unread: int = 0  # files of its list of pictures that cannot be read, where others can

    @property
    def images(self) -> list[Image]:
        """All its pictures, in their order."""
        return [] if self.image is None else [self.image, *self.others]


@dataclass(frozen=True)
class Caption:
    """What a captioner wrote about one item."""

    text: str
    tokens: int  # that it generated, the end token not counted; 0 where none were
    prompt_tokens: int = 0  # that it read, those of the image included; 0 where that is unknown
    cut: bool = False  # whether an endpoint said that it ended at max_tokens


@dataclass(frozen=True)
class NoCaption:
    """One item that a captioner could not caption; the fallback takes over, or the item is listed and skipped."""

    reason: str  # in words, on one line
    again: bool = False  # whether the same question may be answered later: a server's fault, not the item's


class CaptionerStoppedError(UnfinishedError):
    """A captioner that cannot go on, as a server that answers nothing any more; `answers` has what it knows by then."""

    def __init__(self, message: str, answers: Sequence[Caption | NoCaption]) -> None:
        super().__init__(message)
        self.answers = list(answers)  # one an item of the batch; NoCaption with `again` for those not asked


class Captioner(Protocol):
    """Anything that captions; a greedy caption of an item does not depend on what else is in its batch."""

    name: str  # in the captioner column of captions.parquet
    reads_images: bool  # False: items without an image are captioned like all others

    def caption(self, items: Sequence[Item]) -> Sequence[Caption | NoCaption]:
        """One answer for each item, in the same order; where `reads_images`, every item given has an image.

        Raises:
            CaptionerStoppedError: it cannot go on.
        """
        ...


class OwnCaptioner(Protocol):
    """A captioner by `captioner=MODULE.CLASS`; with `reads_images = False` in its class, items need no picture."""

    def __init__(self, settings: CaptionerConfig, seed: int) -> None: ...

    def caption(self, items: Sequence[Item]) -> Sequence[str | None | Caption | NoCaption]:
        """One answer for each item, in their order, whatever else is in the batch; None where there is none."""
        ...
