"""What a click model reads of an impression, as integer ids: users and items through tables, captions as lists of ids.

An impression is a few row numbers (user, item, query item, past items) and its context. Everything known of a user or
an item stands once in a table of ids, so that nothing is repeated an impression. Id 0 is PAD (no value, no influence),
1 is OOV (a value too rare or never seen in training); vocabularies are fitted on training impressions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.ctr.vocabulary import Categories, Numbers, fit_categories, fit_numbers, frequent_ids
from recbench.data.dataset import RecommendationData
from recbench.data.impressions import Impressions
from recbench.data.interactions import TRAIN
from recbench.errors import UserError
from recbench.features.columns import OOV, PAD, FeatureColumn, offsets_of, row_of_value

ROLES = ("user", "item", "query", "context")  # whose table a field is looked up in; context: the impression itself


@dataclass(frozen=True)
class Field:
    """One input of a click model, which becomes one embedding vector."""

    name: str  # user, item, query, item.colour, query.colour, user.age, context.hour, item.caption.words ...
    role: str  # one of ROLES
    kind: str  # categorical, list or numeric
    column: int  # of the role's id table, of the list columns, or of the context's numbers
    size: int  # ids are 0 .. size - 1; 0 for numbers
    table: str  # fields of the same table share their embeddings
    is_id: bool = False  # the identity of the user or item, which may be dropped in training
    is_caption: bool = False  # what the arms differ by

    @property
    def is_number(self) -> bool:
        """Whether it is a number, which has one vector; else ids, which have one each."""
        return self.kind == "numeric"

    @property
    def is_list(self) -> bool:
        """Whether it has several ids, which are pooled."""
        return self.kind == "list"

    @property
    def is_category(self) -> bool:
        """Whether it has one id."""
        return not (self.is_number or self.is_list)


@dataclass(frozen=True)
class ListColumn:
    """Several ids an item, padded at the end; row N stands for no item."""

    ids: np.ndarray  # int32 [N + 1, L], PAD where there is none
    weights: np.ndarray | None = None  # float32 [N + 1, L]; None: all 1


@dataclass(frozen=True)
class Encoder:
    """Every field, and the tables that they are looked up in."""

    fields: tuple[Field, ...]
    users: np.ndarray  # int32 [U + 1, columns]; row U stands for a user who is not known
    items: np.ndarray  # int32 [N + 1, columns]; row N for no item: all PAD
    lists: tuple[ListColumn, ...] = ()
    categories: tuple[Categories, ...] = ()  # of the context
    numbers: tuple[Numbers, ...] = ()  # of the context

    def of_role(self, role: str) -> list[Field]:
        """The fields of one role, in their order."""
        return [field for field in self.fields if field.role == role]

    def encode_context(self, context: dict[str, np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids int32 [M, C] and standardised numbers float32 [M, D] of what is known of M impressions.

        Raises:
            UserError: a context column that the model was trained with is missing.
        """
        known = [column.name for column in self.categories] + [column.name for column in self.numbers]
        if missing := [name for name in known if name not in context]:
            raise UserError(f"the context has no column {missing[0]!r}, which the click model reads; give it")
        ids = [column.ids(context[column.name]) for column in self.categories]
        values = [column.standardised(context[column.name]) for column in self.numbers]
        return (
            np.stack(ids, axis=1) if ids else np.zeros((rows, 0), dtype=np.int32),
            np.stack(values, axis=1) if values else np.zeros((rows, 0), dtype=np.float32),
        )


@dataclass(frozen=True)
class BaseColumns:
    """Which columns every arm reads beside the ids; by name, as the data have them."""

    item_fields: Sequence[str] = ()
    user_fields: Sequence[str] = ()
    context: Sequence[str] = ()


