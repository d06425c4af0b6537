"""recbench demo: the whole chain on the embedded market, then one table over its arms."""

from pathlib import Path

from recbench.execution import compose, execute, prepare
from recbench.reporting.progress import say
from recbench.reporting.tables import comparison_grid, markdown, show
from recbench.runs import Run, atomic_path

# Every arm starts from the same SFT run, which the first of them names and the others find.
ARMS: dict[str, list[str]] = {
    "GRPO, random negatives": ["algo=grpo", "negatives=random"],
    "GRPO, beam negatives": ["algo=grpo", "negatives=beam"],
    "TAWin, Top-10": ["algo=tawin", "algo.top_k=10"],
}
MARKET = ["data=bazaar", "data.options.size=small"]  # what two cores learn in a few minutes


def demo(root: Path, seed: int) -> Path:
    """Data, SFT, the arms and an evaluation of each; prints a table and returns the folder of the last evaluation."""
    common = [*MARKET, f"runs={root}", f"seed={seed}"]
    _run("data", "the market", [*MARKET, f"runs={root}"])
    sft = _run("train", "SFT", [*common, "algo=sft"])
    trained = {"SFT": sft}
    for name, overrides in ARMS.items():
        trained[name] = _run("train", name, [*common, f"input={sft.path}", *overrides])
    evaluated = {name: _run("eval", name, [*common, f"input={run.path}"]) for name, run in trained.items()}
    named = [(name, run.metrics) for name, run in evaluated.items()]
    best = named[0][1].get("best")
    if best:
        named.append(("best possible", {"kept": best}))
    grid = comparison_grid("test metrics, seen items kept", named, "arm")
    show([grid])
    last = evaluated[list(evaluated)[-1]]
    with atomic_path(root / "demo.md") as partial:
        reports = "\n".join(f"- {name}: {run.path.relative_to(root) / 'report.md'}" for name, run in evaluated.items())
        partial.write_text(f"# {grid.title}\n\n{markdown(grid)}\n{reports}\n", encoding="utf-8")
    for name, run in evaluated.items():
        say(f"report of {name}: {run.path / 'report.md'}")
    say(f"table: {root / 'demo.md'}")
    return last.path


def _run(stage: str, name: str, overrides: list[str]) -> Run:
    say(f"== {stage}: {name}")
    return execute(stage, prepare(stage, compose(stage, overrides), overrides), overrides)
