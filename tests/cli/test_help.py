import resource
import subprocess
import sys

import pytest

from recbench.cli import main
from recbench.schema import STAGE_SCHEMAS, options
from recbench.stages.demo import KEYS

STAGES = ("data", "caption", "tokenize", "ctr", "simulate", "train", "eval")
COMMANDS = (
    *STAGES,
    "laboratory",
    "score",
    "report",
    "export",
    "runs",
    "compare",
    "bench",
    "demo",
    "doctor",
    "ls",
    "cp",
)
HEAVY = ("torch", "transformers", "datasets", "pandas", "matplotlib", "pyarrow", "numpy", "scipy", "hydra")


@pytest.mark.process
def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from recbench.cli import main; code = main(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def seconds() -> float:
        before = spent()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"
        for name in COMMANDS:
            assert name in done.stdout
        return spent() - before

    assert min(seconds() for _ in range(3)) < 0.5  # of the processor: the machine may be busy with other tests


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert "Usage: recbench" in capsys.readouterr().out


def test_without_arguments_the_help_is_shown(capsys):
    assert main([]) == 0
    assert "Usage: recbench" in capsys.readouterr().out


@pytest.mark.parametrize("stage", [*STAGES, "laboratory", "bench"])
def test_help_config_lists_every_option(stage, command):
    result = command(stage, "--help-config")
    assert result.code == 0
    known = {key for key, _ in options(STAGE_SCHEMAS["train" if stage == "bench" else stage])}
    own = {"algo.name", "algo.select_by", "algo.also_select_by", "negatives.kind", "seed", "input", "resume", "force"}
    own = own if stage == "bench" else set()  # what arms, --pick, --seeds and the runs folder say
    listed = {line.partition("=")[0] for line in result.out.splitlines() if not line.startswith(" ")}
    assert known - own <= listed and not own & listed
    assert {"eval.ranks", "eval.bootstrap"} <= listed or stage != "bench"


@pytest.mark.parametrize("width", [60, 80, 100, 140, None])
def test_an_option_is_two_lines_at_every_width(width, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width or ""))
    lines = command("train", "--help-config").out.splitlines()
    longest = width or 120
    assert max(map(len, lines)) <= longest
    firsts = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert len(firsts) == len(list(options(STAGE_SCHEMAS["train"])))
    texts = [" ".join(" ".join(lines[a:b]).split()) for a, b in zip(firsts, [*firsts[1:], None])]
    assert "seed=0 (at least 0) seed of everything random; 0 is a seed like any other" in texts
    assert any("of negatives=beam or mixed: beam width B" in text for text in texts)


def test_help_config_of_a_prefix(command, refuse):
    lines = command("train", "--help-config", "negatives").out.splitlines()
    assert [line.partition("=")[0] for line in lines if not line.startswith(" ")] == [
        "negatives.kind",
        "negatives.beam_width",
        "negatives.pool",
        "negatives.exclude_seen",
    ]
    assert command("train", "--help-config", "seed=3").out.startswith("seed=0  (at least 0)\n    seed of")
    refuse(command("train", "--help-config", "algo.stepz"), "no option begins so; did you mean 'algo.steps'?")


def test_the_demo_lists_the_four_options_that_it_takes(command):
    lines = command("demo", "--help-config").out.splitlines()
    assert [line.partition("=")[0] for line in lines if not line.startswith(" ")] == list(KEYS[:3]) + ["device"]
