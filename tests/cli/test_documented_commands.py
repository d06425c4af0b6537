"""Commands that the documentation shows are taken as they stand: no key in them is unknown or without an effect."""

import re
import shlex
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STAGES = ("caption", "ctr", "data", "eval", "simulate", "tokenize", "train")
PLACEHOLDER = re.compile(r"\b(RUN|FILE|NAME|HOST|CHECKPOINT|FOLDER)\b|\.\.\.|latest|--estimate")


def shown() -> list[str]:
    """Every `recbench STAGE ...` of the README, the guide, docs/papers.md and the results, without its remark."""
    found = []
    for file in (ROOT / "README.md", ROOT / "docs/papers.md", *sorted((ROOT / "docs").glob("*/*.md"))):
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for match in re.finditer(rf"(?<!\w)recbench ((?:{'|'.join(STAGES)}) [^`\n]+)", text):
            if text[match.end() :].lstrip().startswith("error: "):
                continue
            words = re.split(r"\s{3,}| \| | \(|, and", match[1])
            parts = [words[0], *words[1:2]] if re.fullmatch(r"\w+", words[0]) else words[:1]  # aligned in columns
            command = " ".join(parts)
            if not PLACEHOLDER.search(command) and re.fullmatch(
                r"\w+( (-m|--?[\w-]+([= ][\w.,@]+)?|\S+=\S*|\"[^\"]+\"))+", command
            ):
                found.append(command)
    return list(dict.fromkeys(found))


def test_there_are_commands_to_check() -> None:
    assert len(shown()) > 20


@pytest.mark.parametrize("text", shown())
def test_it_is_taken(text, command, stub, tmp_path) -> None:
    (tmp_path / "conf/data").mkdir(parents=True)
    shop = "defaults:\n  - table\n  - _self_\nname: shop\npath: clicks.csv\n"  # as `recbench init` leaves it
    (tmp_path / "conf/data/shop.yaml").write_text(shop)
    for stage in STAGES:
        stub(stage, lambda config, run: {})
    result = command(*shlex.split(text))
    assert result.code == 0, result.err
