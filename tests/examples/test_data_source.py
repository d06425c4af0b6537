"""docs/examples/data_source.py through the command line: read, filtered, split and evaluated as built-in data are."""

import json

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

LISTS = {
    "ann": ["So What", "Blue in Green", "Naima", "Footprints"],
    "bob": ["Naima", "So What", "Footprints"],
    "cem": ["Blue in Green", "Naima", "So What", "Footprints", "Nardis"],
    "dee": ["Nardis", "Naima"],  # too short: three are needed
}


@pytest.fixture
def asked(user_folder) -> list[str]:
    lines = [f"{name}\t{'|'.join(titles)}\n" for name, titles in LISTS.items()]
    (user_folder / "playlists.txt").write_text("".join(lines))
    return ["data=data_source.Playlists", "data.path=playlists.txt"]


def test_the_example(asked, fresh_workspace):
    run = fresh_workspace.made("data", *asked)
    assert run.path.parent.name == "data_source.Playlists"
    assert run.manifest["extensions"]["data"] == {"name": "data_source.Playlists", "code": run.config.data.code}
    interactions = pq.read_table(run.path / "interactions.parquet").to_pylist()
    catalogue = pq.read_table(run.path / "catalogue.parquet")["item"].to_pylist()
    kept = {name: titles for name, titles in LISTS.items() if name != "dee"}
    assert catalogue == list(dict.fromkeys(title for titles in LISTS.values() for title in titles))
    read: dict[str, list[str]] = {}
    for row in interactions:
        read.setdefault(row["user"], []).append(catalogue[row["item"]])
    assert read == kept

    short = fresh_workspace.made("data", *asked, "data.options.most_titles=3")
    assert pq.read_table(short.path / "interactions.parquet").num_rows == 9
    # what is downstream takes the data of the run that it starts from, without the class
    trained = fresh_workspace.made("train", *asked, "policy=popularity")
    assert trained.input_run("data").id == run.id
    evaluated = fresh_workspace.evaluated(trained, "ks=[1,2]")
    assert evaluated.metrics["cases"] == 3
    assert evaluated.config.data.code == run.config.data.code


def test_a_sweep_takes_it(asked, fresh_workspace):
    result = fresh_workspace.stage("data", "-m", *asked, "data.options.most_titles=3,4", "--json")
    assert result.code == 0, result.err
    rows = [job["metrics"]["interactions"] for job in json.loads(result.out)["jobs"]]
    assert rows == [9, 11]  # 3 + 3 + 3, and 4 + 3 + 4


@pytest.mark.parametrize(
    ("text", "instead", "words"),
    [
        (
            "lines = source_path",
            'raise KeyError("x")\n        lines = source_path',
            "data_source.py line 21: KeyError: 'x'",
        ),
        ("return RawData(", "return (", "data=data_source.Playlists: read returned a tuple, expected a RawData"),
        ('{"user": users, "item"', '{"name": users, "item"', "interactions has no column user"),
        ("def read(self, config)", "def read(self)", "read(self) cannot be called as read(self, config: DataConfig)"),
    ],
)
def test_what_goes_wrong_in_its_code_is_told(text, instead, words, asked, user_folder, fresh_workspace):
    file = user_folder / "data_source.py"
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
    result = fresh_workspace.stage("data", *asked)
    assert words in result.err and result.code == (1 if "KeyError" in words else 2)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.options.most_titles=1", "data.options.most_titles=1: expected at least 2"),
        ("data.options.most=3", "unknown key data.options.most; did you mean 'data.options.most_titles'?"),
        ("data.options.most_titles=few", "data.options.most_titles=few"),
    ],
)
def test_its_options_are_checked(override, words, asked, fresh_workspace, refuse):
    refuse(fresh_workspace.stage("data", *asked, override), words)
