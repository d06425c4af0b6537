"""A policy that is nothing but a softmax, so that every gradient can be written down."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from recbench.schema import AlgoConfig, NegativesConfig


class Beams(NamedTuple):
    items: Tensor
    log_probs: Tensor


class SoftmaxPolicy(nn.Module):
    """log pi(i | x) = log softmax of features[x] @ users @ items, x the first item of the history; float64."""

    reads_everything = False

    def __init__(self, features: Tensor, users: Tensor, items: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("features", features.double())
        self.users = nn.Parameter(users.double())
        self.items = nn.Parameter(items.double())
        self.dropout = nn.Dropout(dropout)
        self.missed: list[int] = []  # items that beam search never finds
        self.asked: list[str] = []
        self.beams_are_cheap = False  # what it says of itself; the scores are those of a table anyway

    @property
    def catalogue_size(self) -> int:
        return self.items.shape[1]

    def log_probs(self, histories: Tensor) -> Tensor:
        return (self.dropout(self.features[histories[:, 0]] @ self.users) @ self.items).log_softmax(dim=1)

    def score_catalogue(self, histories: Tensor) -> Tensor:
        self.asked.append("catalogue")
        return self.log_probs(histories)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        scores = self.log_probs(histories).gather(1, candidates.clamp(min=0))
        return scores.masked_fill(candidates < 0, -torch.inf)

    @property
    def searches(self) -> bool:
        return self.beams_are_cheap

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        candidates = torch.cat([shared.expand(len(histories), -1), own], dim=1)
        self.asked.append(f"some {candidates.shape[1]}")
        scores = self.score_groups(histories, candidates)
        return scores if self.searches else scores + torch.arange(len(scores))[:, None]  # any constant of a context

    def beam_search(self, histories: Tensor, width: int) -> Beams:
        self.asked.append(f"beam {width}")
        scores = self.log_probs(histories)
        scores[:, self.missed] = -torch.inf
        found = scores.topk(min(width, scores.shape[1] - len(self.missed)), dim=1)
        pad = width - found.indices.shape[1]
        items = nn.functional.pad(found.indices, (0, pad), value=-1)
        return Beams(items, nn.functional.pad(found.values, (0, pad), value=-torch.inf))


@pytest.fixture
def tabular() -> Callable[..., SoftmaxPolicy]:
    """A policy with one free logit for each of `contexts` x `items`: gradients of different contexts do not mix."""

    def make(contexts: int = 6, items: int = 40, seed: int = 0, dropout: float = 0.0) -> SoftmaxPolicy:
        logits = torch.randn(contexts, items, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return SoftmaxPolicy(torch.eye(contexts), torch.eye(contexts), 2.0 * logits, dropout)

    return make


@pytest.fixture
def low_rank() -> Callable[[Tensor, Tensor, Tensor], SoftmaxPolicy]:
    return SoftmaxPolicy


@pytest.fixture
def settings() -> Callable[..., tuple[AlgoConfig, NegativesConfig]]:
    """Configurations by keyword: negatives take kind, beam_width and exclude_seen."""

    def make(**changes: object) -> tuple[AlgoConfig, NegativesConfig]:
        negatives = NegativesConfig()
        algo = AlgoConfig(advantage_epsilon=0.0, max_gradient_norm=0.0)
        for key, value in changes.items():
            setattr(negatives if hasattr(negatives, key) else algo, key, value)
        return algo, negatives

    return make
