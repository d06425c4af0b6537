"""Training examples of the policy: whole user sequences with the positions that may be learned, and their batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recbench.data.interactions import Interactions, user_of_interaction


@dataclass(frozen=True)
class Segments:
    """Stretches of user sequences: items[start:end] of the interactions, of which those from `learn` on are targets."""

    start: np.ndarray  # int64 [S]
    learn: np.ndarray  # int64 [S], start <= learn < end
    end: np.ndarray  # int64 [S]


def segments(interactions: Interactions, targets: np.ndarray, length: int) -> Segments:
    """Cut each user's sequence into stretches in which every target is predicted once, from at most `length` items.

    Targets of a user are learned together, in one pass over their sequence, as long as they fit in `length` + 1 items.
    A stretch begins `length` items before its last target, so that late targets see full histories; only what a user
    began with is predicted from nothing.
    """
    user = user_of_interaction(interactions)[targets]
    start, learn, end = [], [], []
    for block in np.split(targets, np.flatnonzero(np.diff(user)) + 1) if len(targets) else []:
        first = int(interactions.offsets[np.searchsorted(interactions.offsets, block[0], side="right") - 1])
        while len(block):
            stop = int(block[-1]) + 1
            low = max(first, stop - length - 1)
            # A stretch's first item has no history in it: an earlier one learns it, unless the user begins there.
            inside = block > low if low > first else block >= low
            start.append(low)
            learn.append(int(block[inside][0]))
            end.append(stop)
            block = block[~inside]
    return Segments(np.array(start, np.int64), np.array(learn, np.int64), np.array(end, np.int64))


def single_target_segments(interactions: Interactions, targets: np.ndarray, length: int) -> Segments:
    """A stretch for each target alone, behind at most `length` items: what an RL context is, as a sequence."""
    first = interactions.offsets[user_of_interaction(interactions)[targets]]
    targets = targets.astype(np.int64)
    return Segments(np.maximum(first, targets - length), targets, targets + 1)


def bucketed_batches(segments_: Segments, batch_size: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """One epoch of batches of segment rows: of similar length, so that little is padding, and in random order."""
    lengths = segments_.end - segments_.start
    # Up to half an item of noise shuffles who shares a batch without mixing lengths.
    order = np.argsort(lengths + 0.5 * random.random(len(lengths)), kind="stable")
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    for index in random.permutation(len(batches)):
        yield batches[index]


def padded(
    interactions: Interactions, segments_: Segments, rows: np.ndarray, item_dropout: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Items int64 [B, T] of segments (padded with -1) and which of them are targets, bool [B, T].

    With `item_dropout`, each item is left out of its sequence with that probability, as history and as target alike; a
    sequence keeps at least its last two items.
    """
    start, end = segments_.start[rows], segments_.end[rows]
    index = start[:, None] + np.arange(int((end - start).max()))
    inside = index < end[:, None]
    if item_dropout:
        inside &= (random.random(index.shape) >= item_dropout) | (index >= end[:, None] - 2)
    order = np.argsort(~inside, axis=1, kind="stable")[:, : int(inside.sum(1).max())]
    index, inside = np.take_along_axis(index, order, 1), np.take_along_axis(inside, order, 1)
    items = np.where(inside, interactions.items[np.where(inside, index, 0)], -1)
    return items.astype(np.int64), inside & (index >= segments_.learn[rows, None])


class SequenceBatches:
    """Batches of segment rows by step, pass after pass; `order` gives the generator of each pass."""

    def __init__(self, segments_: Segments, batch_size: int, order: Callable[[int], np.random.Generator]) -> None:
        self.segments, self.batch_size, self.order = segments_, batch_size, order
        self._epoch, self._batches = -1, list[np.ndarray]()  # of the current epoch only

    @property
    def per_epoch(self) -> int:
        """Steps of one pass."""
        return -(-len(self.segments.start) // self.batch_size)

    def rows(self, step: int) -> np.ndarray:
        """The segment rows of a step, for `padded`."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._batches = list(bucketed_batches(self.segments, self.batch_size, self.order(epoch)))
        return self._batches[index]
