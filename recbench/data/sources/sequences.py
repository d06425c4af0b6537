"""One user a line: user and items in order, separated by white space (Amazon Beauty, Sports, MicroLens, Yelp)."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.sources.compressed import text_lines
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, read_options, source_file, source_path
from recbench.data.sources.reading import first_rows, keys_met
from recbench.data.sources.tabular import read_descriptions
from recbench.data.sources.values import NULLS
from recbench.errors import UserError
from recbench.schema import DataConfig
from recbench.strict_json import read_object, whole_characters

NONE = frozenset(NULLS)
OPTIONS = {
    "sequence_file": Option("user_sequence.txt", "one user a line, oldest item first"),
    "items_file": Option(str, "csv with a header; none: the catalogue is the items that occur"),
    "item_column": Option("item", "of the items file"),
    "title_column": Option("title", "of the items file"),
    "attributes_file": Option(str, "JSON object of item -> list of categories, the catalogue's column `categories`"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}


def read(config: DataConfig) -> RawData:
    """Read user sequences, and titles where a csv gives them.

    Raises:
        UserError: a missing or empty file, a missing column; and, by its line, a user without items or on two lines, a
            name that stands for none, an item on two lines; categories that are no lists.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    path = source_file(folder, options["sequence_file"])
    users, items = read_sequences(path, broken)
    warnings: list[str] = []
    told = sequence_facts(path, users, items, broken)
    if options["items_file"]:
        described = source_file(folder, options["items_file"])
        names = {"item": options["item_column"], "title": options["title_column"]}
        catalogue = read_descriptions(described, names, broken)
        met, warning = keys_met("item", items.dictionary_encode(), catalogue["item"].combine_chunks(), described.name)
        told["keys"] = [met]
        warnings += [warning] if warning else []
    else:
        catalogue = pa.table({"item": items.unique()})
    if options["attributes_file"]:
        known = read_attributes(source_file(folder, options["attributes_file"]))
        categories = [known.get(item, []) for item in catalogue["item"].to_pylist()]
        catalogue = catalogue.append_column("categories", pa.array(categories, pa.list_(pa.string())))
    interactions = pa.table({"user": users, "item": items})
    return RawData(catalogue, interactions, broken.problems, dict(broken.skipped), reading=[told], warnings=warnings)


def read_attributes(path: Path) -> dict[str, list[str]]:
    """Item -> its categories, in the file's order.

    Raises:
        UserError: no JSON object, or an item with something else than a list of texts or whole numbers.
    """
    attributes = read_object(path, "an object of item -> list of categories")
    for item, categories in attributes.items():
        if not isinstance(categories, list) or not all(type(one) in (str, int) for one in categories):
            raise UserError(f"{path}: item {item[:60]!r}: expected a list of categories, each a text or a whole number")
    return {item: [whole_characters(str(one)) for one in categories] for item, categories in attributes.items()}


def sequence_facts(path: Path, users: pa.Array, items: pa.Array, broken: BrokenLines) -> dict[str, Any]:
    """How the file of sequences was read."""
    return {
        "file": path.name,
        "holds": "interactions",
        "rows": len(items),
        "format": "a user a line and the items in order, white space between",
        "header": False,
        "columns": [],
        "left_out": dict(broken.skipped),
        "notes": [],
        "first_rows": first_rows(pa.table({"user": users, "item": items})),
    }


def read_sequences(path: Path, broken: BrokenLines) -> tuple[pa.Array, pa.Array]:
    """User and item of every interaction, in the file's order."""
    users: list[str] = []
    items: list[str] = []
    line_of_user: dict[str, int] = {}
    for number, line in text_lines(path):
        words = line.split()
        if not words:
            continue
        user, sequence = words[0], words[1:]
        if "\ufffd" in line:
            broken.report(path, number, "not UTF-8 text", line)
        elif none := next((word for word in words if word in NONE), None):
            broken.report(path, number, f"{none} is no name of a user or an item", line)
        elif not sequence:
            broken.report(path, number, "expected a user and at least one item", line)
        elif user in line_of_user:
            broken.report(path, number, "the user has a line already", f"{user}, line {line_of_user[user]}")
        else:
            line_of_user[user] = number
            users.extend([user] * len(sequence))
            items.extend(sequence)
    return pa.array(users, pa.string()), pa.array(items, pa.string())
