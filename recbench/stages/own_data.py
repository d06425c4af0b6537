"""recbench init: a user's own files as a config, `conf/data/NAME.yaml`, with what was understood of them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import OmegaConf

from recbench.config_folders import OWN, config_folder
from recbench.data.image_paths import locate_image
from recbench.data.roles import OF_DESCRIPTIONS, Roles, check_given, item_roles, log_roles, pictures_pattern
from recbench.data.sample import SAMPLE, Sample, open_any, sample_of
from recbench.data.sources import table
from recbench.data.sources.delimited import DelimitedFile
from recbench.data.sources.dialect import BY_SUFFIX, spoken, suffix_of
from recbench.data.sources.raw import RawData, shorten
from recbench.data.sources.reading import lines_of
from recbench.data.sources.tabular import TableFile
from recbench.data.sources.values import is_blank
from recbench.errors import UserError
from recbench.reporting.tables import Grid
from recbench.runs import atomic_path
from recbench.schema import DataConfig, did_you_mean

CELL = 40  # letters of a value that are shown
LEFT_OUT = 20  # columns left out that are shown
PICTURES = 1_000  # paths that are tried


@dataclass(frozen=True)
class Asked:
    """What a user says of their files; the rest is guessed."""

    log: Path
    items: Path | None = None
    images: Path | None = None
    captions: Path | None = None
    name: str | None = None
    folder: Path = Path(OWN)
    columns: Mapping[str, str] = field(default_factory=dict)  # our field -> column of the log; "none": no column
    item_columns: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()  # of the log's columns, where it has no header
    delimiter: str | None = None
    encoding: str = "utf-8"
    time_format: str | None = None
    context: tuple[str, ...] = ()  # columns of the log that describe an impression
    skip_bad_lines: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Understood:
    """The config that was written, and what to tell of it."""

    file: Path
    config: dict[str, Any]
    raw: RawData  # of the first rows, as the config reads them
    columns: list[tuple[str, str]]  # a file's column, and what it is
    lines: list[str]  # on pictures, and what was not sure
    next_commands: list[str]


def init(asked: Asked) -> Understood:
    """Guess what the files hold, read their first rows by that guess, and write the config.

    Raises:
        UserError: a file that is missing or cannot be read; a column that has to be named by the user; a config of that
            name that is there already.
    """
    name = asked.name or re.sub(r"\W+", "_", _stem(asked.log)).strip("_").lower()
    file = _place(asked, name)
    check_fields(asked.columns, table.FIELDS, "log")
    check_fields(asked.item_columns, ("item", *OF_DESCRIPTIONS), "file of items")
    opened = open_any(asked.log, asked.delimiter, asked.names, asked.encoding)
    sample = sample_of(opened)
    given, absent = _given(asked.columns)
    roles = log_roles(sample, given, asked.time_format, absent, describe=asked.items is None)
    options: dict[str, Any] = {"columns": {"user": None, "item": None} | roles.columns}
    options |= _written(opened, asked)
    if asked.context:
        _check_context(asked.context, sample, roles)
        options["context"] = {"categorical": list(asked.context)}
    if roles.timestamp_format:
        options["timestamp_format"] = roles.timestamp_format
    columns = _told(asked.log, roles, sample, asked.context)
    fields: list[str] = []
    lines: list[str] = []
    items = sample.columns[roles.columns["item"]]
    described = Roles({}) if asked.items else roles
    if asked.items is not None:
        described, more = _items(asked, items, options, columns)
        items, fields = more, list(described.categories)
    elif asked.item_columns:
        raise UserError(f"--{next(iter(asked.item_columns))} names a column of the file of items: give it with --items")
    pictures = asked.log.parent if asked.images is None else asked.images
    lines += _pictures(asked, described, items, options)
    if asked.skip_bad_lines:
        options["skip_bad_lines"] = True
    config = {
        "name": name,
        "path": str(asked.log),
        **({"images": str(pictures)} if asked.images is not None else {}),
        "fields": fields,
        "options": options,
    }
    captions = "" if asked.captions is None else captions_of(asked.captions, items, columns)
    raw = _read(config)
    lines += [*lines_of(raw.reading, rows=False), *picture_lines(raw, pictures), *raw.warnings]
    _write(file, config, _heading(asked, roles))
    return Understood(file, config, raw, columns, lines, next_commands(name, roles, asked.folder, raw, captions))


def check_fields(given: Mapping[str, str], known: Sequence[str], what: str) -> None:
    """Raise UserError for a field that no column of such a file can be."""
    for name in given:
        if name not in known:
            raise UserError(f"{name!r} is nothing that a column of a {what} is{did_you_mean(name, list(known))}")


# ---- from guesses to options


def _given(columns: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the user says columns are, and fields for which they say that there is none."""
    absent = tuple(name for name, column in columns.items() if column.lower() == "none")
    return {name: column for name, column in columns.items() if name not in absent}, absent


