"""MiniOneRec's preprocessed Amazon sets: csv files of (history, next item), item texts and semantic IDs in JSON.

A row holds the last ten items before an interaction and the interaction itself. A user's rows overlap, so that whole
sequences can be rebuilt from them even where a file is missing: see `rebuild_sequences`.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbench.data.sources.json_rows import literal, texts_of
from recbench.data.sources.raw import OF_FILES, BrokenLines, Option, RawData, read_options, source_file, source_path
from recbench.data.sources.tabular import read_rows
from recbench.errors import UserError
from recbench.schema import DataConfig
from recbench.strict_json import HALF_CHARACTER, kind_of, read_object, whole_characters

OPTIONS = {
    "train_file": Option("train.csv", "used if it is there"),
    "valid_file": Option("valid.csv", "rows of validation"),
    "test_file": Option("test.csv", "rows of test"),
    "index_file": Option("index.json", "item -> semantic ID; its items are the catalogue"),
    "item_file": Option("item.json", "item -> title, description, brand"),
    "history": Option(10, "histories are cut to this many items"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}
COLUMNS = {"user": "user_id", "history": "history_item_id", "item": "item_id"}

Row = tuple[Path, int, str, list[str], str]  # file, line, user, history, item


def read(config: DataConfig) -> RawData:
    """Read the catalogue and rebuild every user's sequence.

    Raises:
        UserError: a missing or empty file, a missing column; and, by its line, a list that is none, an item that the
            index lacks, or a history that contradicts the user's earlier rows.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    if options["history"] < 1:
        raise UserError(f"data.options.history is {options['history']}, expected at least 1")
    index = read_object(source_file(folder, options["index_file"]), "an object of item -> semantic ID")
    described = read_object(source_file(folder, options["item_file"]), "an object of item -> what it is")
    check_items(folder / options["index_file"], index)
    files = [source_file(folder, options[name]) for name in ("valid_file", "test_file")]
    if options["train_file"] and os.path.lexists(folder / options["train_file"]):
        files.insert(0, source_file(folder, options["train_file"]))
    rows = [row for path in files for row in parse_rows(path, set(index), broken)]
    sequences, cut = rebuild_sequences(rows, options["history"], broken)
    problems = list(broken.problems)
    if cut:
        problems.append(f"{cut} of {len(sequences)} users lack their first items: histories hold {options['history']}")
    interactions = pa.table(
        {
            "user": pa.array([user for user, items in sequences.items() for _ in items], pa.string()),
            "item": pa.array([item for items in sequences.values() for item in items], pa.string()),
        }
    )
    return RawData(
        describe_items(index, described, folder / options["item_file"]), interactions, problems, dict(broken.skipped)
    )


def parse_rows(path: Path, catalogue: set[str], broken: BrokenLines) -> Iterable[Row]:
    """The rows of one file that parse."""
    for line, row in read_rows(path, COLUMNS, broken):
        history = literal(str(row["history"]))
        if not isinstance(history, list) or not all(isinstance(item, int | str) for item in history):
            broken.report(path, line, "history_item_id is no list", row["history"])
            continue
        items = [str(item) for item in [*history, row["item"]]]
        unknown = [item for item in items if item not in catalogue]
        if unknown:
            broken.report(path, line, "an item that the index file lacks", unknown[0])
        else:
            yield path, line, row["user"], items[:-1], items[-1]


def rebuild_sequences(rows: Iterable[Row], history: int, broken: BrokenLines) -> tuple[dict[str, list[str]], int]:
    """Whole sequences from rows in order of time, each the last `history` items and the next one.

    A user's first row gives its history as it stands, every later row must continue it. Where the first history is
    full, what came before it is lost.

    Returns:
        user -> items, oldest first; and the number of users whose beginning may be lost.
    """
    sequences: dict[str, list[str]] = {}
    cut = 0
    for path, line, user, before, item in rows:
        if user not in sequences:
            sequences[user] = [*before, item]
            cut += len(before) >= history
        elif sequences[user][-history:] == before:
            sequences[user].append(item)
        else:
            broken.report(path, line, "the history does not continue the user's rows before", user)
    return sequences, cut


def check_items(path: Path, index: dict[str, Any]) -> None:
    """Raise UserError for an item of no name, or of one that no file can hold."""
    for item in index:
        if not item.strip() or HALF_CHARACTER.search(item):
            raise UserError(f"{path} has the item {ascii(item)[:60]}, expected a name; correct it")


def describe_items(index: dict[str, Any], described: dict[str, Any], path: Path) -> pa.Table:
    """The catalogue in the index's order: title, description as text, brand.

    Raises:
        UserError: an item that is described by something else than an object.
    """
    rows = [described.get(item, {}) for item in index]
    for item, row in zip(index, rows, strict=True):
        if not isinstance(row, dict):
            raise UserError(f"{path}: item {item!r} is {kind_of(row)}, expected an object with a title")
    return pa.table(
        {
            "item": pa.array(index, pa.string()),
            "title": pa.array([text_of(row.get("title")) for row in rows], pa.string()),
            "text": pa.array([plain_text(row.get("description")) for row in rows], pa.string()),
            "brand": pa.array([text_of(row.get("brand")) or None for row in rows], pa.string()),
        }
    )


def plain_text(description: Any) -> str:
    """A description as text: some are lists, and some the Python text of a list."""
    if isinstance(description, str) and description.startswith("["):
        parts = literal(description)
        description = description if parts is None else parts
    return text_of(description)


def text_of(value: Any) -> str:
    """A text as it stands; of a list its texts, with blanks between; of anything else what text there is."""
    if isinstance(value, list):
        return " ".join(text_of(part) for part in value)
    return whole_characters(value) if isinstance(value, str) else " ".join(texts_of(value))
