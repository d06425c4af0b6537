"""A policy that is a causal language model over item tokens: trained by sft and rl, scored and searched on the trie."""

import torch
from torch import Tensor

from recbench.policy import beam, scoring, sft
from recbench.policy.interface import SEQUENCES, Beams
from recbench.policy.token_model import TokenModel


class TriePolicy(TokenModel):
    """log pi(i | x) by the token probabilities of a `TokenModel`; each history is encoded once for all its items."""

    learns_from = SEQUENCES
    reads_everything = False  # a pass reads the histories of the contexts that are asked for

    def sft_loss(self, items: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Mean of -log pi(item | items before it) over the target positions, with gradients; a scalar."""
        return sft.sft_loss(self, items, targets, label_smoothing)

    @torch.no_grad()
    def score_catalogue(self, histories: Tensor) -> Tensor:
        """Exact log pi(i | x) of every item: float32 [B, N] for histories int64 [B, T]. No gradient."""
        return scoring.score_catalogue(self, histories)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """log pi of candidates int64 [B, G], with gradients: float32 [B, G]; -inf where a candidate is -1."""
        return scoring.score_groups(self, histories, candidates)

    @torch.no_grad()
    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """Scores [B, M + K] of items [M] for every history and of own candidates [B, K]; -inf where one is -1.

        Log-probabilities, or with one token an item the logits, which the catalogue's sum of exponentials, not
        computed, makes log-probabilities. No gradient.
        """
        return scoring.score_some(self, histories, shared, own)

    def positive_log_probs(self, histories: Tensor, items: Tensor) -> Tensor:
        """log pi of one item a history, with gradients: float32 [B]."""
        return self.score_groups(histories, items[:, None])[:, 0]

    @torch.no_grad()
    def beam_search(self, histories: Tensor, width: int) -> Beams:
        """The `width` best items that a beam of that width finds; distinct, legal, best first. No gradient."""
        return beam.beam_search(self, histories, width)
