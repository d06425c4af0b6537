"""The best items of a policy for each context: what a recommender hands out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recbench.data.interactions import Cases, Interactions
from recbench.policy.base import Policy
from recbench.policy.ranking import exact_is_affordable

NOTHING = -np.inf


@dataclass(frozen=True)
class Recommended:
    """The best items of some cases, best first; rows of the catalogue, -1 where fewer than k are left."""

    cases: Cases
    items: np.ndarray  # int64 [B, k]
    scores: np.ndarray  # float32 [B, k]; log-probabilities of a policy that has them; -inf where there is no item


def recommended(
    policy: Policy,
    interactions: Interactions,
    cases: Cases,
    k: int,
    *,
    seen: bool = False,
    only: np.ndarray | None = None,
    batch_size: int = 64,
) -> Iterator[Recommended]:
    """The k best items of every case from what its user did before it, batch by batch; dropout off, no gradient.

    Scores are over the whole catalogue, as evaluation has them: `only` leaves items out, and changes no score. Where a
    catalogue is too large to be scored whole, a beam finds them, wider by what is left out.

    Args:
        cases: `position` may be one past a user's last interaction: then nothing is held out.
        seen: whether items that the user has had may be recommended again.
        only: bool [N], the items that may be recommended; none: all.
    """
    policy.eval()
    past = policy.contexts(interactions, cases)
    exact = exact_is_affordable(policy)
    for start in range(0, len(past), batch_size):
        rows = slice(start, start + batch_size)
        some = Cases(cases.user[rows], cases.position[rows])
        batch = torch.from_numpy(past[rows]).to(policy.device)
        before = [interactions.items[interactions.offsets[user] : at] for user, at in zip(*some, strict=True)]
        left_out = [np.unique(items) if not seen else items[:0] for items in before]
        with torch.no_grad():
            if exact or only is not None:
                scores = _scores(policy, batch, only, exact)
                yield Recommended(some, *_best(scores, left_out, k))
            else:
                yield Recommended(some, *_by_beam(policy, batch, left_out, k))


def _scores(policy: Policy, batch: Tensor, only: np.ndarray | None, exact: bool) -> np.ndarray:
    """Scores float32 [B, N] of all items, or of those that may be recommended; -inf elsewhere."""
    score_some: Callable[..., Tensor] | None = getattr(policy, "score_some", None)
    if exact or only is None or score_some is None:
        scores = policy.score_catalogue(batch).float().cpu().numpy()
        return scores if only is None else np.where(only, scores, NOTHING)
    rows = torch.from_numpy(np.flatnonzero(only)).to(policy.device)
    none = torch.empty(len(batch), 0, dtype=torch.int64, device=policy.device)
    scores = np.full((len(batch), policy.catalogue_size), NOTHING, dtype=np.float32)
    scores[:, only] = score_some(batch, rows, none).float().cpu().numpy()
    return scores


def _best(scores: np.ndarray, left_out: Sequence[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    for row, items in enumerate(left_out):
        scores[row, items] = NOTHING
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return _padded(order, np.take_along_axis(scores, order, axis=1), k)


def _by_beam(policy: Policy, batch: Tensor, left_out: Sequence[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    width = min(k + max(map(len, left_out), default=0), policy.catalogue_size)
    beams = policy.beam_search(batch, width)
    found, scores = beams.items.cpu().numpy(), beams.log_probs.float().cpu().numpy()
    for row, items in enumerate(left_out):
        scores[row, np.isin(found[row], items) | (found[row] < 0)] = NOTHING
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return _padded(np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1), k)


def _padded(items: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    items = np.where(scores == NOTHING, -1, items)
    more = ((0, 0), (0, k - items.shape[1]))
    return np.pad(items, more, constant_values=-1), np.pad(scores, more, constant_values=NOTHING)
