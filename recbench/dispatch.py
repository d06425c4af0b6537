"""From a command's overrides to runs: compose, run or multirun, and show results."""

import os
from collections.abc import Sequence

import typer
from omegaconf import OmegaConf

from recbench.composition import compose
from recbench.console.progress import say
from recbench.console.terminal import print_json, show, show_lines
from recbench.dotted import named
from recbench.errors import UserError
from recbench.execution import checked, execute
from recbench.multirun import sweep
from recbench.redaction import redacted
from recbench.stage_table import STAGES


def dispatch(
    stage: str, overrides: Sequence[str], *, multirun: bool = False, print_config: bool = False, as_json: bool = False
) -> None:
    """Run `stage` once, or once for each combination in a multirun, and print its results; or only print the config."""
    assisting = os.environ.get("RANK", "0") not in ("", "0")  # a launcher's process, and not its first
    if multirun:
        if print_config:
            raise UserError("--cfg prints one config: leave -m and the commas out")
        if assisting:
            raise UserError("-m is not for a launcher's processes: start one launch for each run")
        sweep(stage, overrides, as_json=as_json)
        return
    config = compose(stage, overrides)
    if print_config:
        typer.echo(redacted(OmegaConf.to_yaml(config)), nl=False)
        return
    if assisting and STAGES[stage].assist:
        named(STAGES[stage].assist)(checked(stage, config, overrides))
        return
    run = execute(stage, checked(stage, config, overrides), overrides)
    from recbench.reporting.results import headline, result_grids  # imports numpy, which --cfg need not wait for

    if as_json:
        about = {"run": run.id, "path": str(run.path), "stage": stage}
        print_json({**about, "headline": headline(run), "metrics": run.metrics})
    else:
        show_lines(headline(run))
        show(result_grids(stage, run.metrics))
    say(f"report: {run.path / 'report.md'}")
