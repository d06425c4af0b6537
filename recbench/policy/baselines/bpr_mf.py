"""The BPR-MF baseline (Rendle et al., UAI 2009; arXiv 1205.2618): user and item factors, and an item bias.

It knows users, not histories: what it reads of a case is the row of its user. The score of item i for user u is
x_ui = p_u . q_i + b_i, and training makes x_ui larger than x_uj for an item i that the user interacted with and a
uniform j that they did not.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbench.data.interactions import Cases, Interactions
from recbench.errors import UserError
from recbench.item_tokens.trie import ItemTrie
from recbench.policy.baselines.atomic import AtomicPolicy
from recbench.policy.interface import TRIPLES
from recbench.precision import exact_product
from recbench.schema import PolicyConfig

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData

INITIAL_DEVIATION = 0.1  # of item factors, as in the usual implementations


@dataclass(frozen=True)
class LearnedItems:
    """Each user's distinct items among the interactions that are learned from, in a form to draw other items by."""

    keys: np.ndarray  # int64 [P], ascending: user * N + item - (learned items of this user before it)
    offsets: np.ndarray  # int64 [U + 1]; user u's keys are keys[offsets[u]:offsets[u + 1]]
    catalogue_size: int  # N

    @property
    def others(self) -> np.ndarray:
        """int64 [U]: how many items of the catalogue each user has not."""
        return self.catalogue_size - np.diff(self.offsets)


def learned_items(users: np.ndarray, items: np.ndarray, user_count: int, catalogue_size: int) -> LearnedItems:
    """The distinct pairs of users and items, int [C] both, rows of `user_count` users and `catalogue_size` items."""
    pairs = np.unique(users.astype(np.int64) * catalogue_size + items)
    offsets = np.searchsorted(pairs, np.arange(user_count + 1) * catalogue_size)
    return LearnedItems(pairs - (np.arange(len(pairs)) - offsets[pairs // catalogue_size]), offsets, catalogue_size)


def draw_negatives(learned: LearnedItems, users: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One item for each of users [B], uniform among those the user has not learned: int64 [B].

    Every user must have such an item. Nothing is rejected and drawn again: the r-th other item is r plus the number of
    learned items before it.
    """
    drawn = random.integers(0, learned.others[users])
    before = np.searchsorted(learned.keys, users * learned.catalogue_size + drawn, side="right")
    return drawn + before - learned.offsets[users]


class BprMf(AtomicPolicy):
    """Scores, no probabilities: p_u . q_i + b_i. Where other policies take histories, it takes user rows [B, 1].

    Users start at p_u = 0, so that one without any training interaction stays there and is ranked by item biases alone.
    """

    learns_from = TRIPLES

    def __init__(self, trie: ItemTrie, settings: PolicyConfig, users: int) -> None:
        super().__init__(trie, settings)
        self.user_factors = nn.Embedding(users, settings.width)
        self.item_factors = nn.Embedding(trie.catalogue_size, settings.width)
        self.item_bias = nn.Parameter(torch.zeros(trie.catalogue_size))
        nn.init.zeros_(self.user_factors.weight)
        nn.init.normal_(self.item_factors.weight, std=INITIAL_DEVIATION)

    @classmethod
    def new(cls, trie: ItemTrie, settings: PolicyConfig, data: "RecommendationData") -> Self:
        """A policy with a row for each user of the data, without training."""
        return cls(trie, settings, len(data.interactions.users))

    @classmethod
    def empty(cls, trie: ItemTrie, settings: PolicyConfig, description: dict[str, Any]) -> Self:
        """A policy for as many users as a checkpoint has."""
        return cls(trie, settings, description["users"])

    @property
    def description(self) -> dict[str, Any]:
        """The number of users."""
        return {"users": self.users}

    @property
    def users(self) -> int:
        """Number of users U that it was made for."""
        return self.user_factors.num_embeddings

    def contexts(self, interactions: Interactions, cases: Cases) -> np.ndarray:
        """The user's row of each case, int64 [C, 1].

        Raises:
            UserError: it was made for another number of users.
        """
        if self.users != len(interactions.users):
            raise UserError(
                f"the policy has factors of {self.users} users, the data {len(interactions.users)}: "
                "train bpr_mf on this data"
            )
        return cases.user[:, None]

    def bpr_loss(self, users: Tensor, positives: Tensor, negatives: Tensor, l2: float) -> Tensor:
        """Mean of -log sigmoid(x_ui - x_uj) + l2 (|p_u|^2 + |q_i|^2 + |q_j|^2); a scalar.

        Args:
            users: int64 [B], user rows u.
            positives: int64 [B], items i.
            negatives: int64 [B], items j.
            l2: weight of the squared norms, at least 0; biases are free.
        """
        own, positive, negative = self.user_factors(users), self.item_factors(positives), self.item_factors(negatives)
        margins = (own * (positive - negative)).sum(1) + self.item_bias[positives] - self.item_bias[negatives]
        norms = own.square().sum(1) + positive.square().sum(1) + negative.square().sum(1)
        return (functional.softplus(-margins) + l2 * norms).mean()

    @torch.no_grad()
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """x_ui of every item: float32 [B, N] for user rows int64 [B, 1]."""
        return exact_product(self.user_factors(histories[:, 0]), self.item_factors.weight.T) + self.item_bias
