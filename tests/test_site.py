"""The documentation site: every page has its place, reference pages have everything, no warning when it is built."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from recbench.schema import STAGE_SCHEMAS, describe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages() -> Path:
    """The assembled pages."""
    subprocess.run([sys.executable, "site/make.py"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "build/site/docs"


def places(nav: list) -> Iterator[str]:
    """The pages of mkdocs.yml's navigation."""
    for entry in nav:
        for value in entry.values():
            yield from places(value) if isinstance(value, list) else [value]


def test_every_place_has_a_page_and_every_guide_a_place(pages: Path) -> None:
    named = list(places(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert all((pages / name).is_file() for name in named) and len(set(named)) == len(named)
    guides = {f"guide/{page.name}" for page in (ROOT / "docs/guide").glob("*.md")}
    assert guides | {"methods.md", "papers.md", "extending.md", "architecture.md"} <= set(named)


def test_every_key_command_and_public_function_is_listed(pages: Path) -> None:
    configuration = (pages / "reference/configuration.md").read_text(encoding="utf-8")
    for stage in STAGE_SCHEMAS:
        section = configuration.split(f"## recbench {stage}\n")[1].split("\n## ")[0]
        assert all(f"| `{row[0]}` |" in section for row in describe(stage) if not row[0].startswith("data."))
    commands = (pages / "reference/commands.md").read_text(encoding="utf-8")
    assert all(f"## recbench {name}\n" in commands for name in ("train", "eval", "init", "bench", "score"))
    python = (pages / "reference/python.md").read_text(encoding="utf-8")
    for name in ("def run(", "def score_file(", "def windowed_tpr(", "class ItemTrie"):
        assert name in python
    assert "def _" not in python


def test_formulas_and_links_are_as_the_site_has_them(pages: Path) -> None:
    methods = (pages / "methods.md").read_text(encoding="utf-8")
    assert "```math" not in methods and "$$" in methods
    start = (pages / "index.md").read_text(encoding="utf-8")
    assert "](./methods.md)" in start and "](docs/" not in start and "](./images/windows.png)" in start


def test_it_builds_without_a_warning(pages: Path) -> None:
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("zensical is not installed: pip install -e '.[site]'")
    script = Path(sys.executable).with_name("zensical")
    built = subprocess.run([script, "build", "--strict"], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0 and "arning" not in built.stdout + built.stderr, built.stdout + built.stderr
    assert (ROOT / "build/site/html/index.html").is_file()
