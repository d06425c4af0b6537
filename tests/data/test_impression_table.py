import numpy as np
import pyarrow as pa
import pytest

from recbench.data.build import build, prepare
from recbench.data.dataset import load_data
from recbench.data.impression_table import impression_rows, prepare_impressions, read_impressions
from recbench.data.sources.raw import RawData
from recbench.errors import UserError
from recbench.schema import DataConfig

ITEMS = pa.array(["x", "y", "z"])
ROWS = {
    "user": ["b", "a", "b", "a", "c"],
    "item": ["y", "x", "z", "gone", "x"],
    "label": [1, 0, 0, 1, 1],
    "split": ["test", "train", "train", "train", "validation"],
}


def table(**more) -> pa.Table:
    return pa.table(ROWS | more)


def test_rows_are_ordered_by_split_then_time_then_as_given():
    shown, dropped = prepare_impressions(table(), None, ITEMS, "toy")
    assert dropped == {"impressions of items outside the core": 1}
    assert shown.users == ["a", "b", "c"] and shown.user.tolist() == [0, 1, 2, 1]
    assert shown.item.tolist() == [0, 2, 0, 1] and shown.label.tolist() == [0, 0, 1, 1]
    assert shown.split.tolist() == [0, 0, 1, 2] and shown.timestamp is None and shown.query is None
    shown, _ = prepare_impressions(table(timestamp=[1, 9, 8, 0, 2]), None, ITEMS, "toy")
    assert shown.item.tolist() == [2, 0, 0, 1] and shown.timestamp.tolist() == [8, 9, 2, 1]


def test_files_give_back_what_was_written():
    fields = pa.table({"user": ["c", "a"], "age": ["old", None], "town": ["here", "there"]})
    more = {
        "timestamp": [5, 4, 3, 2, 1],
        "probability": [0.1, 0.2, 0.3, 0.4, 0.5],
        "propensity": [1.0, 0.5, 0.25, 0.125, 0.0625],
        "position": [0, 1, 2, 3, 4],
        "query": ["x", "x", "y", "z", "x"],
        "price": [1.5, None, float("nan"), 0.0, 2.0],
        "page": ["home", None, "home", "home", "cart"],
    }
    shown, _ = prepare_impressions(table(**more), fields, ITEMS, "toy")
    again = read_impressions(*impression_rows(shown))
    assert again.users == shown.users == ["b", "a", "c"]  # b's training row is the earliest
    for name in ("user", "item", "label", "split", "timestamp", "probability", "propensity", "position", "query"):
        given, read = getattr(shown, name), getattr(again, name)
        np.testing.assert_array_equal(read, given)
        assert read.dtype == given.dtype, name
    assert shown.user_fields["age"].tolist() == again.user_fields["age"].tolist() == [None, None, "old"]
    assert again.user_fields["town"].tolist() == [None, "there", "here"] == shown.user_fields["town"].tolist()
    np.testing.assert_array_equal(again.context["price"], [np.nan, np.nan, 2, 1.5])  # z, x, x of validation, y of test
    assert again.context["page"].tolist() == shown.context["page"].tolist() == ["home", None, "cart", "home"]
    assert again.propensity.tolist() == [0.25, 0.5, 0.0625, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": [1, 0, 2, 1, 1]}, "label 2, expected 0 or 1"),
        ({"label": [1, 0, None, 1, 1]}, "1 of 5 impressions of data set toy have no label"),
        ({"split": ["test", "dev", "train", "train", "test"]}, "split 'dev', expected train, validation, test"),
        ({"split": ["test"] * 5}, "no impressions for training"),
        ({"timestamp": [1, None, None, 2, 3]}, "2 of 5 impressions of data set toy have no timestamp"),
    ],
)
def test_mistakes_are_one_line(changes, message):
    with pytest.raises(UserError, match=message) as error:
        prepare_impressions(table(**changes), None, ITEMS, "toy")
    assert "\n" not in str(error.value)


def source(monkeypatch, raw: RawData, **changes) -> DataConfig:
    monkeypatch.setattr("recbench.data.sources.sequences.read", lambda config: raw)
    return DataConfig(**({"name": "toy", "source": "sequences"} | changes))


