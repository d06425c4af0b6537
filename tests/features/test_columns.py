"""Columns of lists of ids: round trips through files, and lists exchanged between items."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.features.columns import (
    FeatureColumn,
    kept,
    load_features,
    offsets_of,
    row_of_value,
    shuffled,
    single_valued,
    write_features,
)

LISTS = st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=12)


def column_of(lists: list[list[int]], weighted: bool = False, name: str = "words") -> FeatureColumn:
    ids = np.array([number for row in lists for number in row], dtype=np.int32)
    weights = np.linspace(-1, 1, len(ids), dtype=np.float32) if weighted else None
    return FeatureColumn(name, "words", 10, offsets_of(np.array([len(row) for row in lists])), ids, weights)


def lists_of(column: FeatureColumn) -> list[list[int]]:
    return [part.tolist() for part in np.split(column.ids, column.offsets[1:-1])] if len(column.lengths) else []


def test_offsets_and_rows() -> None:
    # Items with 2, 0 and 1 values: values 0 and 1 are the first item's, value 2 the third's.
    offsets = offsets_of(np.array([2, 0, 1]))
    assert offsets.tolist() == [0, 2, 2, 3] and offsets.dtype == np.int64
    assert row_of_value(offsets).tolist() == [0, 0, 2]
    # Without the second value the first item has one left.
    assert kept(offsets, np.array([True, False, True])).tolist() == [0, 1, 1, 2]
    assert kept(offsets, np.zeros(3, dtype=bool)).tolist() == [0, 0, 0, 0]


def test_a_single_valued_column_has_one_id_or_none() -> None:
    column = single_valued("clusters", "clusters", 6, np.array([5, -1, 2]))
    assert lists_of(column) == [[5], [], [2]]
    assert column.longest == 1 and column.ids.dtype == np.int32


def test_items_get_the_lists_of_others() -> None:
    column = FeatureColumn(
        "hashed",
        "hashed",
        10,
        np.array([0, 2, 2, 3]),
        np.array([4, 7, 9], dtype=np.int32),
        np.array([1, -1, 2], dtype=np.float32),
    )
    moved = shuffled(column, np.array([2, 0, 1]))
    assert lists_of(moved) == [[9], [4, 7], []]
    assert moved.weights is not None and moved.weights.tolist() == [2, 1, -1]
    assert (moved.name, moved.kind, moved.size) == ("hashed", "hashed", 10)
    assert lists_of(column) == [[4, 7], [], [9]]  # as it was


@given(LISTS, st.randoms(use_true_random=False), st.booleans())
def test_a_shuffle_is_a_loop_over_lists_and_its_inverse_undoes_it(lists, random, weighted) -> None:
    column = column_of(lists, weighted)
    order = list(range(len(lists)))
    random.shuffle(order)
    permutation = np.array(order, dtype=np.int64)
    moved = shuffled(column, permutation)
    assert lists_of(moved) == [lists[row] for row in order]
    back = shuffled(moved, np.argsort(permutation))
    assert back.ids.tolist() == column.ids.tolist() and back.offsets.tolist() == column.offsets.tolist()
    if weighted:
        assert back.weights is not None and column.weights is not None
        assert back.weights.tolist() == column.weights.tolist()


@settings(max_examples=25)
@given(LISTS, st.booleans())
def test_columns_come_back_from_files(tmp_path_factory, lists, weighted) -> None:
    folder = tmp_path_factory.mktemp("features")
    columns = [column_of(lists, weighted, name="hashed"), column_of(lists[::-1], name="words")]
    write_features(folder, [f"i{row}" for row in range(len(lists))], columns)
    for before, after in zip(columns, load_features(folder), strict=True):
        assert (after.name, after.kind, after.size) == (before.name, before.kind, before.size)
        assert lists_of(after) == lists_of(before)
        assert after.offsets.dtype == np.int64 and after.ids.dtype == np.int32
        assert (after.weights is None) == (before.weights is None)
        if before.weights is not None:
            assert after.weights is not None
            assert after.weights.dtype == np.float32 and after.weights.tolist() == before.weights.tolist()


def test_the_files_are_plain_lists_that_others_can_read(tmp_path) -> None:
    write_features(tmp_path, ["a", "b"], [column_of([[3, 1], []], weighted=True)])
    table = pq.read_table(tmp_path / "features.parquet")
    assert table.schema.field("words").type == pa.list_(pa.int32())
    assert table.schema.field("words.weight").type == pa.list_(pa.float32())
    assert table.to_pydict() == {"item": ["a", "b"], "words": [[3, 1], []], "words.weight": [[-1.0, 1.0], []]}
    assert json.loads((tmp_path / "columns.json").read_text()) == [
        {"name": "words", "kind": "words", "size": 10, "pad": 0, "oov": 1, "longest": 2, "weighted": True}
    ]


def test_a_folder_without_features_is_told(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no columns\.json"):
        load_features(tmp_path)
