import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.captioning.file import FileCaptioner, read_file, unknown_items
from recbench.captioning.interface import Caption, Item, NoCaption
from recbench.errors import UserError


def item(name):
    return Item(0, name, "", "", {}, None)


def test_columns_of_other_names(tmp_path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("sku,words\n1,a hat\n2,\n")
    assert read_file(str(path), "sku", "words") == {"1": "a hat", "2": ""}
    with pytest.raises(UserError, match=r"no column SKU, only sku, words; name the column of items with captioner"):
        read_file(str(path), "SKU", "words")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_csv_may_have_another_delimiter(delimiter, tmp_path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text(f"sku{delimiter}words\nA 1{delimiter}a hat, red\n")
    assert read_file(str(path), "sku", "words") == {"A 1": "a hat, red"}


def test_ids_keep_their_zeros(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text('caption,item\n"red, with dots",0012\nblue,12\n')
    captioner = FileCaptioner(read_file(str(path)))
    assert captioner.caption([item("12"), item("0012")]) == [Caption("blue", 0), Caption("red, with dots", 0)]


def test_parquet_with_nulls_and_numbers(tmp_path):
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"item": [1, 2], "caption": ["red", None]}), path)
    captioner = FileCaptioner(read_file(str(path)))
    assert captioner.caption([item("1"), item("2"), item("3")]) == [
        Caption("red", 0),
        NoCaption("no caption in the file"),
        NoCaption("no caption in the file"),
    ]


@pytest.mark.parametrize(
    "content, words",
    [
        (
            "item,text\na,b\n",
            "no column caption, only item, text; name the column of captions with captioner.caption_column=COLUMN",
        ),
        ("item,caption\na,b\na,c\n", "line 3: item 'a' has another caption already"),
        ("item,caption\na,b,c\n", "line 2: another number of fields than the header"),
        ("", "is empty"),
    ],
)
def test_mistakes(content, words, tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_file(str(path))
    assert words in str(caught.value) and "data.options" not in str(caught.value)


def test_the_same_caption_twice_is_no_mistake(tmp_path):
    path = tmp_path / "captions.tsv"
    path.write_text("item\tcaption\na\tb\na\tb\n")
    assert read_file(str(path)) == {"a": "b"}


def test_unknown_items_are_named():
    assert unknown_items({"a": "", "b": ""}, ["b", "a"]) is None
    assert "2 of 3 captions" in unknown_items({"a": "", "x": "", "y": ""}, ["a"])
    assert unknown_items({str(n): "" for n in range(9)}, ["8", *"abcdefgh"]).startswith(
        "THE ITEMS OF THE CAPTIONS HARDLY"
    )
    assert unknown_items({str(n): "" for n in range(9)}, ["8"]).endswith(": 0, 1, 2, 3, 4, ...")


def test_captions_of_another_catalogue_are_refused():
    with pytest.raises(
        UserError, match="no item of the captions is in the catalogue: the file has such as zz, the catalogue a"
    ):
        unknown_items({"zz": "a lamp"}, ["a", "b"])
