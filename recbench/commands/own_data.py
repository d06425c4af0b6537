"""The command that turns a user's own files into a config: init."""

from pathlib import Path
from typing import Annotated

import typer

from recbench.commands.options import AsJson, Debug

OF_LOG = {"user": "user", "item": "item", "time": "timestamp", "label": "label", "rating": "rating"}
OF_ITEMS = {"item_key": "item", "title": "title", "text": "text", "image": "image", "caption": "caption"}


def _column(what: str) -> typer.models.OptionInfo:
    return typer.Option(metavar="COLUMN", help=what, show_default=False)  # type: ignore[no-any-return]


def init(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="A row an interaction or impression: csv, tsv, Parquet.")],
    items: Annotated[
        Path | None, typer.Option("--items", metavar="FILE", help="A row an item, with titles and categories.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="FOLDER", help="Pictures that a column names, or called after the items."),
    ] = None,
    captions: Annotated[
        Path | None, typer.Option("--captions", metavar="FILE", help="Captions that you have, of the log's items.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the data set; none: as the log is called.")] = None,
    user: Annotated[str | None, _column("Of the log: who.")] = None,
    item: Annotated[str | None, _column("Of the log: what.")] = None,
    label: Annotated[str | None, _column("Of the log: 1 for a click, 0 for none; none: rows are interactions.")] = None,
    rating: Annotated[str | None, _column("Of the log.")] = None,
    time: Annotated[str | None, _column("Of the log; none: the rows are in order.")] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", metavar="FORMAT", help="Of times, such as '%d/%m/%Y %H:%M'.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", metavar="COLUMN,...", help="Of the log: categories that describe an impression."),
    ] = None,
    item_key: Annotated[str | None, _column("Of the file of items: what the log calls the item.")] = None,
    title: Annotated[str | None, _column("Of the file of items.")] = None,
    text: Annotated[str | None, _column("Of the file of items: a description.")] = None,
    image: Annotated[str | None, _column("Of the file of items: the path of a picture.")] = None,
    caption: Annotated[str | None, _column("Of the file of items: a caption that is known to be right.")] = None,
    names: Annotated[
        str | None, typer.Option("--names", metavar="NAME,...", help="Of the log's columns, where it has no header.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Between the log's values; none: as its first lines tell.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of both files.")] = "utf-8",
    config_dir: Annotated[
        Path, typer.Option("--config-dir", metavar="FOLDER", help="Your folder of configs, which is made if need be.")
    ] = Path("conf"),
    skip_bad_lines: Annotated[
        bool,
        typer.Option("--skip-bad-lines", help="Leave out lines that do not parse, counted; else the first ends it."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write a config that is there already anew.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make your files a data set: guess their columns, show the first rows as understood, write conf/data/NAME.yaml.

    COLUMN none says that there is no such column.
    """
    from recbench.console.progress import say
    from recbench.console.terminal import print_json, show, show_lines
    from recbench.error_lines import one_line_errors

    chosen = {"user": user, "item": item, "time": time, "label": label, "rating": rating}
    of_items = {"item_key": item_key, "title": title, "text": text, "image": image, "caption": caption}
    with one_line_errors("init", debug):
        from recbench.stages.own_data import Asked, init, shown, tables

        understood = init(
            Asked(
                log,
                items,
                images,
                captions,
                name,
                config_dir,
                {OF_LOG[key]: column for key, column in chosen.items() if column is not None},
                {OF_ITEMS[key]: column for key, column in of_items.items() if column is not None},
                tuple(one.strip() for one in names.split(",")) if names else (),
                delimiter,
                encoding,
                time_format,
                tuple(one.strip() for one in context.split(",")) if context else (),
                skip_bad_lines,
                force,
            )
        )
        if as_json:
            print_json(shown(understood))
            return
        show(tables(understood))
        show_lines(understood.lines)
        say(f"wrote {understood.file}; next:")
        for command in understood.next_commands:
            say(f"  {command}")
