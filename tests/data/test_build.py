import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.build import build, core, first_occurrences, prepare
from recbench.data.dataset import load_data
from recbench.data.sources.raw import RawData
from recbench.errors import UserError
from recbench.schema import DataConfig


def raw(rows: list[tuple], names: tuple[str, ...] = ("user", "item"), items: tuple[str, ...] = ()) -> RawData:
    columns = dict(zip(names, (list(column) for column in zip(*rows))))
    return RawData(pa.table({"item": pa.array(items, pa.string())}), pa.table(columns))


def config(**changes) -> DataConfig:
    return DataConfig(**({"name": "toy", "source": "sequences", "min_user_interactions": 1} | changes))


def write_sequences(folder, text: str):
    folder.mkdir(exist_ok=True)
    (folder / "user_sequence.txt").write_text(text)
    return config(path=str(folder))


def test_core_repeats_until_stable():
    # b loses y (one interaction), has one left, so it goes; then x is left with a alone and goes as well, and so a.
    user, item = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 1, 0, 2, 3, 4, 3, 4])
    #      a:x a:z b:x b:y | c:v c:w d:v d:w
    kept = core(user, item, np.ones(8, bool), 2, 2)
    assert kept.tolist() == [False] * 4 + [True] * 4


def test_first_occurrences_needs_all_three_to_agree():
    user, item, time = np.array([0, 0, 0, 1, 0]), np.array([7, 7, 7, 7, 7]), np.array([3, 3, 4, 3, 3])
    assert first_occurrences(user, item, time).tolist() == [True, False, True, True, False]
    assert first_occurrences(np.empty(0), np.empty(0), np.empty(0)).tolist() == []


def test_rows_are_ordered_by_user_then_time_and_ties_keep_the_files_order():
    rows = [("b", "x", 5), ("a", "y", 9), ("b", "z", 1), ("a", "x", 9), ("b", "y", 5), ("b", "z", 1)]
    data = prepare(raw(rows, ("user", "item", "timestamp"), ("x", "y", "z")), config())
    assert data.interactions.users == ["b", "a"]  # order of first appearance
    assert data.interactions.offsets.tolist() == [0, 3, 5]
    assert data.interactions.items.tolist() == [2, 0, 1, 1, 0]  # b: z1 x5 y5, a: y9 x9
    assert data.interactions.timestamps.tolist() == [1, 5, 5, 9, 9]
    assert data.dropped["duplicates"] == 1


def test_without_timestamps_repeats_are_kept():
    data = prepare(raw([("a", "x"), ("a", "x"), ("a", "x")]), config())
    assert data.interactions.items.tolist() == [0, 0, 0]
    assert data.interactions.split.tolist() == [0, 1, 2]


def test_negatives_are_left_out_before_their_missing_times_matter():
    rows = [("a", "x", 1, 1), ("a", "y", None, 0), ("a", "z", 2, 1)]
    data = prepare(raw(rows, ("user", "item", "timestamp", "label")), config())
    assert data.dropped["negatives"] == 1
    assert data.interactions.items.tolist() == [0, 1] and data.catalogue["item"].to_pylist() == ["x", "z"]
    with pytest.raises(UserError, match="1 of 2 interactions of data set toy have no timestamp"):
        prepare(raw([("a", "x", 1), ("a", "y", None)], ("user", "item", "timestamp")), config())


def test_the_catalogue_keeps_unused_items_unless_rare_items_are_dropped():
    rows = [("a", "x"), ("a", "new"), ("a", "x")]
    data = prepare(raw(rows, items=("unused", "x")), config())
    assert data.catalogue["item"].to_pylist() == ["unused", "x", "new"]
    assert data.interactions.items.tolist() == [1, 2, 1]
    assert data.dropped["items without a description"] == 1
    data = prepare(raw(rows, items=("unused", "x")), config(min_item_interactions=2))
    assert data.catalogue["item"].to_pylist() == ["x"]
    assert data.interactions.items.tolist() == [0, 0]


def test_nothing_left_and_no_times_are_one_line():
    with pytest.raises(UserError, match="^no interactions of data set toy are left .*min_user_interactions") as error:
        prepare(raw([("a", "x"), ("b", "x")]), config(min_user_interactions=3))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="global_time needs timestamps"):
        prepare(raw([("a", "x")]), config(split="global_time"))


def test_build_writes_what_load_data_reads(tmp_path):
    numbers = build(write_sequences(tmp_path / "raw", "ann a b c a\nbob c b d\n"), tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.name == "toy" and data.best is None and data.directory == tmp_path / "run"
    assert data.catalogue["item"][:] == ["a", "b", "c", "d"]
    assert data.catalogue.column_names == ["item", "title", "text", "image"]
    assert data.catalogue[0] == {"item": "a", "title": "", "text": "", "image": None}
    assert data.interactions.users == ["ann", "bob"]
    assert data.interactions.offsets.tolist() == [0, 4, 7]
    assert data.interactions.items.tolist() == [0, 1, 2, 0, 2, 1, 3] and data.interactions.items.dtype == np.int32
    assert data.interactions.split.tolist() == [0, 0, 1, 2, 0, 1, 2] and data.interactions.split.dtype == np.int8
    assert data.interactions.timestamps is None
    assert numbers["users"] == 2 and numbers["items"] == 4 and numbers["interactions"] == 7
    assert numbers["density"] == 6 / 8  # (ann, a) twice is one pair
    assert numbers["splits"] == {"train": 3, "validation": 2, "test": 2}
    assert numbers["interactions_per_user"]["median"] == 3.5 and numbers["interactions_per_user"]["max"] == 4
    assert numbers["unseen_targets"] == {"validation": 0, "test": 1}  # d is not in training; c is, by bob
    description = json.loads((tmp_path / "run" / "description.json").read_text())
    assert description["numbers"] == numbers and description["fingerprint"] == data.fingerprint
    rows = pq.read_table(tmp_path / "run" / "interactions.parquet").to_pylist()
    assert rows[2] == {"user": "ann", "item": 2, "split": "validation"}
    assert not list((tmp_path / "run").glob(".partial*"))


def test_fingerprint_depends_on_content_alone(tmp_path):
    def fingerprint(text: str, folder: str, **changes) -> str:
        source = write_sequences(tmp_path / folder, text)
        for name, value in changes.items():
            setattr(source, name, value)
        build(source, tmp_path / folder / "run")
        return load_data(tmp_path / folder / "run").fingerprint

    first = fingerprint("ann a b c\n", "one")
    assert fingerprint("ann  a\tb c\n\n", "two", name="other") == first
    assert fingerprint("ann a c b\n", "three") != first
    assert fingerprint("bob a b c\n", "four") != first


def test_an_error_writes_nothing(tmp_path):
    source = write_sequences(tmp_path / "raw", "ann a b c\nbob\n")
    with pytest.raises(UserError, match="user_sequence.txt line 2: "):
        build(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_source_and_incomplete_folder(tmp_path):
    with pytest.raises(UserError, match="data.source is 'nope', expected one of bazaar"):
        build(config(source="nope"), tmp_path)
    with pytest.raises(UserError, match="holds no complete data set"):
        load_data(tmp_path)
