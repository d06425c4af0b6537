"""The state of the generator that dropout draws from, so that a forward can be repeated with the same masks."""

import torch
from torch import Tensor

from recbench.rl.interface import RankedItems, Scorer


def random_state(device: torch.device) -> Tensor:
    """State of torch's generator of a device, which keeps one for each."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def set_random_state(device: torch.device, state: Tensor) -> None:
    """Put that generator back to a state of `random_state`."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)


class SameMasks:
    """A `Scorer` with dropout on, every pass of which starts from one state of the generator.

    Passes of the same forward over the same batch then have the same masks: beams are of the scores that ranks are of.
    """

    def __init__(self, policy: Scorer, state: Tensor) -> None:
        self.policy, self.state = policy, state
        self.catalogue_size, self.searches = policy.catalogue_size, policy.searches

    def score_catalogue(self, histories: Tensor) -> Tensor:
        """As `Scorer.score_catalogue`."""
        set_random_state(histories.device, self.state)
        return self.policy.score_catalogue(histories)

    def score_groups(self, histories: Tensor, candidates: Tensor) -> Tensor:
        """As `Scorer.score_groups`."""
        set_random_state(histories.device, self.state)
        return self.policy.score_groups(histories, candidates)

    def score_some(self, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """As `Scorer.score_some`."""
        set_random_state(histories.device, self.state)
        return self.policy.score_some(histories, shared, own)

    def beam_search(self, histories: Tensor, width: int) -> RankedItems:
        """As `Scorer.beam_search`."""
        set_random_state(histories.device, self.state)
        return self.policy.beam_search(histories, width)
