"""docs/examples/feature.py through the command line."""

import json

import pytest

from recbench.features.columns import load_features

pytestmark = pytest.mark.slow

CAPTIONS = {"i0": "a red hat", "i1": "a red coat", "i2": "a blue hat", "i3": "a red hat", "i4": "a red hat"}


@pytest.fixture
def asked(user_folder) -> list[str]:
    (user_folder / "user_sequence.txt").write_text("ann i0 i1 i2 i3 i4\nbob i1 i0 i2 i4 i3\n")
    rows = [f"{item},{caption}\n" for item, caption in CAPTIONS.items()]
    (user_folder / "captions.csv").write_text("item,caption\n" + "".join(rows))
    data = ["data=amazon_beauty", "data.path=.", "data.options.items_file=null"]
    return [*data, "captioner=file", "captioner.path=captions.csv", "features=feature.Pairs"]


def test_the_example(asked, fresh_workspace):
    run = fresh_workspace.made("tokenize", *asked, "features.joiner=+", "features.kinds=[words,feature.Pairs]")
    _, pairs = load_features(run.path)
    values = json.loads((run.path / "vocabulary-pairs.json").read_text())["values"]
    # counted by hand among items of the training period: i0, i1 and i2
    assert values == ["a+red"]
    lists = [pairs.ids[start:end].tolist() for start, end in zip(pairs.offsets, pairs.offsets[1:])]
    assert lists == [[2, 1], [2, 1], [1], [2, 1], [2, 1]]  # a+red, then out of vocabulary
    assert list(run.metrics["columns"]) == ["pairs", "words"]
    assert run.manifest["extensions"]["features"]["name"] == "feature.Pairs"


@pytest.mark.parametrize(
    ("text", "instead", "words"),
    [
        ("made.columns.append(", "print(", "features=feature.Pairs: add has added no column to made.columns"),
        ('encode("pairs"', 'encode("item"', "a column is called 'item'; expected another name"),
    ],
)
def test_what_it_adds_is_checked(text, instead, words, asked, user_folder, fresh_workspace, refuse):
    file = user_folder / "feature.py"
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
    result = fresh_workspace.stage("tokenize", *asked)
    assert result.code == 2 and words in result.err