def fit_encoder(data: RecommendationData, columns: BaseColumns, least_count: int, shared_query: bool) -> Encoder:
    """The encoder of an arm without captions.

    Args:
        least_count: ids and values in fewer training impressions are OOV.
        shared_query: query items and candidates share their embeddings; otherwise an item has one for each role, and
            its id is OOV in a role in which training impressions do not show it. Users that are query items under
            another name (co-purchases) have no id of their own.

    Raises:
        UserError: no impressions, or a column that the data do not have.
    """
    shown = impressions_of(data)
    training = np.flatnonzero(shown.split == TRAIN)
    count, users = data.catalogue.num_rows, len(shown.users)
    as_item = np.bincount(shown.item[training], minlength=count)
    as_query = np.zeros(count, dtype=np.int64)
    if shown.query is not None:
        as_query = np.bincount(shown.query[training], minlength=count)
    roles = ["item"] if shown.query is None else ["item", "query"]

    user_ids, fields, lists = [], [], []
    per_user = np.bincount(shown.user[training], minlength=users)
    ids, size = frequent_ids(per_user, least_count)
    if not query_is_user(shown):
        fields.append(Field("user", "user", "categorical", 0, size, "user", is_id=True))
    user_ids.append(ids)
    for name in columns.user_fields:
        if name not in shown.user_fields:
            raise UserError(_missing("user field", name, shown.user_fields))
        found = fit_categories(name, shown.user_fields[name], per_user, least_count)
        fields.append(Field(f"user.{name}", "user", "categorical", len(user_ids), found.size, f"user.{name}"))
        user_ids.append(found.ids(shown.user_fields[name]))

    item_ids: list[np.ndarray] = []
    for role, counts in zip(roles, (as_item, as_query), strict=False):
        ids, size = frequent_ids(as_item + as_query if shared_query else counts, least_count)
        table = "item" if shared_query else role
        fields.append(Field(role, role, "categorical", len(item_ids), size, table, is_id=True))
        item_ids.append(ids)
    for name in columns.item_fields:
        values, per_item = catalogue_column(data, name), as_item + as_query
        if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
            offsets = offsets_of(pc.fill_null(pc.list_value_length(values), 0).to_numpy())
            flat = values.flatten()
            found = fit_categories(name, flat, per_item[row_of_value(offsets)], least_count)
            lists.append(padded(offsets, found.ids(flat)))
            kind, column = "list", len(lists) - 1
        else:
            found = fit_categories(name, values, per_item, least_count)
            item_ids.append(found.ids(values))
            kind, column = "categorical", len(item_ids) - 1
        for role in roles:
            table = f"{'item' if shared_query else role}.{name}"
            fields.append(Field(f"{role}.{name}", role, kind, column, found.size, table))

    categories: list[Categories] = []
    numbers: list[Numbers] = []
    for name in columns.context:
        if name not in shown.context:
            raise UserError(_missing("context column", name, shown.context))
        values = shown.context[name]
        if values.dtype == object:
            found = fit_categories(name, values[training], np.ones(len(training)), least_count)
            column = len(categories)
            fields.append(Field(f"context.{name}", "context", "categorical", column, found.size, f"context.{name}"))
            categories.append(found)
        else:
            fields.append(Field(f"context.{name}", "context", "numeric", len(numbers), 0, f"context.{name}"))
            numbers.append(fit_numbers(name, values[training]))
    return Encoder(
        tuple(fields),
        _with_last_row(user_ids, [OOV, *[PAD] * (len(user_ids) - 1)]),
        _with_last_row(item_ids, [PAD] * len(item_ids)),
        tuple(lists),
        tuple(categories),
        tuple(numbers),
    )


def query_is_user(shown: Impressions) -> bool:
    """Whether users are the query items under another name: then one id says it, and dropping it leaves no other."""
    if shown.query is None:
        return False
    pairs = np.unique(np.stack([shown.user, shown.query]), axis=1)
    return pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def with_captions(encoder: Encoder, captions: Sequence[FeatureColumn], shared_query: bool) -> Encoder:
    """The encoder with caption columns beside its own, for candidates and, where there are any, for query items."""
    fields, lists = list(encoder.fields), list(encoder.lists)
    roles = [role for role in ("item", "query") if encoder.of_role(role)]
    for caption in captions:
        lists.append(padded(caption.offsets, caption.ids, caption.weights))
        for role in roles:
            table = f"{'item' if shared_query else role}.caption.{caption.name}"
            name = f"{role}.caption.{caption.name}"
            fields.append(Field(name, role, "list", len(lists) - 1, caption.size, table, is_caption=True))
    return replace(encoder, fields=tuple(fields), lists=tuple(lists))


def padded(offsets: np.ndarray, ids: np.ndarray, weights: np.ndarray | None = None) -> ListColumn:
    """Ragged rows as a rectangle, padded at the end, and one more row of PAD only.

    Args:
        offsets: int [N + 1]; row n holds ids[offsets[n] : offsets[n + 1]].
    """
    lengths = np.diff(offsets)
    shape = (len(lengths) + 1, max(1, int(lengths.max(initial=0))))
    rows = row_of_value(offsets)
    places = np.arange(len(ids)) - np.asarray(offsets)[:-1][rows]
    result = np.full(shape, PAD, dtype=np.int32)
    result[rows, places] = ids
    if weights is None:
        return ListColumn(result)
    filled = np.zeros(shape, dtype=np.float32)
    filled[rows, places] = weights
    return ListColumn(result, filled)


def impressions_of(data: RecommendationData) -> Impressions:
    """The impressions of a data set.

    Raises:
        UserError: it has none.
    """
    if data.impressions is None:
        raise UserError(f"data set {data.name} has no impressions, which click models learn from; use one with clicks")
    return data.impressions


def catalogue_column(data: RecommendationData, name: str) -> Any:
    """One column of the catalogue as an Arrow array of strings or of lists of strings.

    Raises:
        UserError: there is no such column.
    """
    if name not in data.catalogue.column_names:
        raise UserError(_missing("catalogue column", name, data.catalogue.column_names))
    return data.catalogue.select_columns([name]).with_format("arrow")[:][name].combine_chunks()


def _missing(kind: str, name: str, known: Any) -> str:
    return (
        f"the data have no {kind} {name!r}, which the click model is to read; there are: {', '.join(known) or 'none'}"
    )


def _with_last_row(columns: list[np.ndarray], last: list[int]) -> np.ndarray:
    return np.concatenate([np.stack(columns, axis=1), [last]]).astype(np.int32)
