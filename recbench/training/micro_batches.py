"""A batch in parts that fit in memory: losses that sum to that of the whole."""

from collections.abc import Callable, Iterator

from torch import Tensor


def losses_of_sequences(
    loss: Callable[[Tensor, Tensor], Tensor], items: Tensor, targets: Tensor, size: int | None
) -> Iterator[Tensor]:
    """Losses of parts of a batch, to be differentiated one after the other; their sum is the mean over all targets.

    Args:
        loss: mean over the targets of a part, a scalar.
        items: int64 [S, T], sequences right-padded with -1.
        targets: bool [S, T]; at least one.
        size: sequences a part, at least 1; none: the whole at once.
    """
    if size is None or len(items) <= size:
        yield loss(items, targets)
        return
    total = targets.sum()
    for some, wanted in zip(items.split(size), targets.split(size), strict=True):
        if wanted.any():
            longest = int((some >= 0).sum(1).max())
            yield loss(some[:, :longest], wanted[:, :longest]) * (wanted.sum() / total)
