"""A value that a shell delivers whole is taken whole; what is Hydra's own grammar keeps its meaning."""

import json

import pytest
from omegaconf import OmegaConf

ROWS = "user,item\n" + "".join(f"u{user},i{(user + step) % 5}\n" for user in range(4) for step in range(3))


@pytest.mark.parametrize(
    "name",
    [
        "clicks (1).csv",
        "données.csv",
        "a=b.csv",
        "a b.csv",
        "a#b.csv",
        "[x].csv",
        "{x}.csv",
        "Anna's.csv",
        'a "b".csv',
        "a&b;c.csv",
        "日本.csv",
        "a,b.csv",
        "~a.csv",
        " a .csv",
        "[a,b]c.csv",
        "f(x).csv",
        "a\\'b.csv",
    ],
)
def test_a_file_of_any_name_is_read(name, command, tmp_path) -> None:
    (tmp_path / name).write_text(ROWS)
    result = command("data", "data=table", f"data.path={name}", "--json")
    assert result.code == 0, result.err
    run = json.loads(result.out)
    assert run["metrics"]["interactions"] == 12
    # The config on disk says the same: what reads it again must find the file.
    assert OmegaConf.load(tmp_path / run["path"] / "config.yaml").data.path == name


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("seed=3", "seed", 3),
        ("ks=[1,2]", "ks", [1, 2]),
        ("ks=[1, 2]", "ks", [1, 2]),
        ("windows=[[0.0,0.1]]", "windows", [[0.0, 0.1]]),
        ("data.path='a b'", "data.path", "a b"),
        ('data.path="a,b"', "data.path", "a,b"),
        ("data.path=${oc.env:HERE}/x", "data.path", "/here/x"),
        ("data.path=${oc.env:HERE}/x (1)", "data.path", "/here/x (1)"),
        ("data.path=null", "data.path", None),
        ("data.path=1e5", "data.path", "1e5"),  # no number where a text belongs
        ("data.path=1_000", "data.path", "1_000"),
        ("data.path=007", "data.path", "007"),
        ("data.path=true", "data.path", "true"),
        ("data.path=C:\\data\\", "data.path", "C:\\data\\"),
        ("data.options={size: tiny, seed: 1}", "data.options.size", "tiny"),
        ("+data.options.timestamp_format=%d/%m/%Y, %H:%M", "data.options.timestamp_format", "%d/%m/%Y, %H:%M"),
        ("+data.options.delimiter=;", "data.options.delimiter", ";"),
        ("+data.options.delimiter=,", "data.options.delimiter", ","),
        ("+data.options.items_file=1e5", "data.options.items_file", "1e5"),
        ("force=true", "force", True),
    ],
)
def test_the_grammar_keeps_its_meaning(override, key, value, command, monkeypatch) -> None:
    monkeypatch.setenv("HERE", "/here")
    result = command("eval", "--cfg", override)
    assert result.code == 0, result.err
    assert OmegaConf.select(OmegaConf.create(result.out), key) == value


def test_a_prompt_is_a_sentence(command) -> None:
    result = command("caption", "--cfg", "captioner.prompt=Say, in a word, what {title} is (please).")
    assert OmegaConf.create(result.out).captioner.prompt == "Say, in a word, what {title} is (please)."


def test_commas_are_a_sweep_under_m_and_a_mistake_without(command, trained, tmp_path) -> None:
    assert command("train", "-m", "seed=1,2", "data=table", "data.path=a (1),b").code == 0
    assert [(config.seed, config.data.path) for config in trained] == [
        (1, "a (1)"),
        (1, "b"),
        (2, "a (1)"),
        (2, "b"),
    ]
    result = command("train", "data.path=a.csv,b.csv")
    assert result.code == 2 and "data.path=a.csv,b.csv has several values: add -m" in result.err


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("data.path=\udcff.csv", "'data.path=\\udcff.csv' is no UTF-8 text"),
        ("seed=" + "x" * 100_000, "seed=xxx"),
        ("seed=[1", "seed"),
        ("seed=a b(", "seed='a b(': expected a whole number, at least 0"),
        ("a b", "cannot read 'a b': write KEY=VALUE, such as seed=1"),
    ],
)
def test_what_cannot_be_is_one_short_line(argument, words, command) -> None:
    result = command("data", argument)
    assert result.code == 2 and words in result.err
    assert result.err.count("\n") == 1 and len(result.err) < 2000
