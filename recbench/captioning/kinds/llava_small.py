"""A small LLaVA, trained in the run when it has no checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from recbench.captioning.kinds.interface import CaptionerKind
from recbench.errors import UserError

if TYPE_CHECKING:
    import torch

    from recbench.captioning.interface import Captioner
    from recbench.data.dataset import RecommendationData
    from recbench.runs import Run
    from recbench.schema import CaptionerConfig


class LlavaSmall(CaptionerKind):
    """It learns from the catalogue's own texts."""

    name = "llava_small"
    place = 1
    reads = frozenset({"path", "pictures", "generation"})
    learns = True

    def make(
        self, config: CaptionerConfig, data: RecommendationData, run: Run | None, seed: int, device: torch.device
    ) -> Captioner:
        """Of the checkpoint, or trained in `run`."""
        from transformers.utils.logging import disable_progress_bar

        from recbench.captioning.llava_small import obtain

        disable_progress_bar()  # of files written: ours count the training
        if run is None:
            if not config.path:
                raise UserError(
                    "captioner=llava_small has no checkpoint yet, and nothing is trained here: give "
                    "captioner.path=FOLDER, as checkpoints/llava_small of a finished caption run"
                )
            run = cast("Run", None)  # of which a checkpoint's captioner asks nothing
        return obtain(config, data, run, seed, device)
