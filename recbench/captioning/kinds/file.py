"""Captions that are there already, in a csv or parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.captioning.kinds.interface import CaptionerKind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class File(CaptionerKind):
    """Items that the file lacks are told."""

    name = "file"
    place = 0
    reads = frozenset({"path"})

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """The file is read."""
        from recbench.captioning.file import FileCaptioner, read_file, unknown_items

        captions = read_file(config.path, config.item_column, config.caption_column)
        unknown = unknown_items(captions, data.catalogue["item"])
        if unknown and run is not None:
            run.note(unknown)
        return FileCaptioner(captions)
