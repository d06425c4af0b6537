import resource
import subprocess
import sys

import pytest

from recbench.cli import main

STAGES = ("data", "caption", "tokenize", "ctr", "simulate", "train", "eval")
COMMANDS = (*STAGES, "laboratory", "score", "report", "runs", "compare", "bench", "demo")
HEAVY = ("torch", "transformers", "datasets", "pandas", "matplotlib", "pyarrow", "numpy", "scipy", "hydra")


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


@pytest.mark.parametrize("stage", STAGES)
def test_help_config_lists_every_option(stage, command):
    result = command(stage, "--help-config")
    assert result.code == 0
    assert "seed" in result.out
    assert "data.split" in result.out
    assert "one of leave_one_out, global_time, given" in result.out
