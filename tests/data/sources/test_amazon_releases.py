"""The releases of 2014, 2018 and 2023 through the real command line, and the shapes that their values come in."""

import gzip
import json

import pytest

from recbench.data.dataset import load_data

pytestmark = pytest.mark.slow

CORE = ["data=amazon_magazine", "data.min_user_interactions=3", "data.min_item_interactions=1"]
ITEMS = [f"B{number:09d}" for number in range(6)]
OLD = [
    {"reviewerID": f"U{user}", "asin": ITEMS[(user + step) % 6], "overall": 5.0, "unixReviewTime": 1_400_000_000 + step}
    for user in range(3)
    for step in range(4)
]
NEW = [
    {
        "rating": row["overall"],
        "title": "a review's title",
        "text": "ok",
        "images": [],
        "asin": "a variant",
        "parent_asin": row["asin"],
        "user_id": row["reviewerID"],
        "timestamp": 1000 * row["unixReviewTime"] + 923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
    for row in OLD
]


def lines(rows: list) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def made(workspace, folder, files: dict, *arguments: str):
    """The data set of a folder with these files."""
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        content = rows if isinstance(rows, bytes) else lines(rows)
        (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return load_data(workspace.made("data", *CORE, f"data.path={folder}", *arguments).path)


def test_2023_is_read_as_2018(tmp_path, fresh_workspace) -> None:
    metas = [
        {
            "main_category": "Toys & Games",
            "title": f"Toy {item}",
            "average_rating": 4.8,
            "features": [],
            "description": ["One.", "Two &amp; three."],
            "price": None,
            "images": [{"thumb": "https://m.example/1.jpg", "large": "https://m.example/2.jpg", "hi_res": None}],
            "store": "Acme",
            "categories": ["Toys & Games", "Games"],
            "details": {"Brand": "Acme"},
            "parent_asin": item,
            "bought_together": None,
        }
        for item in ITEMS
    ]
    files = {"Toys.jsonl.gz": NEW, "meta_Toys.jsonl.gz": metas}
    data = made(fresh_workspace, tmp_path / "new", files)
    old = made(fresh_workspace, tmp_path / "old", {"Toys_5.json.gz": OLD})
    assert data.interactions.users == old.interactions.users == ["U0", "U1", "U2"]
    items = [data.catalogue["item"][row] for row in data.interactions.items]
    assert items == [old.catalogue["item"][row] for row in old.interactions.items] == [row["asin"] for row in OLD]
    assert data.catalogue[0] == {
        "item": ITEMS[0],
        "title": f"Toy {ITEMS[0]}",
        "text": "One. Two & three.",
        "image": None,
        "brand": "Acme",
        "category": "Toys & Games > Games",
    }
    plain = made(fresh_workspace, tmp_path / "plain", {"Toys.jsonl": NEW, "meta_Toys.jsonl": metas})
    assert plain.fingerprint == data.fingerprint
    array = made(
        fresh_workspace, tmp_path / "array", {"Toys.json": json.dumps(NEW, indent=1).encode(), "meta_Toys.json": metas}
    )
    assert array.fingerprint == data.fingerprint


def test_reviews_within_a_second_keep_their_order(tmp_path, fresh_workspace) -> None:
    rows = [row | {"timestamp": 1_588_687_728_900 - 10 * place} for place, row in enumerate(NEW)]
    data = made(fresh_workspace, tmp_path / "d", {"Toys.jsonl.gz": rows})
    user = data.interactions.users.index("U0")
    own = data.interactions.items[data.interactions.offsets[user] : data.interactions.offsets[user + 1]]
    assert [data.catalogue["item"][row] for row in own] == [row["parent_asin"] for row in NEW[:4]][::-1]


def test_2014_has_dictionaries_of_python(tmp_path, fresh_workspace) -> None:
    metas = [
        repr({"asin": item, "title": f"Anna's toy {item}", "categories": [["Toys", "Games"], ["Other"]], "price": 9.99})
        for item in ITEMS
    ]
    data = made(fresh_workspace, tmp_path / "d", {"reviews_Toys_5.json.gz": OLD, "meta_Toys.json.gz": metas})
    assert data.catalogue[0]["title"] == f"Anna's toy {ITEMS[0]}" and data.catalogue[0]["category"] == "Toys > Games"


SHAPES = [
    ({"description": "A fine wooden toy &amp; more"}, "text", "A fine wooden toy & more"),
    ({"description": ["A fine", "", None, "toy"]}, "text", "A fine toy"),
    ({"description": [["A", "fine"], ["toy"]]}, "text", "A fine toy"),
    ({"description": {"a": 1}}, "text", ""),
    ({"description": None}, "text", ""),
    ({"description": float("nan")}, "text", ""),
    ({"description": "Tom &amp;amp; Jerry, 3 &lt; 5"}, "text", "Tom &amp; Jerry, 3 < 5"),  # once
    ({"description": "half \ud83d a smile"}, "text", "half \ufffd a smile"),
    ({"title": "Blocks, ages <3 years"}, "title", "Blocks, ages <3 years"),
    ({"title": "a <b and c> d"}, "title", "a <b and c> d"),
    ({"title": "<b>Bold</b> toy<br />"}, "title", "Bold toy"),
    ({"title": '<span class="a-size-medium a-color-secondary"'}, "title", ""),
    ({"title": "<span id=\"t\" class='x'>Toy</span>"}, "title", "Toy"),
    ({"title": "&lt;b&gt; is a tag"}, "title", "<b> is a tag"),
    ({"title": 1984}, "title", "1984"),
    ({"title": ["Toy", "Game"]}, "title", "Toy Game"),
    ({"category": "Toys"}, "category", "Toys"),
    ({"category": ["Toys", "Games &amp; more"]}, "category", "Toys > Games & more"),
    ({"category": None}, "category", None),
    ({"brand": ["Acme"]}, "brand", "Acme"),
    ({"brand": 3}, "brand", "3"),
    ({"brand": " "}, "brand", None),
    ({"price": "$12.99", "imageURL": ["https://m.example/1.jpg"], "images": {"large": [None]}}, "title", "x"),
]


def test_shapes_of_values(tmp_path, fresh_workspace) -> None:
    items = [f"C{number:09d}" for number in range(len(SHAPES))]
    metas = [{"asin": item, "title": "x"} | meta for item, (meta, _, _) in zip(items, SHAPES, strict=True)]
    files = {"Toys.json.gz": OLD, "meta_Toys.json.gz": [*metas, {"asin": ITEMS[0]}]}
    catalogue = made(fresh_workspace, tmp_path / "d", files).catalogue
    for row, (meta, field, expected) in enumerate(SHAPES):
        assert catalogue[row]["item"] == items[row]
        assert catalogue[row][field] == expected, meta


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"overall": "high"}, "line 2: overall is no number"),
        ({"overall": True}, "line 2: no overall"),
        ({"unixReviewTime": 10**30}, "line 2: unixReviewTime is no time in seconds or milliseconds since 1970"),
        ({"unixReviewTime": [1]}, "line 2: no unixReviewTime"),
        ({"reviewerID": None}, "line 2: no reviewerID"),
        ({"reviewerID": ["U"]}, "line 2: no reviewerID"),
        ({"reviewerID": "NULL"}, "line 2: no reviewerID: NULL stands for none"),
        ({"asin": "\ud800"}, "line 2: asin is not UTF-8 text"),
        (
            '{"reviewerID": "U", "asin": "B", "overall": 1e999, "unixReviewTime": 1}',
            "the number 1e999 is beyond every range",
        ),
        ('{"reviewerID": "U", "reviewerID": "V"}', "an object has the key 'reviewerID' twice"),
        ('{"x": ' + "[" * 100_000, "line 2: not a JSON object (it is nested too deeply)"),
        ("{'reviewerID': __import__('os').system('touch owned')}", "line 2: not a JSON object"),
        ("{'overall': 9**9**9}", "line 2: not a JSON object"),
        ('["U", "B", 5, 1]', "line 2: not a JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_rows_that_cannot_be_read(change, words, tmp_path, fresh_workspace, refuse) -> None:
    rows = [OLD[0], OLD[1] | change if isinstance(change, dict) else change, *OLD[2:]]
    (tmp_path / "Toys.json").write_bytes(lines(rows))
    refuse(fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}"), words)
    assert not fresh_workspace.root.exists()
    result = fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}", "data.options.skip_bad_lines=true", "--json")
    assert json.loads(result.out)["metrics"]["interactions"] == len(OLD) - 1


def test_files_that_do_not_belong_together(tmp_path, fresh_workspace, refuse) -> None:
    (tmp_path / "Toys.json").write_bytes(lines(OLD))
    (tmp_path / "meta_Toys.json").write_bytes(lines([{"asin": "elsewhere"}]))
    refuse(fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}"), "describes none of the items of Toys.json")
    (tmp_path / "Games.json").write_bytes(lines(OLD[1:]))
    refuse(fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}"), "found Games.json, Toys.json")


def test_a_limit_can_be_raised_by_name(tmp_path, fresh_workspace, refuse) -> None:
    (tmp_path / "Toys.json.gz").write_bytes(gzip.compress(lines(OLD), mtime=0) + gzip.compress(b"\n" * (1 << 20)) * 65)
    refuse(fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}"), "data.options.most_expansion")
    more = fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}", "data.options.most_expansion=2000", "--json")
    assert json.loads(more.out)["metrics"]["interactions"] == len(OLD)
    less = fresh_workspace.stage("data", *CORE, f"data.path={tmp_path}", "data.options.most_expansion=0")
    refuse(less, "data.options.most_expansion is 0")
