import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from recbench.reporting.report import write_report
from recbench.runs import Run, create_run


@pytest.fixture
def evaluated(tmp_path):
    """An eval run made from a train run made from a data run, with ranks and the best possible ones."""
    config = OmegaConf.create(
        {"runs": str(tmp_path), "seed": 4, "split": "test", "windows": [[0.0, 0.1]], "data": {"name": "toy"}}
    )
    data, train, run = (create_run(stage, config) for stage in ("data", "train", "eval"))
    best = {"split": [1, 2, 2], "above": [9, 0, 1], "ties": [0, 0, 0], "n": [10, 10, 10]}
    pq.write_table(pa.table(best), data.path / "best.parquet")
    data.finish("done", {"users": 2})
    train.use(data)
    train.finish("done", {"auc": 0.5})
    run.use(train)
    ranks = {"above": [0, 5], "ties": [0, 2], "n": [10, 10], "censored": [False, True]}
    pq.write_table(pa.table(ranks), run.path / "ranks.parquet")
    run.note("a window is narrow")
    run.finish("done", {"kept": {"hr@10": {"value": 0.5, "low": 0.25, "high": 0.75}}, "cases": 2})
    return run


@pytest.mark.slow
def test_the_report_says_what_was_found_and_from_what(evaluated):
    text = write_report(evaluated.path).read_text()
    assert "# eval on toy" in text
    assert "| hr@10 | 0.5000 [0.2500, 0.7500] |" in text
    assert "- a window is narrow" in text
    assert "![ROC curve at the head of the FPR axis, windows shaded](roc_head.png)" in text
    assert evaluated.input_run("train").id in text
    assert "| `windows` | [[0.0, 0.1]] |" in text
    assert (evaluated.path / "roc_head.png").stat().st_size > 10_000


def test_the_picture_has_the_best_curve_of_the_same_split(evaluated, monkeypatch):
    drawn = {}
    from recbench.reporting import roc_plot

    monkeypatch.setattr(
        roc_plot, "plot_roc_head", lambda path, curves, *rest: (drawn.update(curves=curves), path.touch())
    )
    write_report(evaluated.path)
    (own, above, ties, negatives), (best, best_above, *_) = drawn["curves"]
    assert above.tolist() == [0, 10]  # the positive that the beam did not find counts as last
    assert (own, best[:13]) == ("this run", "best possible")
    assert best_above.tolist() == [0, 1]  # the validation case is left out


def test_writing_again_changes_nothing(evaluated):
    first = write_report(evaluated.path).read_bytes()
    assert write_report(evaluated.path).read_bytes() == first


def test_a_failed_run_has_a_report_too(tmp_path):
    run = create_run("train", OmegaConf.create({"runs": str(tmp_path), "seed": 0, "data": {"name": "toy"}}))
    run.finish("failed", error="RuntimeError: boom")
    text = write_report(run.path).read_text()
    assert "It ended with an error: RuntimeError: boom" in text
    assert not (Run(run.path).path / "roc_head.png").exists()


@pytest.mark.process
def test_reporting_imports_no_torch():
    import subprocess

    code = (
        "import sys, recbench.reporting.report, recbench.reporting.roc_plot, recbench.reporting.tables;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
