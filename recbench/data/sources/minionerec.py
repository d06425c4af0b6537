"""MiniOneRec's preprocessed Amazon sets: csv files of (history, next item), item texts and semantic IDs in JSON.

A row holds the last ten items before an interaction and the interaction itself. A user's rows overlap, so that whole
sequences can be rebuilt from them even where a file is missing: see `rebuild_sequences`. Which file a row is in says
what it is for: data.split=given keeps to that, as MiniOneRec does (by time, 8:1:1 over the rows).
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from recbench.data.interactions import TEST, TRAIN, VALIDATION
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

FILES = {"train_file": TRAIN, "valid_file": VALIDATION, "test_file": TEST}  # in order of time


class Row(NamedTuple):
    """One line of a file: an interaction, what came before it, and what the file is for."""

    path: Path
    line: int
    user: str
    history: list[str]
    item: str
    split: int  # TRAIN, VALIDATION or TEST


class Sequences(NamedTuple):
    """Whole sequences, oldest item first, by user."""

    items: dict[str, list[str]]
    split: dict[str, list[int]]  # of every item: TRAIN, VALIDATION or TEST, as data.split=given has it
    cut: int  # users whose beginning may be lost


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
    trained = os.path.lexists(folder / options["train_file"])
    files = {name: source_file(folder, options[name]) for name in FILES if trained or name != "train_file"}
    rows = [row for name, path in files.items() for row in parse_rows(path, FILES[name], set(index), broken)]
    if config.split == "given":
        check_given(rows, options["skip_bad_lines"])
    sequences = rebuild_sequences(rows, options["history"], broken)
    problems = list(broken.problems)
    if sequences.cut:
        problems.append(
            f"{sequences.cut} of {len(sequences.items)} users lack their first items: histories hold "
            f"{options['history']}"
        )
    if config.split == "given" and not trained:
        problems.append(without_training_file(sequences, options["train_file"]))
    interactions = pa.table(
        {
            "user": pa.array([user for user, items in sequences.items.items() for _ in items], pa.string()),
            "item": pa.array([item for items in sequences.items.values() for item in items], pa.string()),
            "split": pa.array([split for splits in sequences.split.values() for split in splits], pa.int8()),
        }
    )
    return RawData(
        describe_items(index, described, folder / options["item_file"]), interactions, problems, dict(broken.skipped)
    )


def parse_rows(path: Path, split: int, catalogue: set[str], broken: BrokenLines) -> Iterable[Row]:
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
            yield Row(path, line, row["user"], items[:-1], items[-1], split)


def check_given(rows: Iterable[Row], skip_bad_lines: bool) -> None:
    """Raise UserError where the files cannot be the split as it stands: for lines left out, and an empty history."""
    if skip_bad_lines:
        raise UserError(
            "data.options.skip_bad_lines=true with data.split=given: the item of a row left out would be trained on "
            "as a part of later histories; correct the row, or use data.split=leave_one_out"
        )
    for row in rows:
        if not row.history:
            raise UserError(
                f"{row.path.name} line {row.line}: the history is empty; expected at least one item, as data.split="
                "given makes every row a case: leave the row out of the file"
            )


def rebuild_sequences(rows: Iterable[Row], history: int, broken: BrokenLines) -> Sequences:
    """Whole sequences from rows in order of time, each the last `history` items and the next one.

    A user's first row gives its history as it stands, every later row must continue it. Where the first history is
    full, what came before it is lost.

    An item is for what its row's file is for. What a first history holds from its second item on is the item of an
    earlier row, so of one that is for training, and its first item came before that. A lone item may be as late as the
    row itself, and goes with it: it is no case, having no history, and is not trained on.
    """
    items: dict[str, list[str]] = {}
    splits: dict[str, list[int]] = {}
    cut = 0
    for row in rows:
        user = row.user
        if user not in items:
            items[user] = [*row.history, row.item]
            before = TRAIN if len(row.history) > 1 else row.split
            splits[user] = [before] * len(row.history) + [row.split]
            cut += len(row.history) >= history
        elif items[user][-history:] == row.history:
            items[user].append(row.item)
            splits[user].append(row.split)
        else:
            broken.report(row.path, row.line, "the history does not continue the user's rows before", user)
    return Sequences(items, splits, cut)


def without_training_file(sequences: Sequences, name: str) -> str:
    """What can be trained on where only the rows of validation and test are there, in a line."""
    known = [splits.count(TRAIN) for splits in sequences.split.values()]
    users = sum(count > 0 for count in known)
    return (
        f"without {name} the histories show {sum(known):,} interactions of {users:,} users from "
        f"before validation to train on; {len(known) - users:,} users of validation and test show none, and users of "
        "the training period alone are missing"
    )


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
