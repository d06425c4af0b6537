"""Options that several commands share, and how a command's options become Hydra overrides, before the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from recbench.completion import complete_override, complete_run

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        autocompletion=complete_override,
        help="Any option of the stage, such as data=amazon_beauty seed=1; --help-config lists them.",
        show_default=False,
    ),
]
Multirun = Annotated[bool, typer.Option("--multirun", "-m", help="Run every combination of comma-separated values.")]
Cfg = Annotated[bool, typer.Option("--cfg", help="Print the composed config and run nothing.")]
HelpConfig = Annotated[
    bool,
    typer.Option("--help-config", help="List every option and exit; a word after it, such as algo, only those of it."),
]
ConfigDir = Annotated[
    str | None,
    typer.Option(
        "--config-dir",
        metavar="FOLDER",
        callback=lambda value: use_own_folder(value),
        help="Folder of your own configs, searched before the built-in ones (default: conf, if it is here).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
NoUpstream = Annotated[
    bool, typer.Option("--no-upstream", help="Fail when an input is missing; else it is made first.")
]
Force = Annotated[bool, typer.Option("--force", help="Make the inputs anew.")]
Resume = Annotated[
    str | None,
    typer.Option(metavar="RUN", autocompletion=complete_run, help="Go on with an interrupted run; or latest."),
]
Windows = Annotated[
    list[str] | None,
    typer.Option("--window", metavar="A,B", help="FPR window, such as 0.01,0.05; repeatable.", show_default=False),
]
Ks = Annotated[
    list[str] | None,
    typer.Option("--k", metavar="K,K,...", help="Top-K cut-offs, such as 1,5,10; repeatable.", show_default=False),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="NAME,NAME,...",
        help="Such as auc,wpauc(0.01,0.05),hr@10,ndcg@10; repeatable.",
        show_default=False,
    ),
]
Excluded = Annotated[bool, typer.Option("--excluded", help="Leave out items that a user has seen; else they count.")]
RunsFolder = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Folder that holds the runs.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_run, help="A path, the beginning of an id, or latest.")
]


# ---- from options to overrides


def use_own_folder(value: str | None) -> str | None:
    """Search the folder of --config-dir first, in this process and in those that it starts."""
    import os

    from recbench.config_folders import VARIABLE

    if value is not None:
        os.environ[VARIABLE] = value
    return value


def no_text(arguments: Sequence[str]) -> str | None:
    """One line on the first argument that no file of ours can hold, or None.

    Bytes of a shell that are no UTF-8 arrive as halves of characters.
    """
    for argument in arguments:
        if "\0" in argument or argument != argument.encode("utf-8", "replace").decode("utf-8"):
            return f"{ascii(argument)[:200]} is no UTF-8 text: rename the file, or write the value in UTF-8"
    return None


def parse_metrics(texts: Sequence[str]) -> list[str]:
    """Metric names from comma-separated texts; commas inside brackets belong to a name. Raises UserError for none."""
    import re

    from recbench.errors import UserError
    from recbench.settling import own_metrics

    names = [name.strip() for text in texts for name in re.split(r",(?![^(]*\))", text)]  # not inside wpauc(a,b)
    if not any(names):
        raise UserError("--metrics is empty: give names such as auc,hr@10, or leave it out")
    found = [re.sub(r"\s+", "", name) for name in names if name]
    own_metrics(found)
    return found


def whole_numbers(flag: str, texts: Sequence[str], many: bool = True, least: int = 1) -> list[int]:
    """Whole numbers from the comma-separated texts of an option; one alone unless `many`. Raises UserError."""
    from recbench.errors import UserError
    from recbench.schema.validation import LARGEST

    words = [word.strip() for text in texts for word in text.split(",")]
    if not all(word.isdecimal() and (len(word) > len(str(LARGEST)) or int(word) >= least) for word in words):
        raise UserError(f"{flag} {','.join(words)}: expected whole numbers of at least {least}")
    if large := [word for word in words if len(word) > len(str(LARGEST)) or int(word) > LARGEST]:
        shown = large[0] if len(large[0]) <= 30 else f"{large[0][:30]}…"
        raise UserError(f"{flag} {shown}: expected whole numbers of at most {LARGEST:,}")
    if len(words) > 1 and not many:
        raise UserError(f"{flag} {','.join(words)}: one run takes one value; add -m to run each")
    return [int(word) for word in words]
