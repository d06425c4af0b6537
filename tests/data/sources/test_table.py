from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.table import read
from recbench.errors import UserError
from recbench.schema import DataConfig


def config(path, **options) -> DataConfig:
    return DataConfig(name="toy", source="table", path=str(path), min_user_interactions=1, options=options)


COLUMNS = {"user": "who", "item": "what", "timestamp": "when", "rating": "stars"}


def test_a_mapped_csv_with_a_catalogue(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text(
        "when,who,what,stars,more\n20,ann,7,5,x\n10.0,ann,8,4,x\n1970-01-01T00:00:15,ann,9,3,x\n30,ann,9,4,x\n"
    )
    (tmp_path / "goods.tsv").write_text("id\tname\tkind\n9\tMug\tkitchen\n7\tLamp\t\n")
    source = config(
        path,
        columns=COLUMNS,
        positive_rating=4,
        items_file="goods.tsv",
        item_columns={"item": "id", "title": "name", "kind": "kind"},
    )
    build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.catalogue["item"][:] == ["9", "7", "8"] and data.catalogue["title"][:] == ["Mug", "Lamp", ""]
    assert data.catalogue["kind"][:] == ["kitchen", None, None]
    assert data.interactions.items.tolist() == [2, 1, 0]  # by time: 8 at 10, 7 at 20, 9 at 30; the 3 stars left out
    assert data.interactions.timestamps.tolist() == [10, 20, 30]
    assert pq.read_table(tmp_path / "run" / "interactions.parquet")["rating"].to_pylist() == [4, 5, 4]


def test_parquet_with_times_and_labels(tmp_path):
    table = pa.table({"user": [1, 1, 2], "item": [5, 6, 5], "t": [datetime(1970, 1, 2), None, None], "y": [1, 0, 0]})
    pq.write_table(table, tmp_path / "t.parquet")
    columns = {"user": "user", "item": "item", "label": "y"}
    raw = read(config(tmp_path / "t.parquet", columns=columns))
    assert raw.interactions.to_pylist()[1] == {"user": "1", "item": "6", "label": 0}
    with pytest.raises(UserError, match="t.parquet row 2: no timestamp"):
        read(config(tmp_path / "t.parquet", columns=columns | {"timestamp": "t"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,what,when,stars\nann,a,1,2\nbob,b,soon,2\n", "clicks.csv line 3: the timestamp is neither"),
        ("who,what,when,stars\nann,a,1,two\n", "clicks.csv line 2: the rating is no number"),
        ("who,what,when,stars\nann,,1,2\n", "clicks.csv line 2: no item"),
        ("who,what,when,stars\nann,a\n", "clicks.csv line 2: another number of fields than the header"),
        ("who,when,stars\nann,1,2\n", "clicks.csv has no column 'what' .for item., only who, when, stars"),
        ("", "clicks.csv is empty"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(tmp_path, text, message):
    (tmp_path / "clicks.csv").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read(config(tmp_path / "clicks.csv", columns=COLUMNS))
    assert "\n" not in str(error.value)


def test_a_header_alone_leaves_no_interactions(tmp_path):
    (tmp_path / "clicks.csv").write_text("user,item\n")
    with pytest.raises(UserError, match="data set toy has no rows: .*clicks.csv names columns and nothing else"):
        build(config(tmp_path / "clicks.csv"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_wrong_options_and_formats(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\na,b\n")
    with pytest.raises(UserError, match="columns.session is no key of data.options.columns; it knows: image, item"):
        read(config(path, columns={"user": "user", "item": "item", "session": "s"}))
    with pytest.raises(UserError, match="columns maps no item"):
        read(config(path, columns={"user": "user", "item": None}))
    with pytest.raises(UserError, match="positive_rating is 4.0, but"):
        read(config(path, positive_rating=4.0))
    with pytest.raises(UserError, match="positive_rating is 'four', expected a value of type float"):
        read(config(path, positive_rating="four"))
    other = tmp_path / "clicks.txt"
    other.write_text("user,item\na,b\n")
    with pytest.raises(UserError, match="ends in .txt, expected .csv, .tsv or .parquet"):
        read(config(other))
    fake = tmp_path / "clicks.parquet"
    fake.write_text("user,item\na,b\n")
    with pytest.raises(UserError, match="is not a Parquet file"):
        read(config(fake))
    with pytest.raises(UserError, match="is no file"):
        read(config(tmp_path))


def test_broken_csv_lines_are_skipped_and_counted(tmp_path):
    (tmp_path / "clicks.csv").write_bytes(b"user,item\na,b\nc\nd,\xff\n,e\nf,g\n")
    raw = read(config(tmp_path / "clicks.csv", skip_bad_lines=True))
    assert [row["user"] for row in raw.interactions.to_pylist()] == ["a", "f"]
    assert raw.skipped == {"another number of fields than the header": 1, "not UTF-8 text": 1, "no user": 1}
    assert raw.problems[0] == "clicks.csv line 3: another number of fields than the header (c)"
