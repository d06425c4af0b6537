"""Overrides, flags, names of runs, and files of experiments."""

from collections.abc import Callable, Iterator

from torture.malformed_cases.bases import MARKET
from torture.malformed_cases.case import Case
from torture.malformed_cases.command_lines import BAD_OVERRIDES, EVAL_OVERRIDES, FLAGS, PATHS, TRAIN_OVERRIDES
from torture.malformed_cases.logs import LOG, TIMED

DATA = ("data", *MARKET)
TRAIN = ("train", "--no-upstream")
EXPERIMENTS = {
    "empty": "",
    "a list": "- 1\n- 2\n",
    "a text": "hello\n",
    "no yaml": "a: [1, 2\n",
    "tabs": "a:\n\tb: 1\n",
    "a tag that runs": "!!python/object/apply:os.system ['touch owned']\n",
    "a tag of a tuple": "algo: !!python/tuple [1, 2]\n",
    "an anchor bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)),
    "an anchor of itself": "a: &a [*a]\n",
    "nested deeply": "a: " + "[" * 20_000 + "]" * 20_000 + "\n",
    "an unknown key": "# @package _global_\nnothing: 1\n",
    "an unknown default": "# @package _global_\ndefaults:\n  - override /algo: nothing\n",
    "defaults that are no list": "# @package _global_\ndefaults: 5\n",
    "itself as a default": "# @package _global_\ndefaults:\n  - /experiment: mine\n",
    "another type": "# @package _global_\nseed: many\n",
    "a list for a node": "# @package _global_\nalgo: [1]\n",
    "a key twice": "# @package _global_\nseed: 1\nseed: 2\n",
    "a NUL": "# @package _global_\nseed: \0\n",
    "a bench of a text": "# @package _global_\nbench: hello\n",
    "a bench of unknown keys": "# @package _global_\nbench:\n  nothing: 1\n",
    "an interpolation of nothing": "# @package _global_\nseed: ${nothing}\n",
}


def cases() -> Iterator[Case]:
    """Every case of a command line."""
    for override in BAD_OVERRIDES:
        expect = (
            "either"
            if override
            in (
                "seed=1_0_",
                "data.options.seed=99999999999999999999999999",
                "data.path=[1",  # of a market, which reads no file
                "data.path={a",
                "upstream=2",
                "--",
                "",
                " ",
                "input=latest",
                "data=../data/bazaar",
                "data.options=null",
                "threads=99999999999999",
                "hydra.run.dir=/tmp/x",
                "data.name=${.name}",
                "~data",
                "data.fields={a:b}",
                "seed=true",
                "~seed",
                "data.options.size=5",
                "seed=cast(1)",
            )
            else "refuse"
        )
        if override.startswith("seed=9"):
            expect = "either"
        yield Case(f"override: {override[:50]!r}", (*DATA, override), expect=expect)
    for override in TRAIN_OVERRIDES:
        yield Case(f"train: {override[:50]!r}", (*TRAIN, override))
    for override in EVAL_OVERRIDES:
        expect = "either" if override == "windows=[]" else "refuse"  # the cut-offs stay
        yield Case(f"eval: {override[:50]!r}", ("eval", *MARKET, override), base="trained", expect=expect)
    for arguments in FLAGS:
        name = " ".join(arguments)
        expect = "either" if name in ("runs --stage nothing",) else "refuse"
        stops = ("--no-upstream",) if arguments[0] in ("train", "caption", "tokenize", "ctr", "simulate") else ()
        yield Case(f"flags: {name[:60]!r}", (*arguments, *stops), expect=expect)
    for path in PATHS:
        yield Case(
            f"path: {path}",
            ("data", "data=table", f"data.path={path}", TIMED),
            {path: LOG.encode()},
            "take",
            twin="log: as it should be",
        )
    # Of bench, the arms' own rule comes over the file's.
    lenient = ("empty", "a bench of unknown keys", "an unknown default")
    for name, text in EXPERIMENTS.items():
        for command in (("train", "--no-upstream"), ("bench", "--plan")):
            yield Case(
                f"experiment for {command[0]}: {name}",
                (*command, "experiment=mine"),
                {"conf.yaml": text.encode()},
                "either" if name in lenient else "refuse",
                settings=with_experiment(),
            )
    yield Case("argument: bytes that are no text", (*DATA, "data.path=\udcff.csv"))
    yield Case("argument: bytes that are no text, as a file", ("score", "\udcff.csv"))
    yield Case("argument: a megabyte", (*DATA, "seed=" + "x" * 100_000))
    yield Case("argument: an escape sequence", (*DATA, "seed=\x1b[31mred"))
    yield Case("argument: a line break", (*DATA, "seed=a\nerror: b"))


def with_experiment() -> Callable[[], None]:
    """Add the file conf.yaml to a copy of conf/ as experiment=mine."""

    def settings() -> None:
        import shutil
        from pathlib import Path

        from recbench import config_folders

        shutil.copytree(config_folders.config_folder(), "conf")
        shutil.copy("conf.yaml", "conf/experiment/mine.yaml")
        here = Path("conf").resolve()
        config_folders.config_folder = lambda: here

    return settings
