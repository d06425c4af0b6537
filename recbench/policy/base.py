"""What all policies have in common: a catalogue, what they read of a case, a checkpoint, a reference."""

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from torch import Tensor

from recbench.data.interactions import Cases, Interactions, histories
from recbench.errors import UserError
from recbench.item_tokens.trie import ItemTrie
from recbench.policy.interface import Beams
from recbench.schema import PolicyConfig
from recbench.training.module import TrainedModule

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData
    from recbench.policy.exporting import Exported


class Policy(TrainedModule, ABC):
    """A policy over the catalogue of a trie; evaluation asks no more of it than what is here.

    Scores are of every item that the trie has, and a larger one ranks before a smaller one. `interface.py` has what
    each way of learning needs beside this.
    """

    learns_from: ClassVar[str]  # counts, triples or sequences, of `interface.py`
    reads_titles: ClassVar[bool] = False  # whether `new` makes policy.initial_embeddings=text itself

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__()
        self.trie = trie
        self.settings = settings  # as built: a checkpoint is written with these
        self.history = settings.history  # the most items that it reads

    @classmethod
    def new(cls, trie: ItemTrie, settings: PolicyConfig, data: "RecommendationData") -> Self:
        """An untrained policy for a data set; weights by torch's own random state."""
        return cls(trie, settings)

    @classmethod
    def empty(cls, trie: ItemTrie, settings: PolicyConfig, description: dict[str, Any]) -> Self:
        """A policy that `load` can read a checkpoint of this `description` into, without the data."""
        return cls(trie, settings)

    @property
    def description(self) -> dict[str, Any]:
        """What `empty` needs beside trie and settings, as JSON; it is written to policy.json."""
        return {}

    @property
    def catalogue_size(self) -> int:
        """Number of items N."""
        return self.trie.catalogue_size

    def contexts(self, interactions: Interactions, cases: Cases) -> np.ndarray:
        """What it reads of each case, int64 [C, T]: the latest items of its history, padded with -1.

        Raises:
            UserError: it was made for other data.
        """
        return histories(interactions, cases, self.history).astype(np.int64)

    @abstractmethod
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Scores of every item, float32 [B, N], for `contexts` [B, T]; no gradient.

        Of a policy of probabilities, exact log pi(i | x).
        """

    @abstractmethod
    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` best items that a beam of that width finds; distinct, legal, best first. No gradient."""

    def exported(self) -> "Exported":
        """This policy as an ordinary causal language model of transformers.

        Raises:
            UserError: it is none.
        """
        raise UserError(
            f"policy={self.settings.kind} is no language model, which is what is exported: give a run of "
            "policy=llama_small or pretrained"
        )

    def reference(self) -> Self:
        """This policy as it is now, for losses that compare with it: it stays so while this one is trained.

        A frozen copy in evaluation mode, which shares with this policy what is never trained. Scoring by it, and
        turning its dropout off, leave this policy's mode as it was.
        """
        frozen = {id(parameter): parameter for parameter in self.parameters() if not parameter.requires_grad}
        return copy.deepcopy(self, frozen).eval().requires_grad_(False)


def best_items(scores: Tensor, width: int) -> Beams:
    """The `width` best of scores [B, N], or all N if these are fewer, best first."""
    best = scores.topk(min(width, scores.shape[1]), dim=1)
    return Beams(best.indices, best.values)
