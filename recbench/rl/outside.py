"""Sources of negatives and rules from outside the package: what they are asked, and whether what they give can be used.

`negatives=MODULE.CLASS` and `algo=MODULE.CLASS`; `interface.py` says what the classes have to have.
"""

import torch
from torch import Tensor

from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.rl.interface import NegativeSource, RankedItems, Rule, Scorer
from recbench.rl.negatives import Negatives
from recbench.schema import AlgoConfig, NegativesConfig


class CountedScorer:
    """A policy that counts the items that it is made to score a context."""

    def __init__(self, policy: Scorer) -> None:
        self.policy, self.scored = policy, 0

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return self.policy.catalogue_size

    @property
    def searches(self) -> bool:
        """Whether a beam search scores fewer items than there are."""
        return self.policy.searches

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Exact log-probabilities [B, N]."""
        self.scored += self.catalogue_size
        return self.policy.score_catalogue(histories)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """Log-probabilities [B, G] of candidates [B, G]."""
        self.scored += candidates.shape[1]
        return self.policy.score_groups(histories, candidates)

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Scores [B, M + K] of shared items [M] and own candidates [B, K]."""
        self.scored += len(shared) + own.shape[1]
        return self.policy.score_some(histories, shared, own)

    def beam_search(self, histories: Tensor, width: int) -> RankedItems:
        """The (approximately) most probable items; with one token an item it scores them all."""
        self.scored += width if self.searches else self.catalogue_size
        return self.policy.beam_search(histories, width)


def negatives_from_outside(
    policy: Scorer,
    histories: Tensor,
    positives: Tensor,
    budget: int,
    settings: NegativesConfig,
    exclude: Tensor | None,
    generator: torch.Generator,
) -> Negatives:
    """What a class from outside chooses; raises UserError where that cannot be used."""
    source: NegativeSource = implementation("negatives", settings)()
    asked = f"negatives={settings.kind}"
    chosen = source.choose(policy, histories, positives, budget, settings, exclude, generator)
    if not isinstance(chosen, Negatives):
        raise UserError(f"{asked}: choose gave a {type(chosen).__name__}, expected Negatives(items, inclusion)")
    for name, part, dtype in zip(Negatives._fields, chosen, (torch.int64, torch.float64)):
        if part.shape != (len(positives), budget) or part.dtype != dtype:
            raise UserError(
                f"{asked}: {name} are {part.dtype} {list(part.shape)}, expected {dtype} {[len(positives), budget]}"
            )
    items, inclusion = chosen
    if bool((items < -1).any() | (items >= policy.catalogue_size).any()):
        raise UserError(f"{asked}: items are rows of the catalogue, 0 to {policy.catalogue_size - 1}, or -1 for none")
    if bool((items == positives[:, None]).any()):
        raise UserError(f"{asked}: a context's positive is among its negatives")
    ordered = items.sort(dim=1).values
    if bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()):
        raise UserError(f"{asked}: an item is among a context's negatives twice")
    if not bool(((inclusion > 0) & (inclusion <= 1)).all()):
        raise UserError(f"{asked}: inclusion is no probability in (0, 1]; 1 where it is not known")
    return chosen


def knows_inclusion(settings: NegativesConfig) -> bool:
    """Whether a source from outside says that its inclusion probabilities are true, as windows need them."""
    return bool(getattr(implementation("negatives", settings), "knows_inclusion", False))


def compares_with_reference(settings: AlgoConfig) -> bool:
    """Whether a rule from outside says that it reads the frozen SFT policy's scores."""
    return bool(getattr(implementation("algo", settings), "needs_reference", False))


def advantages_from_outside(
    scores: Tensor,
    reference: Tensor | None,
    valid: Tensor,
    context_weights: Tensor,
    settings: AlgoConfig,
) -> Tensor:
    """Advantages float64 [B, G] by a class from outside; 0 where there is no candidate; raises UserError."""
    rule: Rule = implementation("algo", settings)()
    found = rule.advantages(scores.detach(), reference, valid, context_weights, settings)
    if not isinstance(found, Tensor) or found.shape != scores.shape:
        what = f"shape {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise UserError(f"algo={settings.name}: advantages gave {what}, expected a tensor of {list(scores.shape)}")
    found = found.detach().double().masked_fill(~valid, 0.0)
    if not bool(torch.isfinite(found).all()):
        raise UserError(f"algo={settings.name}: advantages are not all finite")
    return found
