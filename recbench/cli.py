"""Typer commands: options become overrides, placed before the user's own; nothing else happens here.

Everything but Typer is imported inside the commands, so that help and completion answer at once.
"""

import errno
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from recbench.commands import captions
from recbench.commands.laboratory import laboratory
from recbench.commands.options import (
    AsJson,
    Cfg,
    Debug,
    Excluded,
    Force,
    HelpConfig,
    Ks,
    Metrics,
    Multirun,
    NoUpstream,
    Overrides,
    Resume,
    RunName,
    RunsFolder,
    Windows,
    input_flags,
    no_text,
    parse_metrics,
    parse_windows,
    run_stage,
    whole_numbers,
)
from recbench.completion import complete_group, complete_override, complete_run, complete_words
from recbench.reporting.streams import unfailing_streams
from recbench.reporting.visible import for_people, visible

AFTER_THE_FIRST = 3.0  # seconds that a launcher's other processes wait: when one ends, it ends those that have not
MAKE_NO_RUN = ("", "runs", "report", "compare", "score")  # commands whose results are nowhere but on the screen

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Experiments that put large language models into recommender systems, with numbers to defend.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The `recbench` command; returns the exit status. A misused option is told in one line, as every other mistake.

    A reader of standard output that has had enough changes nothing. Where standard output cannot be written to, that
    is told, and the status is 1 but for a command that has finished a run, whose results are in its folder.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with unfailing_streams() as out:
        code = _main(given)
        out.flush()
        if out.failure is None or out.failure.errno == errno.EPIPE:
            return code
        reason = out.failure.strerror or out.failure
        typer.echo(f"warning: standard output cannot be written: {reason}", err=True)
        makes_a_run = _command(given) not in MAKE_NO_RUN
        return code if code or makes_a_run else 1


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
    if command in ("", "caption") or not count.isdecimal() or int(count) < 2:
        return 0
    if os.environ.get("RANK", "0") in ("", "0"):
        told = f"{command} runs in one process, and WORLD_SIZE={count} tells of {count}"
        typer.echo(f"error: {told}: start it once, without torchrun; only caption shares its work", err=True)
    else:
        time.sleep(AFTER_THE_FIRST)
    return 2


# ---- commands


