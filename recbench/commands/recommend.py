"""The command that hands out what a policy recommends."""

from pathlib import Path
from typing import Annotated

import typer

from recbench.commands.options import AsJson, Debug, RunName, RunsFolder


def recommend(
    run: RunName = "latest",
    users: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="USER", help="Of the data; repeatable. None: ten examples.", show_default=False),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user of the data.")] = False,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="Histories of others: columns user and item, oldest first."),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=100_000, help="Items a user.")] = 10,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="COLUMN=VALUE", help="Only items of that kind; repeatable.", show_default=False),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="From all that users did; else from what stands before their test item.")
    ] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Also what a user has had.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write .parquet or .jsonl, batch by batch.")
    ] = None,
    pick: Annotated[
        str | None, typer.Option("--pick", metavar="METRIC", help="The checkpoint that this metric picked.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 is torch's own choice.")] = 0,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Recommend items to users of the data, or to histories of your own, by a training or by what an eval judged."""
    from recbench.console.terminal import print_json, show
    from recbench.error_lines import one_line_errors

    with one_line_errors("recommend", debug):
        from recbench.console.progress import say
        from recbench.errors import UserError
        from recbench.stages.recommend import Wanted, check_format, grid, recommendations, trained_run, write

        if sum((bool(users), everyone, history is not None)) > 1:
            raise UserError("--user, --all and --history each say for whom: give one of them")
        if to is not None:
            check_format(to)
        wanted = Wanted(
            k=k,
            users=tuple(users or ()),
            everyone=everyone,
            history=history,
            now=now,
            seen=seen,
            only=tuple(only or ()),
            pick=pick,
            device=device,
            threads=threads,
        )
        trained = trained_run(runs, run)
        rows, data = recommendations(trained, wanted)
        if to is not None:
            count = write(rows, to)
            say(f"{count:,} users: {to}")
            return
        if as_json:
            print_json({"run": trained.id, "data": data.name, "recommendations": list(rows)})
            return
        titled = "title" in data.catalogue.column_names
        titles = dict(zip(data.catalogue["item"], data.catalogue["title"], strict=True)) if titled else {}
        for row in rows:
            show([grid(row, titles)])
