"""A causal language model, from texts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.captioning.kinds.interface import CaptionerKind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class Text(CaptionerKind):
    """Of transformers, in a folder or on the hub."""

    name = "text"
    place = 4
    reads = frozenset({"path", "prompt", "generation", "checkpoint"})

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """The checkpoint is loaded."""
        from recbench.captioning.text import TextCaptioner

        return TextCaptioner(config, seed, device)
