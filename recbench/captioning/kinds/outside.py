"""A captioner from outside the package, `captioner=MODULE.CLASS`, as the others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.captioning.kinds.interface import CaptionerKind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class CaptionerFromOutside(CaptionerKind):
    """The class that the settings name, with what it gives checked."""

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """It is imported now."""
        from recbench.captioning.outside import CheckedCaptioner

        return CheckedCaptioner(config, seed)
