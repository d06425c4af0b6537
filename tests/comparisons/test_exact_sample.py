"""Beam ranks with an exact sample beside them: what `recbench eval` writes and `recbench compare` reads."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.comparisons.compare import compare_runs
from recbench.errors import UserError
from recbench.metrics.summary import metric_of_ranks
from recbench.reporting.markup import escaped
from recbench.reporting.verdicts import verdict

pytestmark = pytest.mark.slow

KINDS = ["ks=[1,5]", "windows=[[0.0,0.05],[0.05,0.5]]"]
BEAM = ["ranks=beam", "beam_width=6", *KINDS]
METRICS = ["auc", "wpauc(0.05,0.5)", "hr@5"]


@pytest.fixture(scope="module")
def evaluated(workspace, semantic_run):
    """The same training scored by a beam with 40 cases exactly, and exactly all over."""
    by_beam = workspace.evaluated(semantic_run, *BEAM, "exact_sample=40")
    return by_beam, workspace.evaluated(semantic_run, "ranks=exact", *KINDS)


@pytest.fixture(scope="module")
def continued(workspace, semantic_run):
    """Another arm, scored by a beam with the same sample, and with none."""
    trained = workspace.rl(semantic_run, "--algo=grpo", "--neg=random", "seed=5")
    return workspace.evaluated(trained, *BEAM, "exact_sample=40"), workspace.evaluated(trained, *BEAM)


def table(run, name="ranks.parquet"):
    return pq.read_table(run.path / name).to_pandas().set_index(["user", "case"]).sort_index()


@pytest.mark.parametrize("suffix", ["", "_excluded"])
def test_the_sample_has_the_exact_ranks_of_its_cases(evaluated, suffix) -> None:
    sample, exact = table(evaluated[0], "exact_ranks.parquet"), table(evaluated[1])
    assert len(sample) == 40 < len(exact)
    for column in ("above", "ties", "n"):
        assert (sample[column + suffix] == exact.loc[sample.index, column + suffix]).all()
    assert not sample["censored"].any() and table(evaluated[0])["censored"].any()


def test_metrics_beyond_the_beam_are_of_the_sample(evaluated) -> None:
    metrics, sample = evaluated[0].metrics, table(evaluated[0], "exact_ranks.parquet")
    assert metrics["exact_cases"] == 40
    assert "auc" not in metrics["kept"] and "hr@5" in metrics["kept"]
    for name in ("auc", "wpauc(0.05,0.5)"):
        value = metric_of_ranks(name, sample["above"], sample["ties"], sample["n"]).mean()
        assert metrics["exact_kept"][name]["value"] == pytest.approx(value)
    assert "hr@5" not in metrics["exact_kept"] and "wpauc(0,0.05)" not in metrics["exact_kept"]  # the beam tells these
    report = (evaluated[0].path / "report.md").read_text()
    assert "exact sample, seen kept" in report
    found = verdict("eval", evaluated[0].metrics)
    assert found and report.index(f"**{escaped(found[0])}.**") < report.index("## ")  # opens with it


def test_the_sample_is_the_same_for_every_arm_and_seed(evaluated, continued) -> None:
    first, second = (table(run, "exact_ranks.parquet").index for run in (evaluated[0], continued[0]))
    assert (first == second).all()


@pytest.mark.parametrize("excluded", [False, True])
def test_a_comparison_takes_them_from_the_sample_and_top_k_from_all(evaluated, continued, excluded) -> None:
    notes: list[str] = []
    labels = {evaluated[1].id: "exact", continued[0].id: "by beam"}
    found = compare_runs(
        [evaluated[1], continued[0]], metrics=METRICS, excluded=excluded, labels=labels, note=notes.append
    )
    assert found["sampled"] == {"metrics": ["auc", "wpauc(0.05,0.5)"], "cases": 40}
    assert [arm["arm"] for arm in found["arms"]] == ["exact", "by beam"]
    assert any("of the 40 cases that every run has scored exactly" in note for note in notes)
    suffix = "_excluded" if excluded else ""
    sample, everything = table(continued[0], "exact_ranks.parquet"), table(evaluated[1])
    for name, rows in (("auc", sample.index), ("hr@5", everything.index)):  # the exact arm on the same cases
        counts = [everything.loc[rows, column + suffix] for column in ("above", "ties", "n")]
        value = found["arms"][0]["values"][name]["mean"]
        assert value == pytest.approx(np.mean(metric_of_ranks(name, *counts)))
    auc = metric_of_ranks("auc", *(sample[column + suffix] for column in ("above", "ties", "n"))).mean()
    assert found["arms"][1]["values"]["auc"]["mean"] == pytest.approx(auc)


def test_without_a_sample_they_are_left_out(evaluated, continued) -> None:
    notes: list[str] = []
    found = compare_runs([evaluated[0], continued[1]], metrics=METRICS, note=notes.append)
    assert found["metrics"] == ["hr@5"] and "sampled" not in found
    assert any("auc, wpauc(0.05,0.5) left out" in note for note in notes)
    with pytest.raises(UserError, match="exact_sample=2000 or ranks=exact"):
        compare_runs([evaluated[0], continued[1]], metrics=["auc"])
