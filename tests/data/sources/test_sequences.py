import gzip

import pytest

from recbench.data.sources.sequences import read
from recbench.errors import UserError
from recbench.schema import DataConfig


def config(folder, **options) -> DataConfig:
    return DataConfig(name="toy", source="sequences", path=str(folder), options=options)


def test_users_items_and_titles_in_the_files_order(tmp_path):
    (tmp_path / "user_sequence.txt").write_text("ann  b a\tb\n\nbob a\n")
    (tmp_path / "items.csv").write_text('asin,other,title\na,1,"Mug, red"\nc,2,Lamp\n')
    raw = read(config(tmp_path, items_file="items.csv", item_column="asin"))
    pairs = [(row["user"], row["item"]) for row in raw.interactions.to_pylist()]
    assert pairs == [("ann", "b"), ("ann", "a"), ("ann", "b"), ("bob", "a")]
    assert raw.catalogue.to_pylist() == [{"item": "a", "title": "Mug, red"}, {"item": "c", "title": "Lamp"}]
    assert raw.problems == []
    # without titles the catalogue is what occurs, in order of appearance
    assert read(config(tmp_path)).catalogue.to_pylist() == [{"item": "b"}, {"item": "a"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"ann a\nbob\n", "line 2: expected a user and at least one item [(]bob[)]; .*skip_bad_lines=true"),
        (b"ann a\nbob b\nann c\n", "line 3: the user has a line already [(]ann, line 1[)]"),
        (b"ann a\n\nb\xffb c d\n", "line 3: not UTF-8 text"),
        (b"", "user_sequence.txt is empty"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(tmp_path, text, message):
    (tmp_path / "user_sequence.txt").write_bytes(text)
    with pytest.raises(UserError, match=message) as error:
        read(config(tmp_path))
    assert "\n" not in str(error.value)


def test_bad_lines_are_counted_by_reason_where_the_user_skips_them(tmp_path):
    (tmp_path / "user_sequence.txt").write_text("ann a\nbob\ncat\nann b\n")
    raw = read(config(tmp_path, skip_bad_lines=True))
    assert raw.skipped == {"expected a user and at least one item": 2, "the user has a line already": 1}
    assert raw.problems[0] == "user_sequence.txt line 2: expected a user and at least one item (bob)"
    assert raw.interactions.num_rows == 1


def test_missing_places_and_columns(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        read(config(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="user_sequence.txt is no file"):
        read(config(tmp_path))
    with pytest.raises(UserError, match="data.path is missing"):
        read(DataConfig(name="toy", source="sequences"))
    (tmp_path / "user_sequence.txt").write_text("ann a\n")
    with pytest.raises(UserError, match="is a file, expected the folder that holds user_sequence.txt"):
        read(config(tmp_path / "user_sequence.txt"))
    (tmp_path / "items.csv").write_text("asin,title\na,Mug\n")
    with pytest.raises(UserError, match="items.csv has no column 'item' .*only asin, title"):
        read(config(tmp_path, items_file="items.csv"))
    with pytest.raises(UserError, match="no option of source sequences"):
        read(config(tmp_path, file="x"))


def test_names_that_stand_for_none_are_refused(tmp_path):
    (tmp_path / "user_sequence.txt").write_text("ann a b c\nNULL a b\nbob a nan\n")
    with pytest.raises(UserError, match="user_sequence.txt line 2: NULL is no name of a user or an item"):
        read(config(tmp_path))
    raw = read(config(tmp_path, skip_bad_lines=True))
    assert raw.interactions["user"].to_pylist() == ["ann"] * 3 and sum(raw.skipped.values()) == 2


def test_packed_sequences_and_titles_that_do_not_fit(tmp_path):
    (tmp_path / "user_sequence.txt").write_bytes(gzip.compress(b"ann 01 02 03\n"))
    (tmp_path / "items.csv").write_text("item,title\n1,A\n2,B\n3,C\n")
    raw = read(config(tmp_path, items_file="items.csv"))
    assert raw.interactions["item"].to_pylist() == ["01", "02", "03"]
    assert raw.warnings[0].startswith("THE ITEMS OF THE LOG HARDLY OCCUR IN items.csv: 0 of 3 do")
    assert raw.warnings[0].endswith("without leading zeros, 3 would")


def test_categories_are_a_multi_valued_column(tmp_path):
    (tmp_path / "user_sequence.txt").write_text("1 2 3 4\n")
    (tmp_path / "item_attributes.json").write_text('{"3": [7, "bar"], "2": [], "9": [1]}')
    raw = read(config(tmp_path, attributes_file="item_attributes.json"))
    assert raw.catalogue["item"].to_pylist() == ["2", "3", "4"]
    assert raw.catalogue["categories"].to_pylist() == [[], ["7", "bar"], []]
    for text, message in (
        ('{"3": 7}', "item '3': expected a list of categories"),
        ("[]", "expected an object of item"),
    ):
        (tmp_path / "item_attributes.json").write_text(text)
        with pytest.raises(UserError, match=message):
            read(config(tmp_path, attributes_file="item_attributes.json"))
    (tmp_path / "item_attributes.json").unlink()
    with pytest.raises(UserError, match="item_attributes.json is no file"):
        read(config(tmp_path, attributes_file="item_attributes.json"))
