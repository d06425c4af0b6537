"""The command of the laboratory."""

from typing import Annotated

import typer

from recbench.commands.options import (
    AsJson,
    Cfg,
    ConfigDir,
    Debug,
    HelpConfig,
    Ks,
    Multirun,
    Overrides,
    Windows,
    parse_windows,
    run_stage,
    whole_numbers,
)


def laboratory(
    overrides: Overrides = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="S,S,...", help="Every arm is trained once with each seed (default: 0).")
    ] = None,
    arms: Annotated[str | None, typer.Option(metavar="ARM,ARM,...", help="Some arms of the config's groups.")] = None,
    windows: Windows = None,
    ks: Ks = None,
    cfg: Cfg = False,
    multirun: Multirun = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train every rule on unlimited draws from a known market, and check which objective each one optimises."""
    from recbench.error_lines import one_line_errors
    from recbench.quoting import quote

    flags: list[str] = []
    with one_line_errors("laboratory", debug):
        flags += [f"seeds={quote(whole_numbers('--seeds', [seeds], least=0))}"] if seeds is not None else []
        flags += [f"only={quote([name.strip() for name in arms.split(',')])}"] if arms is not None else []
        flags += [f"windows={quote(parse_windows(windows))}"] if windows else []
        flags += [f"ks={quote(whole_numbers('--k', ks))}"] if ks else []
    run_stage("laboratory", flags, overrides, multirun, cfg, help_config, as_json, debug)
