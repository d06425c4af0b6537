"""Embeddings of every field of an impression, from one table of weights and the encoder's tables of ids."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbench.ctr.encoding import Encoder, Field
from recbench.ctr.rows import Rows
from recbench.features.columns import OOV, PAD
from recbench.schema import CtrModelConfig

DROPPABLE = ("user", "item", "query")  # columns of Rows.dropped


class FieldEmbedding(nn.Module):
    """Rows to vectors [B, F, size], one a field, in the order users, candidates, query items, context (`fields`).

    Row 0 of the table belongs to PAD in every field and stays zero; OOV starts at zero, everything else random, drawn
    for each table of the encoder from (seed, its name): arms that share a field start it alike. Lists are pooled: mean
    or sum over their ids (times their weights, where they have any), or attention, a softmax over <vector, learned
    query> / sqrt(size), which starts as the mean. PAD takes no part. Item lists are pooled once for each distinct item
    of a batch.
    """

    def __init__(
        self, encoder: Encoder, size: int, *, pooling: str, sparse: bool, seed: int, scale: float = 0.01
    ) -> None:
        super().__init__()
        self.size, self.pooling = size, pooling
        self.of = {role: encoder.of_role(role) for role in ("user", "item", "query", "context")}
        # Within a role categorical fields come first, then lists, then numbers: the order of the vectors.
        kinds = ("categorical", "list", "numeric")
        self.of = {role: sorted(found, key=lambda field: kinds.index(field.kind)) for role, found in self.of.items()}
        self.fields: list[Field] = [field for found in self.of.values() for field in found]

        self.starts: dict[str, int] = {}  # an id's row is the start of its table plus the id, 0 for PAD
        rows = 0
        for field in self.fields:
            if not field.is_number and field.table not in self.starts:
                self.starts[field.table] = rows
                rows += field.size - 1
        self.table = nn.Embedding(rows + 1, size, padding_idx=PAD, sparse=sparse)
        with torch.no_grad():
            self.table.weight.zero_()
            for field in self.fields:
                if not field.is_number:
                    start = self.starts[field.table]
                    vectors = _normal(seed, field.table, (field.size - OOV - 1, size), scale)
                    self.table.weight[start + OOV + 1 : start + field.size] = vectors
        numeric = [field for field in self.fields if field.is_number]
        self.numbers = nn.Parameter(torch.zeros(len(numeric), size)) if numeric else None
        lists = [field for field in self.fields if field.is_list]
        self.queries = nn.Parameter(torch.zeros(len(lists), size)) if lists and pooling == "attention" else None
        with torch.no_grad():
            for place, field in enumerate(numeric):
                assert self.numbers is not None
                self.numbers[place] = _normal(seed, field.table, (size,), scale)
        self._place_of_list = {field.name: place for place, field in enumerate(lists)}

        self._register("users", encoder.users)
        self._register("items", encoder.items)
        for place, column in enumerate(encoder.lists):
            self._register(f"list_{place}", column.ids)
            self._register(f"weight_{place}", column.weights)

    @property
    def count(self) -> int:
        """Number of fields, F."""
        return len(self.fields)

    def places(self, *roles: str) -> list[int]:
        """Where the fields of some roles are among the F."""
        return [place for place, field in enumerate(self.fields) if field.role in roles]

    def forward(self, rows: Rows) -> Tensor:
        """Vectors [B, F, size] of a batch of rows."""
        parts = [self.of_users(rows.users, _dropped(rows, "user")), self.of_items(rows.items, _dropped(rows, "item"))]
        if self.of["query"]:
            # Without query items every one is PAD: zero vectors.
            queries = rows.queries if rows.queries is not None else torch.full_like(rows.items, -1)
            parts.append(self.of_items(queries, _dropped(rows, "query"), role="query"))
        if self.of["context"]:
            parts.append(self._of_context(rows))
        return torch.cat(parts, dim=1)

    def of_users(self, users: Tensor, dropped: Tensor | None = None) -> Tensor:
        """Vectors [n, F_user, size] of users (int64 [n], -1 for unknown ones)."""
        return self._categorical(self.of["user"], self._table("users"), users, dropped)

    def of_items(self, items: Tensor, dropped: Tensor | None = None, role: str = "item") -> Tensor:
        """Vectors [n, F_item, size] of items (int64 [n], -1 for none: zeros) as candidates or as query items."""
        parts = [self._categorical(self.of[role], self._table("items"), items, dropped)]
        lists = [field for field in self.of[role] if field.is_list]
        if lists:
            distinct, inverse = torch.unique(items, return_inverse=True)
            pooled = torch.stack([self._pooled(field, distinct) for field in lists], dim=1)
            parts.append(pooled[inverse])
        return torch.cat(parts, dim=1)

    def _categorical(self, fields: Sequence[Field], ids: Tensor, rows: Tensor, dropped: Tensor | None) -> Tensor:
        fields = [field for field in fields if field.is_category]
        local = ids[rows][:, [field.column for field in fields]].long()  # row -1 is the last one: not known, or none
        if dropped is not None:
            # A missing item stays missing.
            is_id = torch.tensor([field.is_id for field in fields], dtype=torch.bool, device=rows.device)
            local = torch.where(dropped[:, None] & is_id & (local != PAD), OOV, local)
        return self._look_up(fields, local)

    def _look_up(self, fields: Sequence[Field], local: Tensor) -> Tensor:
        starts = torch.tensor([self.starts[field.table] for field in fields], dtype=torch.long, device=local.device)
        return self.table(torch.where(local == PAD, PAD, local + starts))

    def _pooled(self, field: Field, items: Tensor) -> Tensor:
        """Vectors [n, size] of a list field of n items."""
        local = self._table(f"list_{field.column}")[items].long()
        weights = getattr(self, f"weight_{field.column}")
        ids = torch.where(local == PAD, PAD, local + self.starts[field.table])
        if self.pooling == "attention":
            assert self.queries is not None
            vectors = self.table(ids)
            scores = vectors @ self.queries[self._place_of_list[field.name]] / self.size**0.5
            shares = scores.masked_fill(local == PAD, -torch.inf).softmax(dim=1)
            shares = torch.where(local == PAD, 0.0, shares)  # without any id the softmax is NaN
            return torch.einsum("nl,nld->nd", shares if weights is None else shares * weights[items], vectors)
        factors = (local != PAD).to(self.table.weight.dtype)
        if self.pooling == "mean":
            factors = factors / factors.sum(dim=1, keepdim=True).clamp(min=1.0)
        if weights is not None:
            factors = factors * weights[items]
        return functional.embedding_bag(
            ids, self.table.weight, per_sample_weights=factors, mode="sum", padding_idx=PAD, sparse=self.table.sparse
        )

    def _of_context(self, rows: Rows) -> Tensor:
        parts = []
        categories = [field for field in self.of["context"] if field.is_category]
        if categories:
            parts.append(self._look_up(categories, rows.context_ids[:, [field.column for field in categories]]))
        if self.numbers is not None:
            parts.append(rows.context_numbers[:, :, None] * self.numbers)
        return torch.cat(parts, dim=1)

    def _register(self, name: str, array: np.ndarray | None) -> None:
        # Not saved with the weights: the encoder has them.
        self.register_buffer(name, None if array is None else torch.from_numpy(array), persistent=False)

    def _table(self, name: str) -> Tensor:
        table = getattr(self, name)
        assert isinstance(table, Tensor)
        return table


def configured_embedding(encoder: Encoder, settings: CtrModelConfig, seed: int, size: int) -> FieldEmbedding:
    """The embedding of a model with these settings, of `size` dimensions."""
    return FieldEmbedding(encoder, size, pooling=settings.pooling, sparse=settings.sparse_updates, seed=seed)


def _dropped(rows: Rows, role: str) -> Tensor | None:
    return None if rows.dropped is None else rows.dropped[:, DROPPABLE.index(role)]


def _normal(seed: int, name: str, shape: tuple[int, ...], scale: float) -> Tensor:
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return torch.from_numpy(random.normal(0.0, scale, shape).astype(np.float32))
