"""Imports point one way: every `import` of recbench's own is one that the table of docs/architecture.md allows."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "recbench"


def table() -> dict[str, set[str]]:
    """Of each package or module what it may import."""
    section = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## Imports point one way")[1]
    rows: dict[str, set[str]] = {}
    for line in section.split("\n## ")[0].splitlines():
        cells = [re.findall(r"`([\w.]+)`", cell) for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `"):
            for name in cells[0]:
                assert name not in rows, f"{name} has two rows"
                rows[name] = set(cells[1])
    return rows


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """The modules of recbench that a file imports: without the package's name, and with the first name taken of it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found = [(str(node.module), f"{node.module}.{alias.name}") for alias in node.names]
        else:
            continue
        for module, full in found:
            if module == PACKAGE or module.startswith(f"{PACKAGE}."):
                yield full.removeprefix(f"{PACKAGE}."), f"{file.relative_to(ROOT)}:{node.lineno}"


def unit(file: Path) -> str:
    """The package or the module below recbench that a file is of."""
    return file.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


def edges() -> Iterator[tuple[str, str, str]]:
    """(who imports, what, where), but for imports within a package."""
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        for name, place in imported(file):
            if name.split(".")[0] != unit(file):
                yield unit(file), name, place


def within(name: str, allowed: set[str]) -> set[str]:
    return {entry for entry in allowed if name == entry or name.startswith(f"{entry}.")}


def test_every_import_is_one_that_the_table_allows() -> None:
    rows = table()
    wrong = [
        f"{place}: {who} imports {name}"
        for who, name, place in edges()
        if who not in rows or not within(name, rows[who])
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_names_what_is_there_and_allows_no_more_than_is_used() -> None:
    rows = table()
    assert set(rows) == {unit(file) for file in (ROOT / PACKAGE).rglob("*.py")}
    used: dict[str, set[str]] = {name: set() for name in rows}
    for who, name, _ in edges():
        used[who] |= within(name, rows[who])
    unused = {name: allowed - used[name] for name, allowed in rows.items()}
    assert not {name: entries for name, entries in unused.items() if entries}


def test_the_imports_have_no_circle() -> None:
    graph = {name: {entry.split(".")[0] for entry in allowed} for name, allowed in table().items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert table()["metrics"] <= {"errors"}
