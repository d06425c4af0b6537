"""SFT on contexts weighted as TAWin weighs them, (9), without a negative: what its choice of contexts does alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbench.errors import UserError
from recbench.rl.rules.windowed import WindowedRule

if TYPE_CHECKING:
    from torch import Tensor

    from recbench.rl.groups import Groups
    from recbench.rl.sources.interface import Source
    from recbench.schema import AlgoConfig


class WeightedSft(WindowedRule):
    """What (7) with the linear surrogate does to the positive, and nothing to negatives."""

    name = "weighted_sft"
    label = "weighted sft"
    place = 3
    trains_negatives = False

    def check(self, algo: Any, source: Source) -> None:
        """Contexts need the ranks of their positives."""
        super().check(algo, source)
        if not source.of_window or algo.positives not in ("auto", "window"):
            raise UserError(
                f"algo=weighted_sft weighs contexts by the ranks of their positives, and negatives is {source.name}, "
                f"algo.positives {algo.positives}: give negatives=window and algo.positives=auto"
            )

    def arm(self, algo: Any, negatives: str, first: bool) -> str:
        """Its negatives are told nowhere: they get no gradient."""
        return super().arm(algo, self.usual_negatives, first)

    def candidates(self, algo: Any) -> int | str | None:
        """The positive."""
        return 1

    def of_groups(
        self, groups: Groups, scores: Tensor, reference: Tensor | None, catalogue_size: int, algo: AlgoConfig
    ) -> Tensor:
        """c v for the positive of a context with an effect."""
        import torch

        from recbench.rl.loss import scale_of_groups

        advantages = torch.zeros_like(groups.weights)
        advantages[:, 0] = scale_of_groups(groups, algo) * groups.context_weights * groups.effective
        return advantages
