"""Every row of R's pROC: raw partial area, over width, McClish's form; see README.md here for how they were made."""

import csv
from pathlib import Path

import pytest

from recbench import score_file
from recbench.metrics.windows import window_auc

HERE = Path(__file__).parent
TOLERANCE = 1e-9


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


CASES = read("cases.csv")
EXPECTED = read("expected.csv")
IDS = [f"{row['case']}-{row['fpr_lo']}-{row['fpr_hi']}" for row in EXPECTED]


def test_every_window_of_the_oracle_has_an_expected_row() -> None:
    windows = [(row["case"], float(row["fpr_lo"]), float(row["fpr_hi"])) for row in read("windows.csv")]
    assert windows == [(row["case"], float(row["fpr_lo"]), float(row["fpr_hi"])) for row in EXPECTED]
    assert len(windows) == 16


@pytest.mark.filterwarnings("ignore:window .* is narrower than one negative")
@pytest.mark.parametrize("row", EXPECTED, ids=IDS)
def test_score_file_equals_proc(row: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    lines = [f"{case['label']},{case['score']}" for case in CASES if case["case"] == row["case"]]
    file.write_text("\n".join(["label,score", *lines]) + "\n")
    a, b = float(row["fpr_lo"]), float(row["fpr_hi"])

    metrics = score_file(file, [(a, b)], [], samples=0)

    assert metrics["auc"]["value"] == pytest.approx(float(row["auc"]), abs=TOLERANCE)
    assert metrics[f"pauc({a:g},{b:g})"]["value"] == pytest.approx(float(row["pauc"]), abs=TOLERANCE)
    assert metrics[f"wpauc({a:g},{b:g})"]["value"] == pytest.approx(float(row["pauc_over_width"]), abs=TOLERANCE)
    mcclish = float(row["pauc_mcclish_unclipped"])
    assert metrics[f"mcclish({a:g},{b:g})"]["value"] == pytest.approx(mcclish, abs=TOLERANCE)


@pytest.mark.parametrize("row", EXPECTED, ids=IDS)
def test_window_auc_equals_proc(row: dict[str, str]) -> None:
    case = [(int(line["label"]), float(line["score"])) for line in CASES if line["case"] == row["case"]]
    labels, scores = zip(*case, strict=True)
    assert (labels.count(1), labels.count(0)) == (int(row["n_pos"]), int(row["n_neg"]))

    area = window_auc(labels, scores, (float(row["fpr_lo"]), float(row["fpr_hi"])))

    assert area.raw == pytest.approx(float(row["pauc"]), abs=TOLERANCE)
    assert area.normalised == pytest.approx(float(row["pauc_over_width"]), abs=TOLERANCE)
    assert area.mcclish == pytest.approx(float(row["pauc_mcclish_unclipped"]), abs=TOLERANCE)
    if row["pauc_mcclish"] != "NA":
        assert area.mcclish == pytest.approx(float(row["pauc_mcclish"]), abs=TOLERANCE)
