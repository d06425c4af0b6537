"""The commands of the stages, made of the rows of the stage table: options become overrides, before the user's own."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from recbench.commands.flags import FLAGS, overrides_of
from recbench.commands.options import AsJson, Cfg, ConfigDir, Debug, HelpConfig, Multirun, Overrides
from recbench.dotted import named
from recbench.stage_table import STAGES, Stage

OF_ALL = {  # options that every stage's command has, behind its own
    "multirun": Multirun,
    "cfg": Cfg,
    "help_config": HelpConfig,
    "config_dir": ConfigDir,
    "as_json": AsJson,
    "debug": Debug,
}


def stage_command(stage: Stage) -> Callable[..., None]:
    """The function of a stage's command, with the parameters that Typer reads."""

    def command(overrides: list[str] | None = None, **given: Any) -> None:
        from recbench.error_lines import one_line_errors

        with one_line_errors(stage.name, given["debug"]):
            run_stage(stage, overrides or [], given)

    annotations = {"overrides": Overrides} | {name: FLAGS[name].annotation for name in stage.flags} | OF_ALL
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=False if annotation.__origin__ is bool else None,
            annotation=annotation,
        )
        for name, annotation in annotations.items()
    ]
    command.__name__, command.__doc__ = stage.name, stage.what
    command.__annotations__ = {**annotations, "return": None}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def run_stage(stage: Stage, overrides: list[str], given: dict[str, Any]) -> None:
    """Run a stage with the overrides that its options became, then the user's own; or print its keys or an estimate."""
    if given["help_config"]:
        print_options(stage.name, overrides)
        return
    flags = overrides_of({name: given[name] for name in stage.flags}, given["multirun"])
    keys = {override.partition("=")[0] for override in overrides}
    kept = [flag for flag in flags if flag.partition("=")[0] not in keys]  # an explicit override wins, in sweeps too
    if given.get("estimate"):
        print_estimate(stage, [*kept, *overrides], given["as_json"])
        return
    from recbench.dispatch import dispatch

    dispatch(
        stage.name,
        [*kept, *overrides],
        multirun=given["multirun"],
        print_config=given["cfg"],
        as_json=given["as_json"],
    )


def print_estimate(stage: Stage, overrides: list[str], as_json: bool) -> None:
    """Compose and check the config, and print what a run would take."""
    from recbench.composition import compose
    from recbench.console.terminal import print_json, show
    from recbench.execution import checked
    from recbench.grids import Grid
    from recbench.reporting.tables import number

    metrics = named(stage.estimate)(checked(stage.name, compose(stage.name, overrides), overrides))
    if as_json:
        print_json(metrics)
    else:
        show(
            [Grid("estimate for all items", ["", "value"], [[name, number(value)] for name, value in metrics.items()])]
        )


def print_options(stage: str, prefixes: Sequence[str]) -> None:
    """List the keys of a stage that begin with one of `prefixes`, or all. Raises UserError for none such.

    Choices such as `ctr=mine.Model` among the prefixes add the keys of a class from outside.
    """
    from recbench.console.options_list import beginning_with, option_lines
    from recbench.console.screen import screen_width
    from recbench.console.terminal import show_lines
    from recbench.schema import describe

    row = STAGES[stage]
    rows = list(named(row.describe)() if row.describe else describe(stage, _with_classes(stage, prefixes)))
    rows += named(row.more_keys)() if row.more_keys else []
    show_lines(option_lines(beginning_with(rows, prefixes), screen_width()))


def _with_classes(stage: str, overrides: Sequence[str]) -> Any:
    """The config of a stage with the groups that are chosen, which a class from outside adds keys to; None without."""
    from recbench.composition import compose
    from recbench.schema import KINDS

    groups = [override for override in overrides if "=" in override and override.partition("=")[0] in KINDS]
    return compose(stage, groups) if groups else None
