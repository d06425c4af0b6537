"""`recbench score` on pROC's cases, through the command line."""

import csv
import json
from pathlib import Path

import pytest

ORACLE = Path(__file__).parents[1] / "oracle"


def rows(name):
    with (ORACLE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_equals_proc_on_every_row(command, tmp_path):
    expected = rows("expected.csv")
    for case in dict.fromkeys(row["case"] for row in expected):
        lines = [f"{row['label']},{row['score']}" for row in rows("cases.csv") if row["case"] == case]
        (tmp_path / "scores.csv").write_text("\n".join(["label,score", *lines]) + "\n")
        mine = [row for row in expected if row["case"] == case]
        windows = [part for row in mine for part in ("--window", f"{row['fpr_lo']},{row['fpr_hi']}")]
        result = command("score", "scores.csv", *windows, "--samples", "0", "--json")
        assert result.code == 0, result.err
        metrics = json.loads(result.out)
        for row in mine:
            name = f"({float(row['fpr_lo']):g},{float(row['fpr_hi']):g})"
            found = [metrics[kind + name]["value"] for kind in ("pauc", "wpauc", "mcclish")]
            known = [float(row[column]) for column in ("pauc", "pauc_over_width", "pauc_mcclish_unclipped")]
            assert found == pytest.approx(known, abs=1e-9), (case, name)


def test_the_table_has_every_metric(command, tmp_path):
    (tmp_path / "ranks.csv").write_text("user,above,ties,n\na,0,0,100\nb,12,0,100\n")
    result = command("score", "ranks.csv", "--window", "0,0.1", "--k", "1,10")
    assert result.code == 0, result.err
    # one user of two has no negative above the positive; the other's twelve put it past both cut-offs and the window
    for line in ("hr@1", "hr@10", "wpauc(0,0.1)"):
        assert any(row.split()[:2] == [line, "0.5000"] for row in result.out.splitlines())


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "empty"), ("label\n1\n", "columns"), ("label,score\n1,high\n", "line 2"), ("label,score\n2,1\n", "line 2")],
)
def test_bad_files_are_one_line(text, words, command, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    result = command("score", "scores.csv")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert words in result.err
