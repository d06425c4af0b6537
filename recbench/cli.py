"""Typer commands: options become overrides, placed before the user's own; nothing else happens here.

Everything but Typer is imported inside the commands, so that help and completion answer at once.
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from recbench.commands import comparisons, runs, surroundings
from recbench.commands.flags import parse_windows
from recbench.commands.options import (
    AsJson,
    ConfigDir,
    Debug,
    Force,
    HelpConfig,
    Ks,
    RunName,
    RunsFolder,
    Windows,
    no_text,
    whole_numbers,
)
from recbench.commands.own_data import init
from recbench.commands.recommend import recommend
from recbench.commands.stages import print_options, stage_command
from recbench.config_folders import VARIABLE
from recbench.console.streams import unfailing_streams
from recbench.console.visible import for_people, visible
from recbench.stage_table import ROWS, STAGES

AFTER_THE_FIRST = 3.0  # seconds that a launcher's other processes wait: when one ends, it ends those that have not
# How torch's threads wait for each other, read when torch is loaded: a moment awake, then asleep. Awake for longer, as
# GNU OpenMP has it by default, a training on all cores is twenty times slower once another program runs on one.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def tell_version(asked: bool) -> None:
    """Print the version and exit, where it is asked for."""
    if asked:
        from recbench.version import __version__

        typer.echo(f"recbench {__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The `recbench` command; returns the exit status. A misused option is told in one line, as every other mistake.

    A reader of standard output that has had enough changes nothing. Where standard output cannot be written to, that
    is told, and the status is 1 but for a command that has finished a run, whose results are in its folder.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ |= WAITING
    own_folder = os.environ.get(VARIABLE)
    with unfailing_streams() as out:
        try:
            code = _main(given)
        finally:  # --config-dir is of one command
            os.environ.pop(VARIABLE, None)
            if own_folder is not None:
                os.environ[VARIABLE] = own_folder
        out.flush()
        if out.failure is None or out.failure.errno == errno.EPIPE:
            return code
        reason = out.failure.strerror or out.failure
        typer.echo(f"warning: standard output cannot be written: {reason}", err=True)
        return code if code or _command(given) in STAGES else 1


def _main(given: list[str]) -> int:
    if refused := _refused_launch(_command(given)):
        return refused
    if refusal := no_text(given):
        typer.echo(f"error: {refusal}", err=True)
        return 2
    try:
        return int(app(args=given or ["--help"], prog_name="recbench", standalone_mode=False) or 0)
    except Exception as problem:
        if not hasattr(
            problem, "format_message"
        ):  # Typer's own class has no public name since it carries its own Click
            raise
        context = getattr(problem, "ctx", None)
        command = context.command_path if context is not None else "recbench"
        message = for_people(" ".join(problem.format_message().split()).rstrip("."))
        typer.echo(f"error: {message}; '{command} --help' lists what it takes", err=True)
        return 2


def _command(given: Sequence[str]) -> str:
    return next((word for word in given if not word.startswith("-")), "")


def _refused_launch(command: str) -> int:
    """2, after one line, where a launcher has started several processes of a command that one process runs; else 0."""
    count = os.environ.get("WORLD_SIZE", "")
    shared = [row.name for row in ROWS if row.assist]
    if command in ("", *shared) or not count.isdecimal() or int(count) < 2:
        return 0
    if os.environ.get("RANK", "0") in ("", "0"):
        told = f"{command} runs in one process, and WORLD_SIZE={count} tells of {count}"
        typer.echo(
            f"error: {told}: start it once, without torchrun; only {' and '.join(shared)} shares its work", err=True
        )
    else:
        time.sleep(AFTER_THE_FIRST)
    return 2


# ---- commands


@app.callback()
def recbench(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Experiments that put large language models into recommender systems, with numbers to defend."""


for stage in ROWS:
    if stage.what:
        app.command(stage.name)(stage_command(stage))


@app.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="csv or parquet: (user, label, score), (label, score) or (user, above, ties, n)."
        ),
    ],
    windows: Windows = None,
    ks: Ks = None,
    samples: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Bootstrap samples over users; 0 gives no intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the bootstrap.")] = 0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compute the same metrics for anyone's scores."""
    from recbench.console.progress import short_warnings
    from recbench.console.terminal import print_json, show
    from recbench.error_lines import one_line_errors
    from recbench.reporting.tables import metric_grids

    with one_line_errors("score", debug), short_warnings():
        from recbench.schema import EvalStageConfig
        from recbench.stages.score import score_file

        defaults = EvalStageConfig()
        chosen = parse_windows(windows) if windows else [(low, high) for low, high in defaults.windows]
        metrics = score_file(file, chosen, whole_numbers("--k", ks) if ks else defaults.ks, samples=samples, seed=seed)
        if as_json:
            print_json(metrics)
        else:
            show(metric_grids(metrics))


@app.command()
def report(run: RunName = "latest", runs: RunsFolder = Path("runs"), debug: Debug = False) -> None:
    """Write the report of a run again: report.md and the ROC picture, from its files."""
    from recbench.error_lines import one_line_errors

    with one_line_errors("report", debug):
        from recbench.stages.report import report as write

        typer.echo(visible(str(write(runs, run))))


@app.command()
def export(
    run: RunName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    pick: Annotated[
        str | None, typer.Option(help="The checkpoint that this metric of algo.also_select_by picked.")
    ] = None,
    runs: RunsFolder = Path("runs"),
    debug: Debug = False,
) -> None:
    """Write a trained policy as an ordinary Hugging Face checkpoint, with item tokens and a model card."""
    from recbench.error_lines import one_line_errors

    with one_line_errors("export", debug):
        from recbench.stages.export import export as write

        typer.echo(visible(str(write(runs, run, folder, pick))))


app.add_typer(runs.app, name="runs")
app.command()(recommend)
app.command()(surroundings.doctor)
app.command()(init)
app.command("ls")(surroundings.list_configs)
app.command("cp")(surroundings.copy_config)
app.command()(comparisons.compare)
app.command()(comparisons.bench)


@app.command()
def demo(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="seed, runs, threads or device, as of every stage: threads=1.",
            show_default=False,
        ),
    ] = None,
    runs: RunsFolder = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of training and evaluation.")] = 0,
    force: Force = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run both chains on the embedded data set, captions to clicks and SFT to TAWin, and report them together."""
    from recbench.console.progress import say
    from recbench.console.terminal import print_json, show
    from recbench.error_lines import one_line_errors
    from recbench.reporting.results import result_grids

    with one_line_errors("demo", debug):
        if help_config:
            print_options("demo", overrides or [])
            return
        from recbench.quoting import quote
        from recbench.stages.demo import demo as run_demo

        run = run_demo([f"runs={quote(str(runs))}", f"seed={seed}", *(overrides or [])], force=force)
        if as_json:
            print_json({"run": run.id, "path": str(run.path), "stage": "demo", "metrics": run.metrics})
        else:
            show(result_grids("demo", run.metrics))
        say(f"report: {run.path / 'report.html'}")
