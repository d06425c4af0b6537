"""Any image-text-to-text checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.captioning.kinds.interface import CaptionerKind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class Llava(CaptionerKind):
    """Of transformers, in a folder or on the hub."""

    name = "llava"
    place = 2
    reads = frozenset({"path", "prompt", "pictures", "generation", "checkpoint"})

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """The checkpoint is loaded."""
        from recbench.captioning.llava import LlavaCaptioner

        return LlavaCaptioner(config, seed, device)
