import csv
import json

import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.minionerec import plain_text, read
from recbench.errors import UserError
from recbench.schema import DataConfig


def config(folder, **options) -> DataConfig:
    return DataConfig(name="toy", source="minionerec", path=str(folder), options=options)


def write(folder, items: int = 20, **files) -> DataConfig:
    (folder / "index.json").write_text(json.dumps({str(i): [f"<a_{i}>", "<b_0>"] for i in range(items)}))
    described = {"0": {"title": "Glue", "description": "['Strong.', 'Fast.']", "brand": "Acme", "categories": ""}}
    (folder / "item.json").write_text(json.dumps(described))
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["user_id", "history_item_title", "item_title", "history_item_id", "item_id"])
            writer.writerows([[user, "['x, y']", "t", str(history), item] for user, history, item in rows])
    return config(folder)


def test_sequences_are_rebuilt_from_overlapping_histories(tmp_path):
    source = write(tmp_path, valid=[("A", [3, 4], 4), ("A", [3, 4, 4], 5), ("B", [1], 2)], test=[("B", [1, 2], 3)])
    build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.interactions.users == ["A", "B"]
    assert data.interactions.items.tolist() == [3, 4, 4, 5, 1, 2, 3]
    assert len(data.catalogue) == 20  # the index file's, used or not
    assert data.catalogue[0]["title"] == "Glue" and data.catalogue[0]["text"] == "Strong. Fast."
    assert data.catalogue[0]["brand"] == "Acme" and data.catalogue[1]["brand"] is None


def test_full_histories_slide_and_their_lost_beginning_is_reported(tmp_path):
    ten = list(range(10))
    raw = read(write(tmp_path, valid=[("A", ten, 10)], test=[("A", [*ten[1:], 10], 11)]))
    assert [int(item) for item in raw.interactions["item"].to_pylist()] == list(range(12))
    assert raw.problems == ["1 of 1 users lack their first items: histories hold 10"]


def test_a_training_file_is_used_where_it_is(tmp_path):
    raw = read(write(tmp_path, train=[("A", [1], 2)], valid=[("A", [1, 2], 3)], test=[("A", [1, 2, 3], 4)]))
    assert raw.interactions["item"].to_pylist() == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        ([("A", [1], 2), ("A", [1, 3], 4)], "valid.csv line 3: the history does not continue the user's rows before"),
        ([("A", "[1, 2", 2)], "valid.csv line 2: history_item_id is no list"),
        ([("A", "__import__('os')", 2)], "valid.csv line 2: history_item_id is no list"),
        ([("A", [1], 99)], "valid.csv line 2: an item that the index file lacks .99."),
    ],
)
def test_mistakes_name_the_line(tmp_path, valid, message):
    source = write(tmp_path, valid=valid, test=[("B", [1], 2)])
    with pytest.raises(UserError, match=message):
        read(source)
    source.options["skip_bad_lines"] = True
    assert read(source).skipped


def test_missing_and_broken_files(tmp_path):
    source = write(tmp_path, valid=[("A", [1], 2)])
    with pytest.raises(UserError, match="test.csv is no file"):
        read(source)
    (tmp_path / "item.json").write_text("{")
    with pytest.raises(UserError, match="item.json is not JSON"):
        read(source)
    (tmp_path / "item.json").write_text("[]")
    with pytest.raises(UserError, match="item.json holds a list, expected an object"):
        read(source)


def test_descriptions_as_they_occur():
    assert plain_text("['a', 'b']") == plain_text(["a", "b"]) == "a b"
    assert plain_text("[draft") == "[draft" and plain_text(None) == "" and plain_text("plain") == "plain"
