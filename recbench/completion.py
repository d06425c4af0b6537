"""What a shell offers when Tab is pressed: overrides, config names, runs.

Everything but Typer is imported inside the functions, so that completion answers at once.
"""

from typing import Any

import typer


def complete_override(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a Hydra override such as `algo=t`. Bash splits words at '=', so they are joined again."""
    import os

    words, prefix = os.environ.get("COMP_WORDS", "").split(), ""
    if "=" in words[-2:]:
        last = len(words) - 1 - words[::-1].index("=")
        prefix = words[last - 1] + "="
        incomplete = prefix + "".join(words[last + 1 :])
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.core.global_hydra import GlobalHydra

    from recbench import schema
    from recbench.config_folders import hydra_search
    from recbench.stage_table import STAGES

    schema.register()
    with hydra_search("completion"):
        row = STAGES.get(str(context.info_name))
        stage = row.keys_of or row.name if row is not None else context.info_name
        found = BashCompletion(GlobalHydra.instance().config_loader())._query(stage, incomplete)
    return [word.removeprefix(prefix) for word in found]


def complete_group(group: str) -> Any:
    """A completer of the names in a config group, as `--neg` takes them."""

    def complete(incomplete: str) -> list[str]:
        from recbench.config_folders import config_names

        return [name for name in config_names(group) if name.startswith(incomplete)]

    return complete


def complete_words(*words: str) -> Any:
    """A completer of fixed words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Ids of runs under `runs/`, newest first."""
    from recbench.runs import read_runs

    ids = [run.id for run in reversed(read_runs("runs")[0]) if run.id.isprintable()]  # a shell prints them as they are
    return [name for name in ["latest", *ids] if name.startswith(incomplete)]