def _check_context(context: Sequence[str], sample: Sample, roles: Roles) -> None:
    for name in context:
        check_given(sample, {"context": name})
    if "label" not in roles.columns:
        raise UserError(f"--context {context[0]}: rows are no impressions; name the column of clicks with --label")


def _written(file: TableFile, asked: Asked) -> dict[str, Any]:
    """The options that say how the log is written, where its name does not."""
    if not isinstance(file, DelimitedFile):
        return {}
    told: dict[str, Any] = {}
    delimiter = file.dialect.delimiter
    if delimiter != BY_SUFFIX.get(suffix_of(file.path)):
        told["delimiter"] = spoken(delimiter).strip("'")
    if asked.encoding != "utf-8":
        told["encoding"] = asked.encoding
    if asked.names:
        told["names"] = list(asked.names)
    return told


def _items(
    asked: Asked, log_items: pa.Array, options: dict[str, Any], columns: list[tuple[str, str]]
) -> tuple[Roles, pa.Array]:
    """What the columns of the file of items are, and its items; adds to the options and to what is told."""
    assert asked.items is not None
    opened = open_any(
        asked.items, asked.delimiter if suffix_of(asked.items) not in BY_SUFFIX else None, (), asked.encoding
    )
    sample = sample_of(opened)
    given, absent = _given(asked.item_columns)
    roles = item_roles(sample, given, pc.unique(pc.drop_null(log_items)), absent)
    options["items_file"] = os.path.relpath(asked.items, asked.log.parent)
    if isinstance(opened, DelimitedFile) and opened.dialect.delimiter != BY_SUFFIX.get(suffix_of(asked.items)):
        options["items_delimiter"] = spoken(opened.dialect.delimiter).strip("'")
    options["item_columns"] = (
        {"item": "", "title": None} | roles.columns | {plain_name(name): name for name in roles.categories}
    )
    for field_ in OF_DESCRIPTIONS:
        options["columns"].pop(field_, None)
    columns += _told(asked.items, roles, sample)
    roles = Roles(roles.columns, tuple(plain_name(name) for name in roles.categories), roles.left_out)
    return roles, sample.columns[roles.columns["item"]]


def captions_of(path: Path, items: pa.Array, columns: list[tuple[str, str]]) -> str:
    """The value of `captioner=` that reads a file of captions, and its keys; adds to what is told.

    Raises:
        UserError: no column has items, or none is named as captions are and several could be.
    """
    sample = sample_of(open_any(path, None, (), "utf-8"))
    roles = item_roles(sample, {}, pc.unique(pc.drop_null(items)))
    others = [name for name in sample.columns if name != roles.columns["item"]]
    caption = roles.columns.get("caption") or (others[0] if len(others) == 1 else roles.columns.get("text"))
    if caption is None:
        raise UserError(
            f"--captions {path}: no column is named as captions are (columns: {', '.join(sample.columns)}); rename it "
            "to caption"
        )
    found = {"item": roles.columns["item"], "caption": caption}
    columns += [(f"{path.name}: {column}", key) for key, column in found.items()]
    keys = [f"captioner.{key}_column={quote(column)}" for key, column in found.items() if key != column]
    return " ".join(["file", f"captioner.path={path}", *keys])


def plain_name(column: str) -> str:
    """A column's name as the name of a field: letters, digits and underscores.

    >>> plain_name("Product type"), plain_name("2nd")
    ('Product_type', '_2nd')
    """
    name = re.sub(r"\W+", "_", column).strip("_") or "column"
    return f"_{name}" if name[0].isdigit() or name in ("item", *OF_DESCRIPTIONS, "caption") else name


