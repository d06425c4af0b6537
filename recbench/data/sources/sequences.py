"""One user a line: the user, then the items in order, separated by white space (Amazon Beauty, Sports, MicroLens)."""

from pathlib import Path

import pyarrow as pa

from recbench.data.sources.raw import BrokenLines, Option, RawData, read_options, source_file, source_path
from recbench.data.sources.tabular import read_descriptions
from recbench.schema import DataConfig

OPTIONS = {
    "sequence_file": Option("user_sequence.txt", "one user a line, oldest item first"),
    "items_file": Option(str, "csv with a header; none: the catalogue is the items that occur"),
    "item_column": Option("item", "of the items file"),
    "title_column": Option("title", "of the items file"),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
}


def read(config: DataConfig) -> RawData:
    """Read user sequences, and titles where a csv gives them.

    Raises:
        UserError: a missing or empty file, a missing column; and, by its line, a user without items or on two lines, an
            item on two lines.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    users, items = read_sequences(source_file(folder, options["sequence_file"]), broken)
    if options["items_file"]:
        path = source_file(folder, options["items_file"])
        catalogue = read_descriptions(path, {"item": options["item_column"], "title": options["title_column"]}, broken)
    else:
        catalogue = pa.table({"item": pa.array(dict.fromkeys(items), pa.string())})
    interactions = pa.table({"user": pa.array(users, pa.string()), "item": pa.array(items, pa.string())})
    return RawData(catalogue, interactions, broken.problems, dict(broken.skipped))


def read_sequences(path: Path, broken: BrokenLines) -> tuple[list[str], list[str]]:
    """User and item of every interaction, in the file's order."""
    users: list[str] = []
    items: list[str] = []
    line_of_user: dict[str, int] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words:
                continue
            user, sequence = words[0], words[1:]
            if "\ufffd" in line:
                broken.report(path, number, "not UTF-8 text", line)
            elif not sequence:
                broken.report(path, number, "expected a user and at least one item", line)
            elif user in line_of_user:
                broken.report(path, number, "the user has a line already", f"{user}, line {line_of_user[user]}")
            else:
                line_of_user[user] = number
                users.extend([user] * len(sequence))
                items.extend(sequence)
    return users, items
