"""Impressions as tensors: row numbers of users and items, past items, and context, ready to be cut into batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recbench.ctr.encoding import Encoder
from recbench.data.impressions import Impressions, click_histories


class Rows(NamedTuple):
    """M impressions; a model reads nothing else."""

    users: Tensor  # int64 [M], index into the encoder's users; -1: not known
    items: Tensor  # int64 [M], row of the catalogue
    queries: Tensor | None  # int64 [M], row of the catalogue; -1: none
    histories: Tensor | None  # int64 [M, H], rows of the catalogue; -1: none
    context_ids: Tensor  # int64 [M, C]
    context_numbers: Tensor  # float32 [M, D]
    dropped: Tensor | None = None  # bool [M, 3]: ids of user, item and query to be read as OOV

    def take(self, index: Tensor) -> "Rows":
        """The rows at `index` (int64 [B])."""
        return self._of(lambda column: column[index])

    def to(self, device: torch.device) -> "Rows":
        """The same rows on a device."""
        return self._of(lambda column: column.to(device))

    def _of(self, change: Callable[[Tensor], Tensor]) -> "Rows":
        columns: Any = [None if column is None else change(column) for column in self]
        return Rows(*columns)


def make_rows(
    encoder: Encoder,
    users: np.ndarray,
    items: np.ndarray,
    queries: np.ndarray | None,
    histories: np.ndarray | None,
    context: dict[str, np.ndarray],
) -> Rows:
    """Rows of arrays [M] ([M, H] for histories); `context` holds at least the columns that the encoder knows.

    Raises:
        UserError: a context column is missing.
    """
    ids, numbers = encoder.encode_context(context, len(items))
    return Rows(
        _integers(users),
        _integers(items),
        None if queries is None else _integers(queries),
        None if histories is None else _integers(histories),
        _integers(ids),
        torch.from_numpy(numbers),
    )


def rows_of_impressions(encoder: Encoder, shown: Impressions, index: np.ndarray, history: int) -> Rows:
    """The impressions at `index` (int [R]); `history` is how many past clicks each one carries, 0 for none."""
    return make_rows(
        encoder,
        shown.user[index],
        shown.item[index],
        None if shown.query is None else shown.query[index],
        click_histories(shown, index, history) if history else None,
        {name: values[index] for name, values in shown.context.items()},
    )


def _integers(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.int64))
