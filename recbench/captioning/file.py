"""Captions that the user already has: a csv, tsv or Parquet file with a column of items and one of captions."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from recbench.captioning.interface import Caption, Item, NoCaption
from recbench.data.sources.dialect import Layout, find_dialect, suffix_of
from recbench.data.sources.names import Names, whole_numbers
from recbench.data.sources.raw import BrokenLines, existing_file, given_path
from recbench.data.sources.reading import HARDLY
from recbench.data.sources.tabular import PARQUET, Described, Parser, check_columns, open_table, read_columns
from recbench.errors import UserError

NAMED = 5  # unknown items named in the note


class FileCaptioner:
    """Looks captions up by item."""

    name = "file"
    reads_images = False

    def __init__(self, captions: dict[str, str]) -> None:
        self.captions = captions

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """The file's caption of every item; none for an item that it lacks or leaves blank."""
        found = [self.captions.get(item.id, "") for item in items]
        return [Caption(text, tokens=0) if text.strip() else NoCaption("no caption in the file") for text in found]


def read_file(path: str | None, item_column: str = "item", caption_column: str = "caption") -> dict[str, str]:
    """Item -> caption, from the two columns of these names.

    Raises:
        UserError: no path, no such file, a missing column, a line that does not parse, an item with two captions.
    """
    if not path:
        raise UserError("captioner=file needs captioner.path=FILE: a csv, tsv or Parquet file with item and caption")
    file = given_path(path)
    if not file.is_file():
        raise UserError(f"captioner.path={path} is no file: give a csv, tsv or Parquet file with item and caption")
    columns = {"item": item_column, "caption": caption_column}
    broken = BrokenLines(skip=True)
    captions: dict[str, str] = {}
    try:
        table = open_table(existing_file(file), {}, Layout(delimiter=_delimiter(file, columns)))
        for key, column in columns.items():
            if column not in table.names:
                raise UserError(
                    f"there is no column {column}, only {', '.join(table.names)}; name the column of {key}s with "
                    f"captioner.{key}_column=COLUMN"
                )
        check_columns(file, table.names, columns)
        parsers: dict[str, Parser] = {"item": Names("item"), "caption": Described("caption")}
        found = read_columns(table, columns, parsers, broken, with_records=True)
        (items,), _ = whole_numbers([found.values["item"]])
        for record, item, caption in zip(
            found.records, items.to_pylist(), found.values["caption"].to_pylist(), strict=True
        ):
            text = caption or ""
            if captions.get(item, text) != text:
                place = f"{table.place} {table.lines([int(record)])[int(record)]}"
                raise UserError(f"{file.name} {place}: item {item!r} has another caption already; keep one of them")
            captions[item] = text
    except UserError as problem:  # of readers that also read data sets: their advice is about data.options
        raise UserError(f"captioner.path={path}: {str(problem).replace('; map it in data.options', '')}") from problem
    if broken.problems:
        raise UserError(f"captioner.path={path}: {broken.problems[0]}; correct the line")
    return captions


def _delimiter(file: Path, columns: Mapping[str, str]) -> str | None:
    """What stands between the file's values, its first line asked where the name is wrong; None for Parquet."""
    return None if suffix_of(file) in PARQUET else find_dialect(existing_file(file), columns).delimiter


def unknown_items(captions: Collection[str], items: Collection[str]) -> str | None:
    """One line that names items of the file which the catalogue lacks; None where it has all.

    Raises:
        UserError: the catalogue has none of them.
    """
    known = set(items)
    unknown = [item for item in captions if item not in known]
    if not unknown:
        return None
    named = ", ".join(unknown[:NAMED]) + (", ..." if len(unknown) > NAMED else "")
    met = len(captions) - len(unknown)
    wanted = ", ".join(list(items)[:NAMED])
    if not met:
        raise UserError(
            f"no item of the captions is in the catalogue: the file has such as {named}, the catalogue {wanted}; give "
            "captioner.path a file whose column item holds the catalogue's names"
        )
    if met < HARDLY * min(len(captions), len(known)):
        return (
            f"THE ITEMS OF THE CAPTIONS HARDLY OCCUR IN THE CATALOGUE: {met} of {len(captions)} do; the file has such "
            f"as {named}, the catalogue {wanted}"
        )
    return f"{len(unknown)} of {len(captions)} captions in the file are of items that the catalogue lacks: {named}"
