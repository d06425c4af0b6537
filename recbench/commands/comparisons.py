"""The commands that set runs side by side: compare and bench."""

from pathlib import Path
from typing import Annotated, Any

import typer

from recbench.commands.options import (
    AsJson,
    ConfigDir,
    Debug,
    Excluded,
    HelpConfig,
    Metrics,
    RunsFolder,
    parse_metrics,
    whole_numbers,
)
from recbench.commands.stages import print_options
from recbench.completion import complete_override, complete_run, complete_words


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
    from recbench.console.terminal import print_json
    from recbench.error_lines import one_line_errors

    with one_line_errors("compare", debug):
        from recbench.comparisons.compare import compare as compare_named
        from recbench.console.progress import say, short_warnings
        from recbench.console.terminal import show, show_lines
        from recbench.errors import UserError
        from recbench.reporting.comparison import terminal_grids
        from recbench.reporting.comparison_tables import FORMATS, alone, check_format, write_tables
        from recbench.reporting.verdicts import comparison_verdict

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
            show_lines([line for one in compared for line in [*comparison_verdict(one), *one["headline"]]])
            show([grid for one in compared for grid in terminal_grids(one, relative)])
        if save is not None:
            say(f"tables: {save}")


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
    pick: Annotated[
        str | None,
        typer.Option(
            "--pick",
            metavar="METRIC,...",
            help="Validation metric that picks every arm's checkpoint; target: what each aims at. A table for each.",
        ),
    ] = None,
    metrics: Metrics = None,
    excluded: Excluded = False,
    force: Annotated[bool, typer.Option("--force", help="Make every run anew; else finished ones are reused.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="List what is there and what is missing, and run nothing.")
    ] = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep tables and all metrics there, once nothing is missing.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train and evaluate arms from one SFT checkpoint a seed, on one data set or an experiment's, and compare them."""
    from recbench.error_lines import one_line_errors

    with one_line_errors("train", debug):
        if help_config:
            print_options("bench", overrides or [])
            return
        _bench(
            overrides or [],
            plan,
            save,
            as_json,
            seeds=whole_numbers("--seeds", [seeds], least=0) if seeds is not None else None,
            arms=_words(arms),
            on=_words(on),
            split=split,
            pick=parse_metrics([pick]) if pick is not None else None,
            metrics=parse_metrics(metrics) if metrics else None,
            excluded=excluded,
            force=force,
        )


def _words(text: str | None) -> list[str] | None:
    return [word.strip() for word in text.split(",")] if text is not None else None


def _bench(overrides: list[str], plan: bool, save: Path | None, as_json: bool, **choices: Any) -> None:
    from recbench.comparisons.bench import bench as run_bench
    from recbench.comparisons.bench import plan as plan_bench
    from recbench.console.progress import say
    from recbench.console.terminal import print_json, show, show_lines
    from recbench.error_lines import FAILED, MISTAKE
    from recbench.reporting.bench import bench_grids, check_results_folder, plan_grid, write_results
    from recbench.reporting.results import headline

    if plan:
        found = plan_bench(overrides, **choices)
        print_json(found) if as_json else show([plan_grid(found)])
        return
    if save is not None:
        check_results_folder(save)
    run = run_bench(overrides, **choices)
    if as_json:
        about = {"run": run.id, "path": str(run.path), "stage": run.stage}
        print_json({**about, "headline": headline(run), "metrics": run.metrics})
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
