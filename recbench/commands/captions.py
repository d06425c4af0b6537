"""The caption chain's commands: caption, tokenize, ctr, simulate."""

from typing import Annotated

import typer

from recbench.commands.options import (
    AsJson,
    Cfg,
    ConfigDir,
    Debug,
    Force,
    HelpConfig,
    Ks,
    Multirun,
    NoUpstream,
    Overrides,
    Resume,
    Windows,
    input_flags,
    parse_windows,
    run_stage,
    whole_numbers,
)


def caption(
    overrides: Overrides = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Tell items, tokens, hours and price from a sample of 20; run nothing.")
    ] = False,
    resume: Resume = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write one caption an item: files, a small LLaVA trained here, any multimodal checkpoint, or an endpoint."""
    flags = resume_flag("caption", resume, debug) + input_flags(no_upstream, force)
    if estimate:
        print_estimate([*flags, *(overrides or [])], as_json, debug)
        return
    run_stage("caption", flags, overrides, multirun, cfg, help_config, as_json, debug)


def tokenize(
    overrides: Overrides = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn captions into categorical columns: subwords, words, hashed words, semantic IDs, clusters."""
    run_stage("tokenize", input_flags(no_upstream, force), overrides, multirun, cfg, help_config, as_json, debug)


def ctr(
    overrides: Overrides = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="S,S,...", help="Every arm is trained once with each seed (default: 0).")
    ] = None,
    windows: Windows = None,
    ks: Ks = None,
    resume: Resume = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a click model without captions, with them, and with them shuffled; report what they added."""
    from recbench.error_lines import one_line_errors
    from recbench.quoting import quote

    flags = resume_flag("ctr", resume, debug) + input_flags(no_upstream, force)
    with one_line_errors("ctr", debug):
        flags += [f"seeds={quote(whole_numbers('--seeds', [seeds], least=0))}"] if seeds is not None else []
        flags += [f"windows={quote(parse_windows(windows))}"] if windows else []
        flags += [f"ks={quote(whole_numbers('--k', ks))}"] if ks else []
    run_stage("ctr", flags, overrides, multirun, cfg, help_config, as_json, debug)


def simulate(
    overrides: Overrides = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Test two arms of a ctr run online, in the market whose click model is known; or off-policy, on logged data."""
    run_stage("simulate", input_flags(no_upstream, force), overrides, multirun, cfg, help_config, as_json, debug)


def resume_flag(stage: str, resume: str | None, debug: bool) -> list[str]:
    """The override that continues a run."""
    from recbench.error_lines import one_line_errors
    from recbench.quoting import quote

    with one_line_errors(stage, debug):
        return [f"resume={quote(resume)}"] if resume is not None else []


def print_estimate(overrides: list[str], as_json: bool, debug: bool) -> None:
    """Compose and check the config, caption a sample, and print what all items would take."""
    from recbench.console.terminal import print_json, show
    from recbench.error_lines import one_line_errors
    from recbench.grids import Grid
    from recbench.reporting.tables import number

    with one_line_errors("caption", debug):
        from recbench.composition import compose
        from recbench.execution import checked
        from recbench.stages.caption import estimate

        metrics = estimate(checked("caption", compose("caption", overrides), overrides))  # type: ignore[arg-type]
        if as_json:
            print_json(metrics)
        else:
            rows = [[name, number(value)] for name, value in metrics.items()]
            show([Grid("estimate for all items", ["", "value"], rows)])
