"""JSON objects: MiniOneRec's items and semantic IDs, an index of item tokens, and csv files with lists in them."""

import json
from collections.abc import Iterator
from typing import Any

from torture.malformed_cases.bases import MARKET, MODEL, SHORT
from torture.malformed_cases.case import Case, Content, faults_of_text, harmless_changes
from torture.malformed_cases.sources import in_folder

INDEX: dict[str, Any] = {str(number): [f"<a_{number}>", "<b_1>"] for number in range(12)}
ITEM: dict[str, Any] = {
    str(number): {"title": f"Item {number}", "description": "['Fine 1.', 'Fast.']", "brand": "Acme", "categories": "x"}
    for number in range(12)
}


def sequences(first: int) -> str:
    """Rows of three users whose histories grow by one."""
    rows = ["user_id,history_item_id,item_id"]
    for user in range(3):
        items = [(user + step + 1) % 12 for step in range(first, first + 3)]
        start = [(user + step + 1) % 12 for step in range(first)]
        for place, item in enumerate(items):
            rows.append(f'u{user},"{[*start, *items[:place]]}",{item}')
    return "\n".join(rows) + "\n"


FILES = {
    "index.json": json.dumps(INDEX).encode(),
    "item.json": json.dumps(ITEM).encode(),
    "train.csv": sequences(1).encode(),
    "valid.csv": sequences(4).encode(),
    "test.csv": sequences(7).encode(),
}
JSON_FAULTS: dict[str, bytes] = {
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"5",
    "null": b"null",
    "an empty object": b"{}",
    "a key twice": b'{"0": ["a"], "0": ["b"]}',
    "nested deeply": b'{"0": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested deeply, open": b'{"0": ' + b"[" * 100_000,
    "1e999": b'{"0": [1e999]}',
    "two objects": b"{} {}",
    "a comma too many": b'{"0": ["a"],}',
    "single quotes": b"{'0': ['a']}",
    "a comment": b'{"0": ["a"]} // ids',
}


def cases() -> Iterator[Case]:
    """Every case of a JSON file."""
    yield from minionerec()
    yield from item_tokens()


def minionerec() -> Iterator[Case]:
    """The five files."""
    kind, data = "minionerec", "amazon_industrial"
    yield in_folder(f"{kind}: as it should be", data, dict(FILES), expect="take")
    for name in ("index.json", "item.json", "test.csv"):
        content = FILES[name]
        for fault, expect, broken in faults_of_text(content, brief=name != "index.json"):
            if name.endswith(".json") and fault == "UTF-16":  # which JSON may be in
                expect = "either"
            if name.endswith(".json") and fault in ("cut in the middle", "a line of a megabyte"):
                expect = "refuse"
            changed: dict[str, Content] = {**FILES, name: broken}
            yield in_folder(f"{kind}, {name}: {fault}", data, changed, expect=expect)
        for change, harmless in harmless_changes(content):
            changed = {**FILES, name: harmless}
            yield in_folder(f"{kind}, {name}: {change}", data, changed, expect="take", twin=f"{kind}: as it should be")
    for name in ("index.json", "item.json"):
        for fault, text in JSON_FAULTS.items():
            changed = {**FILES, name: text}
            expect = "either" if name == "item.json" and fault == "an empty object" else "refuse"
            yield in_folder(f"{kind}, {name}: {fault}", data, changed, expect=expect)
    values: dict[str, tuple[Any, str]] = {
        "null": (None, "either"),
        "a text": ("Glue", "either"),
        "a list": (["Glue"], "either"),
        "a number": (5, "either"),
        "a title of a list": ({"title": ["Glue"]}, "take"),
        "a title of a number": ({"title": 1984}, "take"),
        "a title of an object": ({"title": {"en": "Glue"}}, "take"),
        "a title with half a character": ({"title": "Glue \ud800"}, "take"),
        "a description of an object": ({"description": {"a": 1}}, "take"),
        "a description of lists": ({"description": [["a", "b"], ["c"]]}, "take"),
        "a description of nulls": ({"description": [None, "a"]}, "take"),
        "a description that looks like a list": ({"description": "[not a list"}, "take"),
        "a description that calls": ({"description": "[__import__('os').system('x')]"}, "take"),
        "a description nested deeply": ({"description": "[" * 100_000 + "]" * 100_000}, "take"),
        "a description of a huge power": ({"description": "[9**9**9]"}, "take"),
        "a brand of a list": ({"brand": ["Acme"]}, "take"),
        "a brand of a number": ({"brand": 3}, "take"),
        "a brand of an object": ({"brand": {"a": 1}}, "take"),
        "a brand of NaN": ({"brand": float("nan")}, "take"),
    }
    for name, (value, expect) in values.items():
        changed = {**FILES, "item.json": json.dumps({**ITEM, "3": value}).encode()}
        yield in_folder(f"{kind}, an item: {name}", data, changed, expect=expect)
    for name, history in {
        "a history that is no list": "u0",
        "a history that calls": "__import__('os').system('touch owned')",
        "a history nested deeply": "[" * 5000 + "]" * 5000,
        "a history of texts": "['a', 'b']",
        "a history of a huge power": "[9**9**9]",
        "a history of an unknown item": "[99]",
        "a history of nothing": "",
        "a history of a NUL": "[1\0]",
        "a history of five thousand digits": "[" + "9" * 5000 + "]",
        "a history of a set": "{1}",
        "a history of lists": "[[1]]",
    }.items():
        text = FILES["test.csv"].decode().splitlines()
        text[1] = f'u0,"{history}",9'
        changed = {**FILES, "test.csv": ("\n".join(text) + "\n").encode()}
        yield in_folder(f"{kind}: {name}", data, changed, words="line 2")
    for option in (
        "history=0",
        "history=-1",
        "history=ten",
        "index_file=''",
        "index_file=.",
        "test_file=null",
    ):
        yield in_folder(f"{kind}: {option}", data, dict(FILES), f"data.options.{option}")


def item_tokens() -> Iterator[Case]:
    """An index file of item tokens, from the user and from a tokenize run."""
    command = (
        "train",
        "--algo=sft",
        *MARKET,
        *MODEL,
        *SHORT,
        "algo.epochs=0.1",
        "item_tokens=given",
        "item_tokens.path=index.json",
    )
    index: dict[str, Any] = {f"i{number}": [f"<a_{number % 8}>", f"<b_{number // 8}>"] for number in range(64)}
    whole = json.dumps(index).encode()
    about: dict[str, Any] = {"base": "trained"}
    yield Case("index: as it should be", command, {"index.json": whole}, "take", **about)
    for fault, expect, content in faults_of_text(whole, brief=True):
        expect = "refuse" if fault in ("cut in the middle", "a line of a megabyte", "a NUL", "not UTF-8") else expect
        expect = "either" if fault == "UTF-16" else expect
        yield Case(f"index: {fault}", command, {"index.json": content}, expect, **about)
    for fault, text in JSON_FAULTS.items():
        yield Case(f"index: {fault}", command, {"index.json": text}, **about)
    for name, value in {
        "null": None,
        "a text": "<a_1><b_1>",
        "an empty list": [],
        "an object": {"0": "<a_1>"},
        "a list of null": [None, None],
        "a list of lists": [["<a_1>"], ["<b_1>"]],
        "a list of objects": [{"a": 1}],
        "a list of booleans": [True, False],
        "half a character": ["<a_1>", "\ud800"],
    }.items():
        changed = json.dumps({**index, "i3": value}).encode()
        expect = "either" if name == "half a character" else "refuse"
        yield Case(f"index: tokens that are {name}", command, {"index.json": changed}, expect, **about)
    for name, changes in {
        "an item lacking": {key: value for key, value in index.items() if key != "i3"},
        "two items alike": index | {"i3": index["i4"]},
        "no two items apart": dict.fromkeys(index, ["<a_1>"]),
        "one item a beginning of another": index | {"i3": index["i4"][:1]},
        "5,000 levels": index | {"i3": ["<a_9>"] * 5000},
    }.items():
        expect = "refuse" if name in ("an item lacking", "no two items apart") else "either"
        yield Case(f"index: {name}", command, {"index.json": json.dumps(changes).encode()}, expect, **about)
