"""Options of the stages' commands beside those that all have, each with the overrides that it becomes."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from recbench.commands.options import Force, Ks, NoUpstream, Resume, Windows, whole_numbers
from recbench.completion import complete_group
from recbench.errors import UserError
from recbench.metrics.fpr_window import parse_window
from recbench.quoting import quote


class Flag(NamedTuple):
    """An option: how Typer reads it, and the overrides that a value becomes, given whether this is a multirun."""

    annotation: Any
    overrides: Callable[[Any, bool], list[str]]


def text(key: str, annotation: Any) -> Flag:
    """An option that is a key's value as it stands, with its commas in a multirun."""
    return Flag(annotation, lambda value, multirun: [f"{key}={value}"])


def counts(key: str, flag: str, annotation: Any) -> Flag:
    """An option that is a whole number, several in a multirun."""
    return Flag(
        annotation,
        lambda value, multirun: [f"{key}={','.join(map(str, whole_numbers(flag, [value], many=multirun)))}"],
    )


def parse_windows(texts: Sequence[str], many: bool = True) -> list[tuple[float, float]]:
    """FPR windows from the texts of --window; one alone unless `many`. Raises UserError."""
    windows = [parse_window(text, f"--window {text}") for text in texts]
    if len(windows) > 1 and not many:
        raise UserError(f"{len(windows)} windows, and one run trains on one: add -m to train on each")
    return windows


def one_window(values: list[str], multirun: bool) -> list[str]:
    """The window that a training aims at, several in a multirun."""
    return ["algo.window=" + ",".join(quote(window) for window in parse_windows(values, many=multirun))]


# By the name of the command's parameter; a row of the stage table names those of its command.
FLAGS = {
    "estimate": Flag(
        Annotated[
            bool,
            typer.Option("--estimate", help="Tell items, tokens, hours and price from a sample of 20; run nothing."),
        ],
        lambda value, multirun: [],  # it changes what is done, not how
    ),
    "algo": text(
        "algo",
        Annotated[
            str | None,
            typer.Option(metavar="RULE", autocompletion=complete_group("algo"), help="sft, grpo (default), tawin, ..."),
        ],
    ),
    "neg": text(
        "negatives",
        Annotated[
            str | None,
            typer.Option(
                metavar="random|beam|mixed|dns",
                autocompletion=complete_group("negatives"),
                help="Source of negatives (default: beam; tawin: its window).",
            ),
        ],
    ),
    "window": Flag(Windows, one_window),
    "top_k": counts(
        "algo.top_k",
        "--top-k",
        Annotated[str | None, typer.Option("--top-k", metavar="K", help="tawin: aim at Top-K.")],
    ),
    "anchor": counts(
        "algo.anchor",
        "--anchor",
        Annotated[
            str | None, typer.Option("--anchor", metavar="K", help="tawin: aim at Top-K by its authors' weights.")
        ],
    ),
    "weights": text(
        "algo.weights",
        Annotated[str | None, typer.Option("--weights", metavar="ndcg@K|mrr@K", help="tawin: aim at that metric.")],
    ),
    "seeds": Flag(
        Annotated[
            str | None, typer.Option(metavar="S,S,...", help="Every arm is trained once with each seed (default: 0).")
        ],
        lambda value, multirun: [f"seeds={quote(whole_numbers('--seeds', [value], least=0))}"],
    ),
    "arms": Flag(
        Annotated[str | None, typer.Option(metavar="ARM,ARM,...", help="Some arms of the config's groups.")],
        lambda value, multirun: [f"only={quote([name.strip() for name in value.split(',')])}"],
    ),
    "windows": Flag(Windows, lambda values, multirun: [f"windows={quote(parse_windows(values))}"]),
    "ks": Flag(Ks, lambda values, multirun: [f"ks={quote(whole_numbers('--k', values))}"]),
    "resume": Flag(Resume, lambda value, multirun: [f"resume={quote(value)}"]),
    "no_upstream": Flag(NoUpstream, lambda value, multirun: ["upstream=false"]),
    "force": Flag(Force, lambda value, multirun: ["force=true"]),
}
NEVER_EMPTY = ("algo", "neg")  # options that a shell's empty variable leaves out


def overrides_of(values: dict[str, Any], multirun: bool) -> list[str]:
    """The overrides that the options of a command became, in their order; those that were not given become none.

    Raises:
        UserError: a value is malformed.
    """
    found: list[str] = []
    for name, value in values.items():
        left_out = value is None or value is False or value == [] or (name in NEVER_EMPTY and not value)
        found += [] if left_out else FLAGS[name].overrides(value, multirun)
    return found
