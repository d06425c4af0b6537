"""Where the positive of each held-out case stands: the per-case results that every metric follows from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recbench.data.interactions import Cases, Interactions
from recbench.errors import UserError
from recbench.policy.base import Policy

COLUMNS = 9  # of a result row, before its best items
EXACT_NODES = 2000  # full scoring is the default while the trie has at most this many nodes to run


@dataclass(frozen=True)
class CaseRanks:
    """Negatives above and tied with the positive of each case, with items already seen kept and excluded.

    A censored case (beam ranks only) is one whose positive the beam did not find: its `above` is the least it can be,
    the number of items that the beam did find.
    """

    above: np.ndarray  # int64 [C]
    ties: np.ndarray  # int64 [C]
    negatives: np.ndarray  # int64 [C]: the catalogue less the positive
    above_excluded: np.ndarray  # int64 [C]; negatives the user has seen do not count
    ties_excluded: np.ndarray  # int64 [C]
    negatives_excluded: np.ndarray  # int64 [C]
    above_by_id: np.ndarray  # int64 [C]; token sequences above the positive's, whatever the number of their items: (31)
    ties_by_id: np.ndarray  # int64 [C]; other sequences tied with it
    censored: np.ndarray  # bool [C]
    top_items: np.ndarray  # int64 [C, top]; catalogue rows, best first, -1 is padding


def exact_is_affordable(policy: Policy) -> bool:
    """Whether full-catalogue scoring is the default: the trie's nodes with a choice number at most EXACT_NODES."""
    return int(policy.trie.needs_forward.sum()) <= EXACT_NODES


def rank_cases(
    policy: Policy,
    interactions: Interactions,
    cases: Cases,
    *,
    batch_size: int = 64,
    beam_width: int | None = None,
    top_items: int = 0,
    advance: Callable[[int], None] = lambda done: None,
) -> CaseRanks:
    """Rank the positive of every case among the catalogue; dropout is off while it runs.

    Args:
        beam_width: none: exact ranks by full-catalogue scoring; else ranks within a beam of this width.
        advance: called with the number of cases done after each batch.
    """
    was_training = policy.training
    policy.eval()
    past = policy.contexts(interactions, cases)
    seen = _seen_items(interactions, cases)
    shared = policy.trie.shared_items > 0
    sequences = torch.from_numpy(_item_of_each_sequence(policy)).to(policy.device) if shared else None
    # Similar lengths share a batch; the results go back to the order of the cases.
    order = np.argsort((past >= 0).sum(1), kind="stable")
    results: list[np.ndarray] = []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = torch.from_numpy(past[rows]).to(policy.device)
        positives = torch.from_numpy(interactions.items[cases.position[rows]].astype(np.int64)).to(policy.device)
        with torch.no_grad():
            if beam_width is None:
                scores = policy.score_catalogue(batch)
                _check_numbers(not bool(scores.isnan().any()))
                found = _exact(scores, positives, [seen[row] for row in rows], sequences, top_items)
            else:
                found = _by_beam(policy, batch, positives, [seen[row] for row in rows], beam_width, top_items)
        results.append(found)
        advance(len(rows))
    policy.train(was_training)
    table = np.concatenate(results) if results else np.zeros((0, COLUMNS + top_items), np.int64)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    table = table[back]
    above, ties, negatives, above_excluded, ties_excluded, negatives_excluded, above_by_id, ties_by_id = table[:, :8].T
    return CaseRanks(
        above=above,
        ties=ties,
        negatives=negatives,
        above_excluded=above_excluded,
        ties_excluded=ties_excluded,
        negatives_excluded=negatives_excluded,
        above_by_id=above_by_id,
        ties_by_id=ties_by_id,
        censored=table[:, 8].astype(bool),
        top_items=table[:, COLUMNS:],
    )


def _check_numbers(sound: bool) -> None:
    if not sound:  # NaN is neither above nor below anything: the positive would be first
        raise UserError(
            "the policy scores items as NaN: its weights are no numbers; train it with a lower learning rate"
        )


def _seen_items(interactions: Interactions, cases: Cases) -> list[np.ndarray]:
    """The distinct items before each case, its own positive left out (a repeat is not excluded from being right)."""
    return [
        np.setdiff1d(interactions.items[interactions.offsets[user] : position], interactions.items[position])
        for user, position in zip(cases.user, cases.position, strict=True)
    ]


