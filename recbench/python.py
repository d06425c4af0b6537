"""recbench from Python: the words of the command line, and a run in place of what is printed."""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.runs import Run, resolve_run

WITHOUT_A_RUN = {  # commands whose results are no run, and what has them in Python
    "compare": "recbench.compare(RUN, RUN)",
    "report": "Run.report",
    "runs": "recbench.load(NAME)",
    "score": "recbench.score_file(PATH)",
}


def run(command: str, *words: str, **options: Any) -> Run:
    """Run a command as it is typed, and return its run.

    >>> recbench.run("train", "--algo=tawin", "data=bazaar", anchor=10, seed=0)  # doctest: +SKIP

    Args:
        command: such as train, eval, ctr or bench.
        words: of the command line, as `data=amazon_beauty` or `--neg=beam`.
        options: options of the command by their names, and keys of the config: `top_k=10` is `--top-k 10`, `seed=1` an
            override, a dotted key stands in `**{"policy.layers": 4}`. A list repeats an option; a tuple is one value
            with commas.

    Raises:
        UserError: a mistake, in the line that the command prints.
        RuntimeError: the command failed otherwise.
    """
    from recbench.cli import app
    from recbench.error_lines import INTERRUPTED, MISTAKE, kept_lines

    if command in WITHOUT_A_RUN:
        raise UserError(f"recbench.run({command!r}): it makes no run; {WITHOUT_A_RUN[command]} is what it is in Python")
    arguments = [command, *map(str, words), *_words(command, options)]
    if {"-m", "--multirun"} & set(arguments):
        raise UserError("-m makes many runs: call recbench.run for each combination")
    printed = io.StringIO()
    with kept_lines() as lines, contextlib.redirect_stdout(printed):
        try:
            status = app(args=[*arguments, "--json"], prog_name="recbench", standalone_mode=False)
        except Exception as problem:
            if not hasattr(problem, "format_message"):  # Typer's own class for a misused option has no public name
                raise
            told = f"{problem.format_message().rstrip('.')}; 'recbench {command} --help' lists what it takes"
            raise UserError(told) from problem
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        told = lines[-1] if lines else f"recbench {command} left with status {status}"
        raise UserError(told) if status == MISTAKE else RuntimeError(told)
    return Run(Path(json.loads(printed.getvalue())["path"]))


def load(name: str | Path = "latest", runs: str | Path = "runs", stage: str | None = None) -> Run:
    """The finished run of that path, beginning of an id, or the latest one, of a stage if one is given.

    Raises:
        UserError: there is none.
    """
    return resolve_run(runs, str(name), stage)


def recommend(
    run: Run | str | Path, histories: Sequence[Sequence[str]], k: int = 10, only: Sequence[str] = (), seen: bool = False
) -> list[list[tuple[str, float]]]:
    """The k best items of each history and their scores, best first, by a training or by what an evaluation judged.

    Args:
        histories: items by their names, oldest first.
        only: COLUMN=VALUE of the catalogue, such as `brand=acme`.
        seen: whether items of a history may be recommended again.

    Raises:
        UserError: no such run, an item that the catalogue has not, a filter that leaves none.
    """
    from recbench.stages.recommend import Wanted, recommendations, trained_run

    name = str(run.path) if isinstance(run, Run) else str(run)
    wanted = Wanted(k, histories=tuple(tuple(history) for history in histories), only=tuple(only), seen=seen)
    rows, _ = recommendations(trained_run(Path("runs"), name), wanted)
    return [list(zip(row["items"], row["scores"], strict=True)) for row in rows]


def compare(*runs: Run | str | Path, baseline: str | None = None, metrics: Sequence[str] | None = None) -> Any:
    """What `recbench compare --json` prints: means over seeds, differences, their intervals and p-values.

    A dict, or a list of them where the runs are of several data sets.

    Args:
        runs: eval runs, or their paths.
        baseline: the arm that the others are compared with; none: the first.
        metrics: names such as ndcg@10; none: the usual ones.

    Raises:
        UserError: runs that do not compare.
    """
    from recbench.comparisons.compare import compare as compare_named
    from recbench.reporting.comparison_tables import alone

    names = [str(one.path) if isinstance(one, Run) else str(one) for one in runs]
    return alone(compare_named(Path("runs"), names, baseline=baseline, metrics=list(metrics) if metrics else None))


def _words(command: str, options: Mapping[str, Any]) -> list[str]:
    """Keyword arguments as options of the command, where it has one of that name, else as overrides."""
    import typer.main

    from recbench.cli import app
    from recbench.quoting import quote

    found = typer.main.get_group(app).commands.get(command)
    flags = {} if found is None else {one.name: one for one in found.params if one.param_type_name == "option"}
    words = []
    for name, value in options.items():
        option = flags.get(name) or flags.get(f"{name}s")  # --window fills `windows`
        if option is None:
            words.append(f"{name}={quote(value)}")
        elif value is not None and not isinstance(value, bool):
            values = value if isinstance(value, list) else [value]
            words += [f"{option.opts[0]}={_text(one)}" for one in values]
        elif value:
            words.append(option.opts[0])
    return words


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
