"""Commands as calls: the same words, the same errors, and a run in place of what is printed."""

import re
from pathlib import Path

import pytest
import rich

import recbench
from recbench.errors import UserError
from tests.conftest import MARKET, MODEL, SHORT_SFT

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[1] / "docs/guide/python.md"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_s_example(folder, capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    small = "".join(f", {word!r}" for word in (*MARKET, *MODEL, "threads=1"))
    fitted = example.replace(', "data=bazaar"', small + "".join(f", {word!r}" for word in SHORT_SFT))
    fitted = fitted.replace("anchor=10, ", 'anchor=10, threads=1, **{"algo.steps": 2, "algo.evaluate_every": 2}, ')
    assert fitted.count("threads=1") == 2
    exec(compile(fitted, str(GUIDE), "exec"), {})
    value, report, p = capsys.readouterr().out.splitlines()
    assert value.startswith("{'high': ") and Path(report).is_file() and (p == "None" or 0 <= float(p) <= 1)
    assert recbench.load(stage="eval").config.windows == [[0.0, 0.01]] and recbench.load(stage="eval").config.ks == [
        1,
        10,
    ]
    trained = recbench.load(stage="train")
    assert trained.config.algo.anchor == 10 and trained.overrides.count("algo.anchor=10") == 1


def test_a_run_shows_what_it_is(folder, capsys) -> None:
    run = recbench.run("data", *MARKET)
    rich.print(run)
    assert "status='done'" in capsys.readouterr().out and repr(run) == f"Run('{run.path}')"
    assert recbench.load(run.path).id == recbench.load(run.id[:20]).id == run.id


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "algo=tawinn"), "did you mean 'tawin'"),
        (("train", "--nope"), "'recbench train --help' lists what it takes"),
        (("eval", "input=nothing"), "no run 'nothing'"),
        (("score",), "recbench.score_file"),
        (("train", "-m"), "call recbench.run for each"),
    ],
)
def test_a_mistake_is_an_exception_with_the_line(folder, capsys, words, told) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        recbench.run(*words)
    assert "error:" not in capsys.readouterr().err and not (folder / "runs").exists()
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        recbench.nothing  # noqa: B018