def _item_of_each_sequence(policy: Policy) -> np.ndarray:
    """The first item of every token sequence, int64."""
    starts = policy.trie.item_offsets
    return policy.trie.items[starts[:-1][np.diff(starts) > 0]]


def _exact(
    scores: Tensor, positives: Tensor, seen: list[np.ndarray], sequences: Tensor | None, top_items: int
) -> np.ndarray:
    """Result rows int64 [B, COLUMNS + top] from scores [B, N].

    `sequences` [S] holds an item of each token sequence; None: each item has one of its own.
    """
    own = scores.gather(1, positives[:, None])
    above, tied = scores > own, scores == own
    excluded = torch.zeros_like(above)
    rows = np.repeat(np.arange(len(seen)), [len(items) for items in seen])
    excluded[torch.from_numpy(rows), torch.from_numpy(np.concatenate(seen).astype(np.int64))] = True
    negatives = scores.shape[1] - 1
    columns = [
        above.sum(1),
        tied.sum(1) - 1,
        torch.full_like(positives, negatives),
        (above & ~excluded).sum(1),
        (tied & ~excluded).sum(1) - 1,
        negatives - excluded.sum(1),
        (above if sequences is None else above[:, sequences]).sum(1),
        (tied if sequences is None else tied[:, sequences]).sum(1) - 1,
        torch.zeros_like(positives),
    ]
    best = scores.topk(min(top_items, scores.shape[1]), dim=1).indices
    best = torch.nn.functional.pad(best, (0, top_items - best.shape[1]), value=-1)
    return torch.cat([torch.stack(columns, 1), best], 1).cpu().numpy()


def _by_beam(
    policy: Policy, batch: Tensor, positives: Tensor, seen: list[np.ndarray], width: int, top_items: int
) -> np.ndarray:
    """Result rows int64 [B, COLUMNS + top] from a beam search."""
    # Items already seen take places of the beam; it is wider by as many, so that excluding them leaves `width` others.
    beams = policy.beam_search(batch, width + max(len(items) for items in seen))
    items, scores = beams.items.cpu().numpy(), beams.log_probs.cpu().numpy()
    _check_numbers(bool((items >= 0).any(axis=1).all()))  # a beam of NaN finds nothing
    trie = policy.trie
    table = np.full((len(items), COLUMNS + top_items), -1, dtype=np.int64)
    for row, positive in enumerate(positives.tolist()):
        real = items[row] >= 0
        # Items of one sequence are found together, though the beam's last place may cut some of them off.
        leaf = trie.leaf_of_item[positive]
        same_sequence = trie.items[trie.item_offsets[leaf] : trie.item_offsets[leaf + 1]]
        at = np.flatnonzero(real & np.isin(items[row], same_sequence))
        found = len(at) > 0
        own = scores[row, at[0]] if found else -np.inf
        above = items[row][real & (scores[row] > own)]
        equal = items[row][real & (scores[row] == own)]
        tied = np.setdiff1d(np.union1d(equal, same_sequence), positive) if found else equal
        negatives = policy.catalogue_size - 1
        table[row, :COLUMNS] = (
            len(above),
            len(tied),
            negatives,
            len(np.setdiff1d(above, seen[row])),
            len(np.setdiff1d(tied, seen[row])),
            negatives - len(seen[row]),
            len(np.unique(trie.leaf_of_item[above])),
            len(np.setdiff1d(trie.leaf_of_item[equal], leaf)),
            not found,
        )
        kept = items[row][real][:top_items]
        table[row, COLUMNS : COLUMNS + len(kept)] = kept
    return table


def beam_recall(policy: Policy, interactions: Interactions, cases: Cases, width: int, batch_size: int = 64) -> float:
    """Share of the exact top `width` items that a beam of that width finds, averaged over cases; dropout off."""
    was_training = policy.training
    policy.eval()
    past = torch.from_numpy(policy.contexts(interactions, cases)).to(policy.device)
    width = min(width, policy.catalogue_size)
    shares: list[Tensor] = []
    for batch in past.split(batch_size):
        scores = policy.score_catalogue(batch)
        beams = policy.beam_search(batch, width)
        # Counted by score, so that which of several tied items comes last does not matter.
        least = scores.topk(width, dim=1).values[:, -1:]
        shares.append(((beams.log_probs >= least - 1e-5) & (beams.items >= 0)).float().mean(1))
    policy.train(was_training)
    return float(torch.cat(shares).mean()) if shares else float("nan")
