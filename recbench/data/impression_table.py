"""Impressions between a source and a data run's files: checked, ordered, written and read back.

A source's table has these columns: user and item (strings), label (0 or 1), split (train, validation or test). Where
they are known it has timestamp (in the data set's unit, seconds unless finer), probability and propensity (0 to 1),
position (a whole number) and query (an item). Any further column is context. A string column is a category, a
floating-point column a number; null or NaN says that it is unknown.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.impressions import Impressions
from recbench.data.interactions import SPLIT_NAMES
from recbench.data.ordering import stable_order
from recbench.data.sources.names import dictionary_of, in_order
from recbench.errors import UserError

ROLES = {
    "user": pa.string(),
    "item": pa.int32(),
    "label": pa.int8(),
    "split": pa.int8(),
    "timestamp": pa.int64(),
    "probability": pa.float64(),
    "propensity": pa.float64(),
    "position": pa.int32(),
    "query": pa.int32(),
}
REQUIRED = ("user", "item", "label", "split")


def prepare_impressions(
    table: pa.Table, user_fields: pa.Table | None, items: pa.Array, name: str
) -> tuple[Impressions, dict[str, int]]:
    """Impressions in their order, and how many were left out, by reason: their item or query is not in the catalogue.

    Args:
        items: string [N], the catalogue's items.
        name: of the data set, for messages.

    Raises:
        UserError: a required column is missing or has a gap, an unknown split, a label other than 0 and 1, or nothing
            is left to train on.
    """
    for column in REQUIRED:
        if column not in table.column_names:
            raise UserError(f"impressions of data set {name} have no column {column}; the source must give it")
    for column in set(table.column_names) & set(ROLES):
        if missing := table[column].null_count:
            raise UserError(
                f"{missing} of {table.num_rows} impressions of data set {name} have no {column}; give every one a "
                "value, or leave the column out"
            )
    item, query = (_rows_of(table, column, items) for column in ("item", "query"))
    assert item is not None
    split = _array(pc.index_in(table["split"], value_set=pa.array(SPLIT_NAMES)).fill_null(-1)).astype(np.int8)
    if len(wrong := np.flatnonzero(split < 0)):
        given = table["split"][int(wrong[0])].as_py()
        raise UserError(f"an impression of data set {name} has split {given!r}, expected {', '.join(SPLIT_NAMES)}")
    label = _array(table["label"])
    if len(wrong := np.flatnonzero((label != 0) & (label != 1))):
        raise UserError(f"an impression of data set {name} has label {label[wrong[0]]}, expected 0 or 1")
    known = (item >= 0) if query is None else (item >= 0) & (query >= 0)
    timestamp = _array(table["timestamp"]).astype(np.int64) if "timestamp" in table.column_names else None
    chosen = np.flatnonzero(known)
    order = stable_order([split[chosen]] if timestamp is None else [split[chosen], timestamp[chosen]])
    chosen = chosen[order]
    if not np.any(split[chosen] == 0):
        raise UserError(f"data set {name} has no impressions for training ({len(chosen)} in all); change how it splits")
    users, user = in_order(dictionary_of(table["user"]).take(pa.array(chosen)))
    users = users.cast(pa.string())

    def numbers(column: str, dtype: type[np.number]) -> np.ndarray | None:
        return _array(table[column]).astype(dtype)[chosen] if column in table.column_names else None

    impressions = Impressions(
        users=users.to_pylist(),
        user=user.astype(np.int32),
        item=item[chosen],
        label=label[chosen].astype(np.int8),
        split=split[chosen],
        timestamp=None if timestamp is None else timestamp[chosen],
        probability=numbers("probability", np.float64),
        propensity=numbers("propensity", np.float64),
        position=numbers("position", np.int32),
        query=None if query is None else query[chosen],
        context={column: values[chosen] for column, values in _context(table).items()},
        user_fields={} if user_fields is None else _fields_of(user_fields, users),
    )
    return impressions, {"impressions of items outside the core": int(np.sum(~known))}


def impression_rows(impressions: Impressions) -> tuple[pa.Table, pa.Table]:
    """One row an impression (user by name, item and query as rows of the catalogue), and one row a user."""
    users = pa.array(impressions.users, pa.string())
    columns: dict[str, pa.Array] = {
        "user": pa.DictionaryArray.from_arrays(impressions.user, users).cast(pa.string()),
        "item": pa.array(impressions.item),
        "label": pa.array(impressions.label),
        "split": pa.DictionaryArray.from_arrays(impressions.split, pa.array(SPLIT_NAMES)).cast(pa.string()),
    }
    for name in ROLES:
        values = getattr(impressions, name)
        if name not in REQUIRED and values is not None:
            columns[name] = pa.array(values)
    for name, values in impressions.context.items():
        columns[name] = pa.array(values, pa.string()) if values.dtype == object else pa.array(values)
    fields = {name: pa.array(values, pa.string()) for name, values in impressions.user_fields.items()}
    return pa.table(columns), pa.table({"user": users} | fields)


def read_impressions(rows: pa.Table, users: pa.Table) -> Impressions:
    """The arrays of `impression_rows`' tables."""
    names = users["user"].combine_chunks()
    role = {name: _array(rows[name]) for name in ROLES if name in rows.column_names and name not in ("user", "split")}
    user = _array(pc.index_in(rows["user"], value_set=names)).astype(np.int32)
    split = _array(pc.index_in(rows["split"], value_set=pa.array(SPLIT_NAMES))).astype(np.int8)
    fields = {name: _objects(users[name]) for name in users.column_names if name != "user"}
    return Impressions(
        users=names.to_pylist(), user=user, split=split, context=_context(rows), user_fields=fields, **role
    )


def _array(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy()


def _objects(column: pa.ChunkedArray) -> np.ndarray:
    """Strings as objects, one object a distinct string; None where there is none."""
    encoded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    distinct = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return distinct[encoded.indices.fill_null(len(distinct) - 1).to_numpy()]


def _context(table: pa.Table) -> dict[str, np.ndarray]:
    context = {}
    for name in table.column_names:
        if name not in ROLES:
            is_number = pa.types.is_floating(table[name].type)
            context[name] = _array(table[name].cast(pa.float64())) if is_number else _objects(table[name])
    return context


def _rows_of(table: pa.Table, column: str, items: pa.Array) -> np.ndarray | None:
    """Catalogue rows of a column of items, -1 for an item that the catalogue has not: int32 [M]."""
    if column not in table.column_names:
        return None
    return _array(pc.index_in(table[column], value_set=items).fill_null(-1)).astype(np.int32)


def _fields_of(user_fields: pa.Table, users: pa.Array) -> dict[str, np.ndarray]:
    """The fields of the users in their order, None for a user that the table has not."""
    place = pc.index_in(users, value_set=user_fields["user"].combine_chunks())
    return {name: _objects(user_fields[name].take(place)) for name in user_fields.column_names if name != "user"}