def test_a_data_set_of_impressions_alone(tmp_path, monkeypatch):
    raw = RawData(pa.table({"item": ["x", "y"], "kind": ["p", "q"]}), None, impressions=table())
    numbers = build(source(monkeypatch, raw, fields=["kind"]), tmp_path)
    assert numbers["interactions"] == 0 and numbers["items"] == 4  # z and gone have impressions alone
    shown = numbers["impressions"]
    assert (shown["rows"], shown["clicks"], shown["click_rate"], shown["users"], shown["items"]) == (5, 3, 0.6, 3, 4)
    assert shown["splits"]["train"] == {"rows": 3, "clicks": 1, "click_rate": 1 / 3, "cold": 1.0}
    assert numbers["dropped"]["items without a description"] == 2
    assert not (tmp_path / "interactions.parquet").exists()
    data = load_data(tmp_path)
    assert data.interactions.users == [] and data.interactions.offsets.tolist() == [0]
    assert data.impressions is data.impressions and data.impressions.users == ["a", "b", "c"]


def test_impressions_of_items_outside_the_core_are_left_out():
    rows = {"user": ["u"] * 4, "item": ["x", "x", "y", "y"], "timestamp": [1, 2, 3, 4]}
    raw = RawData(pa.table({"item": ["x", "y", "z"]}), pa.table(rows), impressions=table())
    config = DataConfig(name="toy", source="sequences", min_user_interactions=1, min_item_interactions=2)
    data = prepare(raw, config)
    assert data.catalogue["item"].to_pylist() == ["x", "y"]
    assert data.impressions.item.tolist() == [0, 0, 1]
    assert data.dropped["impressions of items outside the core"] == 2


def test_the_fingerprint_covers_impressions_users_and_pictures(tmp_path, monkeypatch):
    fields = {"user": ["a"], "age": ["old"]}
    prints = []

    def add(impressions: pa.Table, of_users: dict, picture: str | None = None) -> None:
        catalogue = pa.table({"item": ["x"], "image": pa.array([picture], pa.string())})
        raw = RawData(catalogue, None, impressions=impressions, user_fields=pa.table(of_users))
        folder = tmp_path / str(len(prints))
        build(source(monkeypatch, raw, path=str(tmp_path)), folder)
        prints.append(load_data(folder).fingerprint)

    first = table(page=["home", None, "home", "home", "cart"])
    add(first, fields)
    add(first, fields | {"age": ["young"]})
    add(table(page=["home", "home", "home", "home", "cart"]), fields)
    add(table(page=["home", "", "home", "home", "cart"]), fields)
    add(table(), fields)
    add(table(label=[1, 1, 0, 1, 1]), fields)
    add(first, fields, "x.jpg")
    (tmp_path / "x.jpg").write_bytes(b"jpg")
    add(first, fields, "x.jpg")
    assert len(set(prints)) == len(prints) == 8
    add(first, fields)
    assert prints[-1] == prints[0]


def test_pictures_that_the_source_makes_lie_in_the_data_run(tmp_path, monkeypatch):
    def write(folder):
        (folder / "pictures").mkdir()
        (folder / "pictures" / "x.png").write_bytes(b"png")

    catalogue = pa.table({"item": ["x", "y"], "image": ["pictures/x.png", None], "caption": ["A cup.", None]})
    raw = RawData(catalogue, None, impressions=table(), write_files=write)
    numbers = build(source(monkeypatch, raw), tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.image(0).path == tmp_path / "run" / "pictures" / "x.png" and data.image(1).path is None
    assert data.image(0).path.is_file() and numbers["images"] == {"present": 1, "missing": 0, "items_without": 3}
    assert data.catalogue.column_names == ["item", "title", "text", "image", "caption"]
    assert data.catalogue["caption"][:] == ["A cup.", None, None, None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": ["kind", "colour"]}, "data.fields names 'colour', no column of data set toy; it has: item, title"),
        ({"attributes": ["colour"]}, "data.attributes names 'colour'"),
        ({"family": "product"}, "data.family names 'product'"),
        ({"user_fields": ["age"]}, "data.user_fields names 'age', no column of data set toy; it has: none"),
    ],
)
def test_columns_that_the_config_names_must_be_there(tmp_path, monkeypatch, changes, message):
    raw = RawData(pa.table({"item": ["x"], "kind": ["p"]}), None, impressions=table())
    with pytest.raises(UserError, match=message):
        build(source(monkeypatch, raw, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_at_all_is_refused():
    with pytest.raises(UserError, match="neither interactions nor impressions"):
        prepare(RawData(pa.table({"item": ["x"]}), None), DataConfig(name="toy", source="sequences"))
