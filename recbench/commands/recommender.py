"""The commands of the recommender: train and eval."""

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
from recbench.completion import complete_group


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
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the recommender: SFT, GRPO with random or beam negatives, or TAWin on one FPR window."""
    from recbench.error_lines import one_line_errors
    from recbench.quoting import quote

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


def evaluate(
    overrides: Overrides = None,
    windows: Windows = None,
    ks: Ks = None,
    no_upstream: NoUpstream = False,
    force: Force = False,
    multirun: Multirun = False,
    cfg: Cfg = False,
    help_config: HelpConfig = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score a trained policy: AUC, windowed partial AUC, HR, NDCG and MRR, with intervals."""
    from recbench.error_lines import one_line_errors
    from recbench.quoting import quote

    flags: list[str] = []
    with one_line_errors("eval", debug):
        flags += [f"windows={quote(parse_windows(windows))}"] if windows else []
        flags += [f"ks={quote(whole_numbers('--k', ks))}"] if ks else []
    flags += input_flags(no_upstream, force)
    run_stage("eval", flags, overrides, multirun, cfg, help_config, as_json, debug)