def _told(path: Path, roles: Roles, sample: Sample, context: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Every column of a file in its order, with what it is."""
    meaning = {column: name for name, column in roles.columns.items()}
    rows = []
    for name in sample.columns:
        if name in meaning:
            what = meaning[name] + (
                f", as {roles.timestamp_format}" if meaning[name] == "timestamp" and roles.timestamp_format else ""
            )
        elif name in context:
            what = "context, a category"
        elif name in roles.categories:
            what = f"category {plain_name(name)}: {pc.count_distinct(sample.columns[name]).as_py():,} values"
        else:
            what = f"left out: {roles.left_out[name]}"
        rows.append((f"{path.name}: {name}", what))
    return rows


def _pictures(asked: Asked, roles: Roles, items: pa.Array, options: dict[str, Any]) -> list[str]:
    """What is found of the pictures; adds the option that names them after items, where no column does."""
    folder = asked.log.parent if asked.images is None else asked.images
    if asked.images is not None and not asked.images.is_dir():
        raise UserError(f"--images {asked.images} is no folder: give the folder that holds the pictures")
    if "image" not in roles.columns:
        if asked.images is None:
            return []
        pattern = pictures_pattern(sorted(os.listdir(folder)), items)
        if pattern is None:
            some = next(iter(pc.drop_null(items).to_pylist()), "ITEM")
            raise UserError(
                f"--images {folder}: no column names pictures, and none is called after an item, such as {some}.jpg; "
                "give the column with --image COLUMN"
            )
        options["image_pattern"] = pattern
        return [f"pictures: {pattern} in {folder}"]
    return []


def picture_lines(raw: RawData, folder: Path) -> list[str]:
    """How many pictures of the first items are there, and where one that is not was looked for."""
    if "image" not in raw.catalogue.column_names:
        return []
    images = pc.drop_null(raw.catalogue["image"]).to_pylist()[:PICTURES]
    paths = [one for image in images for one in (image if isinstance(image, list) else [image]) if not is_blank(one)]
    located = [(path, locate_image(folder, path)) for path in paths]
    found = sum(place.path is not None for _, place in located)
    told = f"pictures: {found:,} of the first {len(located):,} are there"
    if missing := next(((path, place.problem) for path, place in located if place.path is None), None):
        told += f"; {missing[1]}: {folder / missing[0]}"
    return [told]


def _read(config: Mapping[str, Any]) -> RawData:
    """The first rows by the config; raises UserError as the source does."""
    defaults = OmegaConf.load(config_folder() / "data" / "table.yaml")
    merged: Any = OmegaConf.merge(OmegaConf.structured(DataConfig), defaults, dict(config))
    merged.options.rows = SAMPLE
    try:
        return table.read(merged)
    except UserError as problem:
        raise UserError(str(problem).replace("data.options.skip_bad_lines=true", "--skip-bad-lines")) from problem


# ---- the config


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or path.name


def _place(asked: Asked, name: str) -> Path:
    """Where the config goes; raises UserError where one is there, or the name is none."""
    if not re.fullmatch(r"\w[\w-]*", name):
        raise UserError(f"--name {name!r}: expected letters, digits and underscores, such as shop")
    file = asked.folder / "data" / f"{name}.yaml"
    if file.exists() and not asked.replace:
        raise UserError(f"{file} is there already: give another --name, or --force to write it anew")
    built_in = config_folder() / "data" / f"{name}.yaml"
    if built_in.is_file():
        raise UserError(f"--name {name}: a built-in data set has this name; give another")
    return file


def _heading(asked: Asked, roles: Roles) -> str:
    what = "impressions" if "label" in roles.columns else "interactions"
    items = f" and items of {asked.items.name}" if asked.items else ""
    keys = "# Written by recbench init; recbench data --help-config data has every further key."
    return f"# {what.capitalize()} of {asked.log.name}{items}.\n{keys}\n"


def _write(file: Path, config: Mapping[str, Any], heading: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = heading + "defaults:\n  - table\n  - _self_\n" + OmegaConf.to_yaml(OmegaConf.create(dict(config)))
    with atomic_path(file) as partial:
        partial.write_text(text, encoding="utf-8")


def next_commands(name: str, roles: Roles, folder: Path, raw: RawData, captions: str = "") -> list[str]:
    """What to type now, the shortest first."""
    found = "" if folder == Path(OWN) else f" --config-dir {folder}"
    commands = [f"recbench data data={name}{found}"]
    if "label" in roles.columns:
        learns = {"image", "caption"} <= set(raw.catalogue.column_names)  # llava_small does, from captions of pictures
        captioner = captions or ("llava_small" if learns else "file captioner.path=CAPTIONS.csv")
        commands.append(f"recbench ctr data={name} captioner={captioner}{found}")
    return [*commands, f"recbench bench data={name}{found}"]


# ---- what is told


def tables(understood: Understood) -> list[Grid]:
    """What every column is, and the first rows as they will be read."""
    grids = [Grid("columns", ["column", "read as"], _fewer([list(row) for row in understood.columns]), prose=True)]
    for told in understood.raw.reading:
        rows = [["–" if value is None else shorten(value, CELL) for value in row] for row in told["first_rows"]["rows"]]
        grids.append(
            Grid(f"first rows of {told['file']}, as understood", told["first_rows"]["names"], rows, prose=True)
        )
    return grids


def _fewer(rows: list[list[str]]) -> list[list[str]]:
    """Rows of columns, of those left out only the first `LEFT_OUT`, the others as a number."""
    left_out = [place for place, (_, told) in enumerate(rows) if told.startswith("left out")]
    hidden = set(left_out[LEFT_OUT:])
    kept = [row for place, row in enumerate(rows) if place not in hidden]
    return [*kept, ["...", f"left out: {len(hidden):,} more (--json lists them)"]] if hidden else kept


def shown(understood: Understood) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": str(understood.file),
        "config": understood.config,
        "columns": [list(row) for row in understood.columns],
        "reading": understood.raw.reading,
        "warnings": understood.raw.warnings,
        "next": understood.next_commands,
    }
