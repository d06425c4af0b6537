"""The Amazon reviews of 2014, 2018 and 2023: whole files, and single rows."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

from torture.malformed_cases.case import FOLDER, HTML, MISSING, Case, Content, faults_of_text, garbled, harmless_changes
from torture.malformed_cases.sources import ITEMS, in_folder


def cases() -> Iterator[Case]:
    """Every case of these reviews."""
    yield from amazon("2018", REVIEWS_2018, META_2018, "Toys_5.json.gz", "meta_Toys.json.gz")
    yield from amazon("2023", REVIEWS_2023, META_2023, "Toys.jsonl.gz", "meta_Toys.jsonl.gz")
    yield from amazon_rows()


REVIEWS_2018: list[dict[str, Any]] = [
    {
        "reviewerID": f"U{user}",
        "asin": ITEMS[(user * 2 + step) % 7],
        "overall": 5.0,
        "unixReviewTime": 1_400_000_000 + 86_400 * step,
        "reviewText": "ok 1",
    }
    for user in range(8)
    for step in range(6)
]
META_2018: list[dict[str, Any]] = [
    {"asin": item, "title": f"Toy 1 {item}", "description": ["A fine", "toy"], "brand": "Acme", "category": ["Toys"]}
    for item in ITEMS
]
REVIEWS_2023: list[dict[str, Any]] = [
    {
        "rating": 5.0,
        "title": "ok",
        "text": "ok 1",
        "images": [],
        "asin": row["asin"],
        "parent_asin": row["asin"],
        "user_id": row["reviewerID"],
        "timestamp": row["unixReviewTime"] * 1000 + 923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
    for row in REVIEWS_2018
]
META_2023: list[dict[str, Any]] = [
    {
        "main_category": "Toys",
        "title": f"Toy 1 {item}",
        "average_rating": 4.8,
        "rating_number": 10,
        "features": ["red"],
        "description": ["A fine", "toy"],
        "price": None,
        "images": [{"thumb": "https://m.example/1.jpg", "large": "https://m.example/2.jpg", "variant": "MAIN"}],
        "videos": [],
        "store": "Acme",
        "categories": ["Toys"],
        "details": {"Brand": "Acme"},
        "parent_asin": item,
        "bought_together": None,
    }
    for item in ITEMS
]
CORE = ("data.min_user_interactions=3", "data.min_item_interactions=1")


def lines_of(rows: list[Any]) -> bytes:
    """JSON lines; a row that is bytes stands as it is."""
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def packed(content: bytes) -> bytes:
    """The same bytes every time."""
    return gzip.compress(content, mtime=0)


def amazon(year: str, reviews: list[Any], metas: list[Any], review_file: str, meta_file: str) -> Iterator[Case]:
    """The files of one release as wholes."""
    kind, data = f"amazon {year}", "amazon_magazine"
    texts = {review_file: lines_of(reviews), meta_file: lines_of(metas)}
    files = {name: packed(text) for name, text in texts.items()}
    whole = f"{kind}: as it should be"
    yield in_folder(whole, data, dict(files), *CORE, expect="take")
    plain = {name.removesuffix(".gz"): text for name, text in texts.items()}
    yield in_folder(f"{kind}: unpacked", data, dict(plain), *CORE, expect="take", twin=whole)
    yield in_folder(f"{kind}: unpacked, named gz", data, dict(texts), *CORE, expect="take", twin=whole)
    arrays: dict[str, Content] = {
        name.removesuffix(".gz"): json.dumps(rows).encode()
        for name, rows in ((review_file, reviews), (meta_file, metas))
    }
    yield in_folder(f"{kind}: arrays", data, arrays, *CORE, expect="take", twin=whole)
    indented: dict[str, Content] = {
        name: json.dumps(rows, indent=1).encode()
        for name, rows in ((review_file.removesuffix(".gz"), reviews), (meta_file.removesuffix(".gz"), metas))
    }
    yield in_folder(f"{kind}: indented arrays", data, indented, *CORE, expect="take", twin=whole)
    for name, text in texts.items():
        for fault, expect, content in faults_of_text(text, brief=year == "2023" or name == meta_file):
            if isinstance(content, bytes) and fault not in ("cut gzip", "bzip2", "empty"):
                content = packed(content)
            expect = "either" if (name == meta_file and fault == "missing") else expect
            yield in_folder(f"{kind}, {name}: {fault}", data, {**files, name: content}, *CORE, expect=expect)
        for change, content in harmless_changes(text):
            changed: dict[str, Content] = files | {name: packed(content)}
            yield in_folder(f"{kind}, {name}: {change}", data, changed, *CORE, expect="take", twin=whole)
        for damage, content in garbled(files[name], 1):
            yield in_folder(f"{kind}, {name}: {damage}", data, {**files, name: content}, *CORE)


def amazon_rows() -> Iterator[Case]:
    """Single rows of reviews and metadata."""

    def reviews(name: str, row: Any, release: str = "2018", expect: str = "refuse", **about: Any) -> Case:
        rows: list[Any] = list(REVIEWS_2018 if release == "2018" else REVIEWS_2023)
        rows[1] = (
            row if isinstance(row, bytes) else {key: value for key, value in {**rows[1], **row}.items() if value != ...}
        )
        files: dict[str, Content] = {"Toys.json.gz": packed(lines_of(rows))}
        return in_folder(f"reviews of {release}: {name}", "amazon_magazine", files, *CORE, expect=expect, **about)

    def metas(name: str, row: Any, release: str = "2018", expect: str = "take", **about: Any) -> Case:
        rows: list[Any] = list(META_2018 if release == "2018" else META_2023)
        rows[1] = (
            row if isinstance(row, bytes) else {key: value for key, value in {**rows[1], **row}.items() if value != ...}
        )
        first = REVIEWS_2018 if release == "2018" else REVIEWS_2023
        files: dict[str, Content] = {
            "Toys.json.gz": packed(lines_of(list(first))),
            "meta_Toys.json.gz": packed(lines_of(rows)),
        }
        return in_folder(f"metadata of {release}: {name}", "amazon_magazine", files, *CORE, expect=expect, **about)

    deep = (
        b'{"reviewerID": "U0", "asin": "B", "overall": 5, "unixReviewTime": 1, "x": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}"
    )
    lines = {
        "nested deeply": deep,
        "never closed": deep[:50_000],
        "a key twice": b'{"reviewerID": "U0", "reviewerID": "U1", "asin": "B1", "overall": 5, "unixReviewTime": 1}',
        "1e999": b'{"reviewerID": "U0", "asin": "B000000001", "overall": 1e999, "unixReviewTime": 1400000000}',
        "a time of 1e999": b'{"reviewerID": "U0", "asin": "B000000001", "overall": 5, "unixReviewTime": 1e999}',
        "Infinity": b'{"reviewerID": "U0", "asin": "B000000001", "overall": Infinity, "unixReviewTime": 1400000000}',
        "5,000 digits": b'{"reviewerID": "U0", "asin": "B000000001", "overall": 5, "unixReviewTime": '
        + b"9" * 5000
        + b"}",
        "an array": b'["U0", "B000000001", 5, 1400000000]',
        "a text": b'"U0"',
        "a number": b"5",
        "two objects": b"{} {}",
        "Python that calls": b"__import__('os').system('touch owned')",
        "Python nested deeply": b"{'reviewerID': " + b"(" * 10_000 + b")" * 10_000 + b"}",
        "Python of a huge power": b"{'reviewerID': 'U0', 'asin': 'B', 'overall': 9**9**9, 'unixReviewTime': 1}",
        "Python of a huge text": b"{'reviewerID': 'U0' * 10**10, 'asin': 'B', 'overall': 5, 'unixReviewTime': 1}",
    }
    for name, line in lines.items():
        yield reviews(name, line, words="line 2")
    for release, user, item, stars, time in (
        ("2018", "reviewerID", "asin", "overall", "unixReviewTime"),
        ("2023", "user_id", "parent_asin", "rating", "timestamp"),
    ):
        for key in (user, item, stars, time):
            for label, value in (
                ("lacking", ...),
                ("null", None),
                ("an object", {"x": 1}),
                ("true", True),
                ("nothing", ""),
                ("NaN", float("nan")),
                ("half a character", "\ud800"),
            ):
                yield reviews(f"{key} {label}", {key: value}, release, words="line 2")
        for value in (10**30, -(10**30), 1e300, "noon", "1e400"):
            yield reviews(f"{time} of {str(value)[:9]}", {time: value}, release, words="line 2")
        for value in ("five", "nan", "inf", 1e300, -7):
            expect = "either" if value in (1e300, -7) else "refuse"
            yield reviews(f"{stars} of {value}", {stars: value}, release, expect)
    for release, key in (("2018", "asin"), ("2023", "parent_asin")):
        yield metas(f"{key} lacking", {key: ...}, release, "refuse", words="line 2")
        for field in ("title", "description", "category" if release == "2018" else "categories", "brand", "price"):
            for label, value in (
                ("lacking", ...),
                ("null", None),
                ("NaN", float("nan")),
                ("a number", 1984),
                ("a text", "Plain & simple"),
                ("a list", ["One", None, "Two"]),
                ("a list of lists", [["One", "Two"], ["Three"]]),
                ("an object", {"a": 1}),
                ("half a character", "fine \ud83d"),
                ("a NUL", "fine \0 toy"),
                ("a megabyte", "fine " * 200_000),
                ("entities", "Wood &amp;amp; Wine &lt;3 &#x1F600; &#xD800; &#99999999;"),
            ):
                if release == "2018" or field in ("title", "categories"):
                    yield metas(f"{field} {label}", {field: value}, release)
        for images in (
            "https://m.example/1.jpg",
            ["https://m.example/1.jpg"],
            [{"large": None}],
            {"large": ["x"]},
            5,
            None,
        ):
            yield metas(f"images {json.dumps(images)[:20]}", {"images": images, "imageURL": images}, release)
    literal = [
        repr({"asin": item, "title": f"Toy's {item}", "categories": [["Toys", "Games"]], "price": 9.99}).encode()
        for item in ITEMS
    ]
    files: dict[str, Content] = {
        "reviews_Toys_5.json.gz": packed(lines_of(list(REVIEWS_2018))),
        "meta_Toys.json.gz": packed(lines_of(literal)),
    }
    yield in_folder("metadata of 2014: Python's literals", "amazon_magazine", files, *CORE, expect="take")
    both: dict[str, Content] = {
        "Toys_5.json.gz": packed(lines_of(list(REVIEWS_2018))),
        "Games_5.json.gz": packed(b"{}\n"),
    }
    yield in_folder("reviews: two files", "amazon_magazine", both, *CORE, words="Games_5.json.gz")
    yield in_folder("reviews: an empty folder", "amazon_magazine", {"notes.md": b"x"}, *CORE)
    yield in_folder("reviews: a page named gz", "amazon_magazine", {"Toys_5.json.gz": HTML}, *CORE)
    yield in_folder("reviews: a folder named gz", "amazon_magazine", {"Toys_5.json.gz": FOLDER}, *CORE)
    yield in_folder(
        "reviews: a name of nothing", "amazon_magazine", files, *CORE, "data.options.reviews_file=''", expect="either"
    )
    yield in_folder(
        "reviews: named, and missing",
        "amazon_magazine",
        {"x": MISSING, "y": b"z"},
        *CORE,
        "data.options.reviews_file=a.json.gz",
    )
    for value in ("nan", "inf", "high"):
        option = f"data.options.positive_rating={value}"
        yield in_folder(f"reviews: positive_rating {value}", "amazon_magazine", files, *CORE, option)
