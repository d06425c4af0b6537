"""How positives enter groups, by the name that `algo.positives` gives it: present or not, and with which weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from recbench.rl.aims import context_windows
from recbench.rl.negatives import found_in_beam
from recbench.rl.weighting import positive_weights

if TYPE_CHECKING:
    from recbench.rl.asking import Batch, Found


class Entered(NamedTuple):
    """The positives of B contexts."""

    present: Tensor  # bool [B]: in the group
    weights: Tensor  # float64 [B]: v of (7), where present


class Injected:
    """Always in the group, with weight 1."""

    needs_beam = False

    def enter(self, batch: Batch, found: Found) -> Entered:
        """The positives of a batch, by what was found for it."""
        ones = torch.ones_like(batch.positives, dtype=torch.float64)
        return Entered(torch.ones_like(batch.positives, dtype=torch.bool), ones)


class OnPolicy(Injected):
    """In the group only if a beam found it; exact ranks tell what a beam would have found."""

    needs_beam = True

    def enter(self, batch: Batch, found: Found) -> Entered:
        """Whether fewer negatives than the beam's width are above it."""
        tells = found.beam if found.beam is not None else found.exact
        assert tells is not None
        return super().enter(batch, found)._replace(present=found_in_beam(tells, batch.width))


class Weighted(Injected):
    """Always in the group, weighted by its rank: (9)."""

    def enter(self, batch: Batch, found: Found) -> Entered:
        """By where it stands in or around the window."""
        ends = context_windows(batch.algo, found.ranked.negatives)
        return super().enter(batch, found)._replace(weights=positive_weights(found.ranked, *ends, batch.algo))


POSITIVES = {"injected": Injected(), "on_policy": OnPolicy(), "window": Weighted()}
