"""The commands about runs: a list of them, and show, diff, open, rm and prune."""

from pathlib import Path
from typing import Annotated

import typer

from recbench.commands.options import AsJson, Debug, RunName, RunsFolder
from recbench.completion import complete_run

app = typer.Typer(invoke_without_command=True, help="List runs, the newest first; or look after them.")
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only what would go is told.")]


@app.callback()
def list_runs(
    context: typer.Context,
    stage: Annotated[str | None, typer.Option(help="Only this stage's, such as data, ctr or eval.")] = None,
    data: Annotated[str | None, typer.Option(help="Only this data set's.")] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List runs, the newest first; or look after them."""
    if context.invoked_subcommand is not None:
        return
    from recbench.console.terminal import print_json
    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.console.screen import terminal_width
        from recbench.console.terminal import show_lines
        from recbench.stages.runs import run_lines, run_rows

        rows = run_rows(runs, stage, data)
        if as_json:
            print_json({"runs": rows})
        else:
            show_lines(run_lines(rows, terminal_width()))


@app.command()
def show(
    run: RunName = "latest", runs: RunsFolder = Path("runs"), as_json: AsJson = False, debug: Debug = False
) -> None:
    """Say what a run found, was made from, is used by and takes on the disk."""
    from recbench.console.terminal import print_json, show_lines
    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.stages.run_folders import show as shown

        lines, about = shown(runs, run)
        print_json(about) if as_json else show_lines(lines)


@app.command()
def diff(
    first: RunName,
    second: RunName,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Set two runs side by side: settings, inputs, versions and numbers that differ."""
    from recbench.console.terminal import print_json
    from recbench.console.terminal import show as show_grids
    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.stages.run_folders import diff as difference

        grids, found = difference(runs, first, second)
        print_json(found) if as_json else show_grids(grids)


@app.command("open")
def open_report(run: RunName = "latest", runs: RunsFolder = Path("runs"), debug: Debug = False) -> None:
    """Open the report of a run in a browser, and print where it is."""
    import webbrowser

    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.errors import UserError
        from recbench.runs import resolve_run

        page = resolve_run(runs, run, statuses=("done", "failed")).report.resolve()
        if not page.is_file():
            raise UserError(f"{page} is not there: 'recbench report {run}' writes it")
        typer.echo(str(page))
        webbrowser.open(page.as_uri())


@app.command("rm")
def remove_runs(
    named: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", autocompletion=complete_run, help="Paths, or beginnings of ids."),
    ],
    runs: RunsFolder = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Also what other runs were made from.")] = False,
    debug: Debug = False,
) -> None:
    """Delete runs; what others were made from only with --force."""
    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.stages.run_folders import removals, remove

        found = removals(runs, named, force)
        remove(found)
        _tell([(str(one.path), one.bytes) for one in found], "deleted")


@app.command()
def prune(runs: RunsFolder = Path("runs"), yes: Yes = False, debug: Debug = False) -> None:
    """Free the disk of failed runs and of checkpoints that finished trainings no longer need; tells first what goes."""
    from recbench.error_lines import one_line_errors

    with one_line_errors("runs", debug):
        from recbench.console.progress import say
        from recbench.stages.run_folders import prunable, remove

        found = prunable(runs)
        if yes:
            remove(found)
        _tell([(f"{one.path} ({one.why})", one.bytes) for one in found], "deleted" if yes else "would go")
        if found and not yes:
            say("nothing is deleted yet: --yes deletes it")


def _tell(found: list[tuple[str, int]], word: str) -> None:
    from recbench.console.visible import visible
    from recbench.stages.runs import spoken_size

    for path, size in found:
        typer.echo(f"{word}: {visible(path)}, {spoken_size(size)}")
    typer.echo(f"{len(found)} {word}, {spoken_size(sum(size for _, size in found))}")