@app.command()
def data(
    overrides: Overrides = None,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Build, check and describe a data set."""
    run_stage("data", [], overrides, multirun, cfg, help_config, as_json, debug)


for command in (captions.caption, captions.tokenize, captions.ctr, captions.simulate):
    app.command()(command)


@app.command()
def train(
    overrides: Overrides = None,
    algo: Annotated[
        str | None,
        typer.Option(metavar="RULE", autocompletion=complete_group("algo"), help="sft, grpo (default), tawin, ..."),
    ] = None,
    neg: Annotated[
        str | None,
        typer.Option(
            metavar="random|beam|mixed|dns",
            autocompletion=complete_group("negatives"),
            help="Source of negatives (default: beam; tawin: its window).",
        ),
    ] = None,
    windows: Windows = None,
    top_k: Annotated[str | None, typer.Option("--top-k", metavar="K", help="tawin: aim at Top-K.")] = None,
    anchor: Annotated[
        str | None, typer.Option("--anchor", metavar="K", help="tawin: aim at Top-K by its authors' weights.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="ndcg@K|mrr@K", help="tawin: aim at that metric.")
    ] = None,
    resume: Resume = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the recommender: SFT, GRPO with random or beam negatives, or TAWin on one FPR window."""
    from recbench.dispatch import one_line_errors, quote

    flags: list[str] = []
    with one_line_errors("train", debug):
        flags += [f"algo={algo}"] if algo else []
        flags += [f"negatives={neg}"] if neg else []
        if windows:
            flags.append("algo.window=" + ",".join(quote(window) for window in parse_windows(windows, many=multirun)))
        if top_k is not None:
            flags.append(f"algo.top_k={','.join(map(str, whole_numbers('--top-k', [top_k], many=multirun)))}")
        if anchor is not None:
            flags.append(f"algo.anchor={','.join(map(str, whole_numbers('--anchor', [anchor], many=multirun)))}")
        flags += [f"algo.weights={weights}"] if weights is not None else []
        flags += [f"resume={quote(resume)}"] if resume is not None else []
    flags += input_flags(no_upstream, force)
    run_stage("train", flags, overrides, multirun, cfg, help_config, as_json, debug)


@app.command("eval")
def evaluate(
    overrides: Overrides = None,
    windows: Windows = None,
    ks: Ks = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score a trained policy: AUC, windowed partial AUC, HR, NDCG and MRR, with intervals."""
    from recbench.dispatch import one_line_errors, quote

    flags: list[str] = []
    with one_line_errors("eval", debug):
        flags += [f"windows={quote(parse_windows(windows))}"] if windows else []
        flags += [f"ks={quote(whole_numbers('--k', ks))}"] if ks else []
    flags += input_flags(no_upstream, force)
    run_stage("eval", flags, overrides, multirun, cfg, help_config, as_json, debug)


app.command()(laboratory)


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
    from recbench.dispatch import one_line_errors, print_json
    from recbench.reporting.progress import short_warnings
    from recbench.reporting.tables import metric_grids, show

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
    from recbench.dispatch import one_line_errors

    with one_line_errors("report", debug):
        from recbench.stages.report import report as write

        typer.echo(visible(str(write(runs, run))))


@app.command("runs")
def list_runs(
    stage: Annotated[str | None, typer.Option(help="Only this stage's, such as data, ctr or eval.")] = None,
    data: Annotated[str | None, typer.Option(help="Only this data set's.")] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List runs, what ended last last."""
    from recbench.dispatch import one_line_errors, print_json

    with one_line_errors("runs", debug):
        from recbench.reporting.tables import show_lines
        from recbench.stages.runs import run_lines, run_rows

        rows = run_rows(runs, stage, data)
        if as_json:
            print_json({"runs": rows})
        else:
            show_lines(run_lines(rows, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", autocompletion=complete_run, help="Eval runs: paths or beginnings of ids."),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="ARM|RUN",
            autocompletion=complete_run,
            help="Arm to hold the others against, such as grpo_beam, or a run of it; by default sft.",
        ),
    ] = None,
    metrics: Metrics = None,
    excluded: Excluded = False,
    relative: Annotated[bool, typer.Option("--relative", help="Show gains over the baseline in percent, too.")] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="markdown|latex|csv",
            autocompletion=complete_words("markdown", "latex", "csv"),
            help="Print the tables as Markdown or LaTeX, or every number as csv.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write table.md, table.tex, table.csv and comparison.json there, too."),
    ] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare evaluations: means over seeds, and paired differences over users, tested and corrected.

    Runs of several data sets become a table a data set; with --json they are a list.
    """
    from recbench.dispatch import one_line_errors, print_json

    with one_line_errors("compare", debug):
        from recbench.errors import UserError
        from recbench.reporting.comparison import terminal_grids
        from recbench.reporting.comparison_tables import FORMATS, alone, check_format, write_tables
        from recbench.reporting.progress import say, short_warnings
        from recbench.reporting.tables import show, show_lines
        from recbench.stages.compare import compare as compare_named

        if form is not None and check_format(form) and as_json:
            raise UserError(f"--json and --format {form} both print: give one of them; --save writes every format")
        chosen = parse_metrics(metrics) if metrics else None
        with short_warnings():
            compared = compare_named(runs, names, baseline=baseline, metrics=chosen, excluded=excluded)
        if save is not None:
            write_tables(save, compared, relative)
        if as_json:
            print_json(alone(compared))
        elif form is not None:
            typer.echo(FORMATS[form][1](compared, relative), nl=False)
        else:
            show_lines([line for one in compared for line in one["headline"]])
            show([grid for one in compared for grid in terminal_grids(one, relative)])
        if save is not None:
            say(f"tables: {save}")


@app.command()
def bench(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            autocompletion=complete_override,
            help="Any option of train, such as experiment=NAME algo.steps=300; eval.KEY=VALUE is of the evaluations.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="S,S,...", help="Seeds; each has its own SFT checkpoint (default: 0,1).")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            metavar="ARM,ARM,...",
            help="Some of sft, more_sft, grpo_random, grpo_beam, tawin, an experiment's arms, its sets (default: all).",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DATA,DATA,...", help="Some of an experiment's data sets (default: all)."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="test|validation", help="What is scored; settings are chosen on validation.")
    ] = None,
    metrics: Metrics = None,
    excluded: Excluded = False,
    force: Annotated[bool, typer.Option("--force", help="Make every run anew; else finished ones are reused.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="List what is there and what is missing, and run nothing.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep tables and all metrics there, once nothing is missing.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train and evaluate arms from one SFT checkpoint a seed, on one data set or an experiment's, and compare them."""
    from recbench.dispatch import one_line_errors

    with one_line_errors("train", debug):
        _bench(
            overrides or [],
            plan,
            save,
            as_json,
            seeds=whole_numbers("--seeds", [seeds], least=0) if seeds is not None else None,
            arms=_words(arms),
            on=_words(on),
            split=split,
            metrics=parse_metrics(metrics) if metrics else None,
            excluded=excluded,
            force=force,
        )


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
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run both chains on the embedded data set, captions to clicks and SFT to TAWin, and report them together."""
    from recbench.dispatch import one_line_errors, print_json
    from recbench.reporting.progress import say
    from recbench.reporting.results import result_grids
    from recbench.reporting.tables import show

    with one_line_errors("demo", debug):
        from recbench.overrides import quote
        from recbench.stages.demo import demo as run_demo

        run = run_demo([f"runs={quote(str(runs))}", f"seed={seed}", *(overrides or [])], force=force)
        if as_json:
            print_json({"run": run.id, "path": str(run.path), "stage": "demo", "metrics": run.metrics})
        else:
            show(result_grids("demo", run.metrics))
        say(f"report: {run.path / 'report.html'}")


def _words(text: str | None) -> list[str] | None:
    return [word.strip() for word in text.split(",")] if text is not None else None


def _bench(overrides: list[str], plan: bool, save: Path | None, as_json: bool, **choices: Any) -> None:
    from recbench.dispatch import FAILED, MISTAKE, print_json
    from recbench.reporting.bench import bench_grids, check_results_folder, plan_grid, write_results
    from recbench.reporting.progress import say
    from recbench.reporting.results import headline
    from recbench.reporting.tables import show, show_lines
    from recbench.stages.bench import bench as run_bench
    from recbench.stages.bench import plan as plan_bench

    if plan:
        found = plan_bench(overrides, **choices)
        print_json(found) if as_json else show([plan_grid(found)])
        return
    if save is not None:
        check_results_folder(save)
    run = run_bench(overrides, **choices)
    if as_json:
        print_json({"run": run.id, "path": str(run.path), "stage": run.stage, "metrics": run.metrics})
    else:
        show_lines(headline(run))
        show(bench_grids(run.metrics))
    say(f"report: {run.path / 'report.md'}")
    if failures := run.manifest["failures"]:
        for entry in failures:
            where = ", ".join(f"{key} {entry[key]}" for key in ("data", "arm", "seed") if key in entry)
            say(f"missing: {where}: {entry['error']}")
        if save is not None:
            say(f"not saved to {save}: {len(failures)} are missing; the same command makes only those")
        raise typer.Exit(MISTAKE if all(entry["mistake"] for entry in failures) else FAILED)
    if save is not None:
        for path in write_results(save, run):
            say(f"saved: {path}")
