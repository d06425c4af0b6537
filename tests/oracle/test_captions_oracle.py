"""BLEU-4, ROUGE-L and CIDEr against the published packages; see README.md here."""

import csv
import json
from pathlib import Path

import pytest

from recbench.metrics.captions import bleu4, cider, rouge_l

HERE = Path(__file__).parent


@pytest.mark.parametrize("metric", [bleu4, rouge_l, cider], ids=["bleu4", "rouge_l", "cider"])
def test_equals_the_published_package(metric) -> None:
    with (HERE / "captions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = json.loads((HERE / "captions_expected.json").read_text(encoding="utf-8"))[metric.__name__]
    assert 0.05 < expected < 5  # neither nothing nor everything matches
    value = metric([row["caption"] for row in rows], [row["reference"] for row in rows])
    assert value == pytest.approx(expected, abs=1e-12)
