"""What this package asks of a policy, which any toy with these methods fulfils, and of what comes from outside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from recbench.schema import AlgoConfig, NegativesConfig

if TYPE_CHECKING:
    from recbench.rl.negatives import Negatives


class RankedItems(Protocol):
    """The result of a beam search: distinct items, best first."""

    @property
    def items(self) -> Tensor:
        """LongTensor [B, W], padded with -1 on the right."""

    @property
    def log_probs(self) -> Tensor:
        """FloatTensor [B, W], padded with -inf."""


class Scorer(Protocol):
    """What gives log pi(i | x), normalised over the catalogue's legal continuations.

    What histories are is its own affair: this package hands them over as they came.
    """

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""

    @property
    def searches(self) -> bool:
        """Whether a beam search scores fewer items than there are; with one token an item it scores them all."""

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Histories [B, T], padded with -1 on the right, to exact log-probabilities [B, N]."""

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """Candidates [B, G] to log-probabilities [B, G] with gradients; candidate -1 scores -inf."""

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Scores [B, M + K] of items [M] for every history and of own candidates [B, K] (-1 scores -inf).

        At the cost of M + K items, not of the catalogue, and without gradients. log-probabilities, or, where `searches`
        is false, scores that are those up to a constant of each history.
        """

    def beam_search(self, histories: Tensor, width: int) -> RankedItems:
        """The (approximately) most probable items of each history."""


class ScoringPolicy(Scorer, Protocol):
    """A torch module that scores, and can be trained."""

    @property
    def training(self) -> bool:
        """Whether dropout is on."""

    @property
    def reads_everything(self) -> bool:
        """Whether a pass reads the same whichever contexts are asked for: dropout masks then do not depend on those."""

    def train(self, mode: bool = True) -> Any:
        """Turn dropout on or off."""

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]:
        """What the optimiser moves."""


class NegativeSource(Protocol):
    """Negatives by `negatives=MODULE.CLASS`, made anew for every step: it keeps nothing between two.

    With `knows_inclusion = True` in its class, tawin takes it, which divides by the probabilities of (8).
    """

    def choose(
        self,
        policy: Scorer,
        histories: Tensor,
        positives: Tensor,
        budget: int,
        settings: NegativesConfig,
        exclude: Tensor | None,
        generator: torch.Generator,
    ) -> Negatives:
        """Items int64 [B, budget] for positives [B], each once and never the positive, -1 where there is none left.

        `exclude` [B, .] are rows to leave out. All randomness comes from `generator`. Inclusion is float64 [B, budget]:
        the probability with which an item is chosen, 1 where it is not known.
        """
        ...


class Rule(Protocol):
    """A rule by `algo=MODULE.CLASS`: a loss on a group's scores, as an advantage for each candidate."""

    def advantages(
        self, scores: Tensor, reference: Tensor | None, valid: Tensor, context_weights: Tensor, settings: AlgoConfig
    ) -> Tensor:
        """Minus the gradient of a context's loss by its scores [B, G]; column 0 is the positive.

        `reference` are the frozen SFT policy's scores, where the class has `needs_reference = True` or algo.kl is on;
        `valid` bool [B, G] are candidates that there are; `context_weights` [B] multiply a context's loss.
        """
        ...
