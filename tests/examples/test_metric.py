"""docs/examples/metric.py through the command line, against the counts in ranks.parquet."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(fresh_workspace):
    return fresh_workspace.made("train", "data=bazaar", "data.options.size=tiny", "policy=popularity")


def test_the_example(trained, user_folder, fresh_workspace):
    run = fresh_workspace.evaluated(trained, "metrics=[metric.precision@10,metric.mean_rank]")
    ranks = {name: column.to_numpy() for name, column in zip(*_columns(run))}
    precision = []
    for above, ties in zip(ranks["above"], ranks["ties"]):  # every place of the positive among those tied with it
        places = range(above + 1, above + ties + 2)
        precision.append(np.mean([place <= 10 for place in places]) / 10)
    kept = run.metrics["kept"]
    assert kept["metric.precision@10"]["value"] == pytest.approx(np.mean(precision))
    assert kept["metric.precision@10"]["value"] == pytest.approx(kept["hr@10"]["value"] / 10)
    assert kept["metric.mean_rank"]["value"] == pytest.approx(np.mean(1 + ranks["above"] + ranks["ties"] / 2))
    assert kept["metric.mean_rank"]["low"] < kept["metric.mean_rank"]["value"] < kept["metric.mean_rank"]["high"]
    assert run.manifest["extensions"]["metrics"] == run.config.metric_code
    assert "metric.mean_rank" in (run.path / "report.md").read_text()
    plain = fresh_workspace.evaluated(trained)
    own = ("metric.precision@10", "metric.mean_rank")
    assert plain.metrics["kept"] == {name: cell for name, cell in kept.items() if name not in own}

    shown = fresh_workspace.command(
        "compare", str(run.path), "--metrics", "hr@10,metric.mean_rank", "--runs", str(fresh_workspace.root), "--json"
    )
    assert shown.code == 0, shown.err
    assert "metric.mean_rank" in json.dumps(json.loads(shown.out))


def _columns(run):
    table = pq.read_table(run.path / "ranks.parquet", columns=["above", "ties"])
    return table.column_names, table.columns


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "metrics=[hr@10]",
            "metrics=[hr@10]: expected functions of your own, as MODULE.FUNCTION or MODULE",
        ),
        ("metrics=[metric.precision]", "metrics=metric.precision cannot be called as metric.precision(above, ties"),
        ("metrics=[metric.mean_rank@5]", "metrics=metric.mean_rank@5 cannot be called as metric.mean_rank(above, ties"),
        ("metrics=[metric.median]", "metric.py has no median"),
        ("metrics=[metric.np]", "metrics=metric.np is a module, expected a function metric.np(above, ties, negatives)"),
        ("+metric_code.a=b", "metric_code is told by recbench, and not to be given: leave it out"),
    ],
)
def test_functions_that_cannot_be(override, words, user_folder, fresh_workspace, refuse):
    refuse(fresh_workspace.stage("eval", "--no-upstream", override), words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("above.sum()", "metric mine.total gave one number for 4 cases: expected a number for each case"),
        ("'hello'", "metric mine.total gave one text for 4 cases"),
        ("['a' for _ in above]", "metric mine.total gave 4 texts for 4 cases"),
        ("above[:3]", "metric mine.total gave 3 numbers for 4 cases"),
        ("[[1], [1, 2], [3], [4]]", "metric mine.total gave lists of several lengths"),
        ("[None for _ in above]", "metric mine.total gave 4 objects for 4 cases"),
    ],
)
def test_what_it_gives_is_checked_before_a_run_is_made(body, words, trained, user_folder, fresh_workspace, refuse):
    (user_folder / "mine.py").write_text(f"def total(above, ties, negatives):\n    return {body}\n")
    refuse(fresh_workspace.stage("eval", f"input={trained.path}", "metrics=[mine.total]"), words)
    assert not (fresh_workspace.root / "eval").exists()
