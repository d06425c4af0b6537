"""An OpenAI-compatible server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.captioning.kinds.interface import CaptionerKind

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class Endpoint(CaptionerKind):
    """Requests in flight, retries, and a stop after too many failures."""

    name = "endpoint"
    place = 3
    reads = frozenset({"prompt", "pictures", "generation"})
    asks_server = True

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """Nothing is asked yet."""
        from recbench.captioning.endpoint import EndpointCaptioner

        return EndpointCaptioner(config, seed)
