"""What a kind of captioner says of itself, and how one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from recbench.kinds import Kind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class CaptionerKind(Kind):
    """A captioner. `reads` are some of path, prompt, pictures, generation, checkpoint: settings that others share."""

    learns: ClassVar[bool] = False  # is trained in the run where no checkpoint is given
    asks_server: ClassVar[bool] = False  # each item may fail through no fault of its own

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """One with these settings; UserError where a file, checkpoint, address or package that it needs is missing."""
        raise NotImplementedError(f"{self.name} makes no captioner")
