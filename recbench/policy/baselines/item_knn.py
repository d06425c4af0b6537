"""The item-kNN baseline: items that the same users interacted with as with those of the history.

Item-based top-N recommendation (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 2004): each history item votes
for its k nearest neighbours by their similarity. The similarity is the cosine of the items' sets of users with a
shrinkage term, as in the tuned baseline of arXiv 1907.06902; votes of older items count less, as in the session
neighbours of arXiv 1803.09587.
"""

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from recbench.item_tokens.trie import ItemTrie
from recbench.kinds import own
from recbench.policy.baselines.atomic import AtomicPolicy
from recbench.policy.kinds.item_knn import NeighbourSettings
from recbench.schema import PolicyConfig


def nearest_neighbours(
    users: np.ndarray, items: np.ndarray, count: int, neighbours: int, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each item's most similar other items: rows int64 [N, k] padded with -1, similarities float64 [N, k], else 0.

    sim(i, j) = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrinkage), U_i the users who interacted with item i. Most similar
    first; of equally similar ones, those earlier in the catalogue. Items without a user in common are no neighbours.

    Args:
        users: int [C], the user of each interaction.
        items: int [C], its item; a repeat counts once.
        count: number of items N.
        neighbours: k, at least 1.
        shrinkage: at least 0; the larger, the less a cosine from few users counts.
    """
    shape = (int(users.max(initial=-1)) + 1, count)
    chosen = scipy.sparse.csr_matrix((np.ones(len(users)), (users, items)), shape=shape)
    chosen.data[:] = 1.0
    together = (chosen.T @ chosen).tocoo()
    row, column, both = together.row, together.col, together.data
    norm = np.sqrt(np.asarray(chosen.sum(axis=0)).ravel())
    similarity = both / (norm[row] * norm[column] + shrinkage)
    different = row != column
    row, column, similarity = row[different], column[different], similarity[different]
    order = np.lexsort((column, -similarity, row))
    row, column, similarity = row[order], column[order], similarity[order]
    starts = np.searchsorted(row, np.arange(count))
    place = np.arange(len(row)) - starts[row]
    kept = place < neighbours
    found = np.full((count, neighbours), -1, dtype=np.int64)
    found[row[kept], place[kept]] = column[kept]
    values = np.zeros((count, neighbours))
    values[row[kept], place[kept]] = similarity[kept]
    return found, values


class ItemKnn(AtomicPolicy):
    """Scores, no probabilities: the sum of the history items' similarities to each item, weighted by recency."""

    neighbours: Tensor
    similarities: Tensor

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        self.votes = own(NeighbourSettings, settings)
        shape = (trie.catalogue_size, min(self.votes.neighbours, max(1, trie.catalogue_size - 1)))
        self.register_buffer("neighbours", torch.full(shape, -1, dtype=torch.int32))
        self.register_buffer("similarities", torch.zeros(shape))

    def count(self, users: np.ndarray, items: np.ndarray) -> None:
        """Learn from interactions: users and items int [C], rows of both."""
        width = self.neighbours.shape[1]
        found, values = nearest_neighbours(users, items, self.catalogue_size, width, self.votes.shrinkage)
        self.neighbours.copy_(torch.from_numpy(found))
        self.similarities.copy_(torch.from_numpy(values))

    @torch.no_grad()
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """sum_h recency^age(h) sim(h, i) over the history items h of which i is a neighbour: float32 [B, N].

        The latest item has age 0, the one before it 1, and so on. Histories are int64 [B, T], padded with -1 anywhere.
        """
        present = histories >= 0
        # Items behind each item: padding has no age.
        age = present.flip(1).cumsum(1).flip(1) - 1
        weight = torch.where(present, self.votes.recency ** age.clamp(min=0).float(), 0.0)
        rows = histories.clamp(min=0)
        neighbours = self.neighbours[rows].long()
        votes = self.similarities[rows] * weight[..., None]
        nobody = self.catalogue_size  # votes of missing neighbours go to a column that is cut off
        scores = torch.zeros(len(histories), nobody + 1, device=histories.device)
        scores.scatter_add_(1, torch.where(neighbours >= 0, neighbours, nobody).flatten(1), votes.flatten(1))
        return scores[:, :nobody]
