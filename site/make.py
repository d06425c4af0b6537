"""Assembles the documentation site: docs/, and reference pages from the schema, the commands and docstrings.

`make site` runs it and lets Zensical build build/site/html. Pages are copied as they are but for what GitHub and the
site write differently: formulas, and links that lead out of docs/.
"""

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

from recbench.cli import app
from recbench.data.source_options import option_rows
from recbench.schema import STAGE_SCHEMAS, describe

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "site" / "docs"
FROM_ROOT = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
PACKAGES = (
    "metrics",
    "rl",
    "policy",
    "item_tokens",
    "training",
    "ctr",
    "captioning",
    "features",
    "data",
    "simulation",
    "laboratory",
)
MATHJAX = """window.MathJax = {
  tex: {inlineMath: [["\\\\(", "\\\\)"]], displayMath: [["\\\\[", "\\\\]"]], processEscapes: true},
  options: {ignoreHtmlClass: ".*|", processHtmlClass: "arithmatex"},
};
"""


def assemble() -> None:
    """Write every page of the site, and its script, to build/site/docs."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    for name, page in FROM_ROOT.items():
        (PAGES / page).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    for page in PAGES.rglob("*.md"):
        source = ROOT / "docs" / page.relative_to(PAGES)
        origin = next((ROOT / name for name, to in FROM_ROOT.items() if page == PAGES / to), source)
        page.write_text(for_site(page.read_text(encoding="utf-8"), origin, page), encoding="utf-8")
    (PAGES / "javascripts").mkdir()
    (PAGES / "javascripts" / "mathjax.js").write_text(MATHJAX, encoding="utf-8")
    (PAGES / "reference").mkdir()
    for name, lines in (("commands", commands()), ("configuration", configuration()), ("python", python())):
        (PAGES / "reference" / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def for_site(text: str, origin: Path, page: Path) -> str:
    """A page with formulas and links as the site has them."""
    text = re.sub(r"```math\n(.*?)```", lambda match: f"$$\n{match[1]}$$\n", text, flags=re.DOTALL)
    text = re.sub(r"\$`([^`]+)`\$", lambda match: f"${match[1]}$", text)

    def link(match: re.Match[str]) -> str:
        shown, target = match[1], match[2]
        path, sign, anchor = target.partition("#")
        if re.match(r"\w+:", target) or not path:
            return match[0]
        found = (origin.parent / path).resolve()
        if found.is_relative_to(ROOT / "docs"):
            there = PAGES / found.relative_to(ROOT / "docs")
        elif str(found.relative_to(ROOT)) in FROM_ROOT:
            there = PAGES / FROM_ROOT[str(found.relative_to(ROOT))]
        else:
            return shown.strip("[]") if shown.startswith("[") else shown  # a file of the repository: its name alone
        if there.is_dir():
            return shown.strip("[]")
        depth = len(page.parent.relative_to(PAGES).parts)
        away = "/".join([".."] * depth) or "."
        anchor = re.sub("-+", "-", anchor)  # which GitHub leaves, where the site has one
        return f"{shown}({away}/{there.relative_to(PAGES)}{sign}{anchor})"

    return re.sub(r"(!?\[[^\]]*\])\(([^)\s]+)\)", link, text)


# ---- reference pages


def commands() -> list[str]:
    """Every command with its arguments and options."""
    lines = ["# Commands", ""]
    group = get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        lines += [f"## recbench {name}", "", (command.help or "").strip(), "", "| option | what |", "| --- | --- |"]
        for option in command.params:
            shown = (
                ", ".join(option.opts)
                if option.param_type_name == "option"
                else str(option.metavar or option.name).upper()
            )
            told = " ".join((getattr(option, "help", None) or "").split())
            lines.append(f"| `{cell(shown)}` | {cell(told)} |")
        lines.append("")
    return lines


def configuration() -> list[str]:
    """Every key of every stage, and of every source of data."""
    lines = [
        "# Configuration",
        "",
        "Every key is an override on the command line: `recbench train algo.steps=300`.",
        "",
    ]
    for stage in STAGE_SCHEMAS:
        lines += [f"## recbench {stage}", "", "| key | default | takes | what |", "| --- | --- | --- | --- |"]
        rows = [row for row in describe(stage) if stage == "data" or not row[0].startswith("data.")]
        lines += [f"| `{row[0]}` | " + " | ".join(cell(text) for text in row[1:]) + " |" for row in rows]
        lines.append("")
    lines += ["## Sources of data", "", "| key | default | takes | what |", "| --- | --- | --- | --- |"]
    lines += [f"| `{row[0]}` | " + " | ".join(cell(text) for text in row[1:]) + " |" for row in option_rows()]
    return lines


def python() -> list[str]:
    """Public functions and classes of the packages that hold the mathematics, with their docstrings."""
    lines = ["# Python", "", "What `import recbench` has, then the packages that hold the mathematics.", ""]
    for path in (ROOT / "recbench/python.py", ROOT / "recbench/stages/score.py"):
        lines += module(path, only=("run", "load", "compare", "score_file"))
    for package in PACKAGES:
        lines += [f"## recbench.{package}", ""]
        for path in sorted((ROOT / "recbench" / package).rglob("*.py")):
            lines += module(path)
    return lines


def module(path: Path, only: tuple[str, ...] = ()) -> list[str]:
    """A module's public functions and classes; nothing where it has none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = [line for node in tree.body for line in entry(node, only)]
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    told = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    return [f"### {name}", "", " ".join(told.split()), "", *parts] if parts else []


def entry(node: ast.stmt, only: tuple[str, ...]) -> Iterator[str]:
    """The lines on one function or class, with a class's public methods below it."""
    if (
        not isinstance(node, ast.FunctionDef | ast.ClassDef)
        or node.name.startswith("_")
        or (only and node.name not in only)
    ):
        return
    yield from ("```python", signature(node), "```", "")
    if told := ast.get_docstring(node):
        yield from ("```text", told, "```", "")
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from entry(inner, ()) if isinstance(inner, ast.FunctionDef) else ()


def signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The line that a definition begins with, without its colon."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){returns}"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    assemble()
    sys.stdout.write(f"{len(list(PAGES.rglob('*.md')))} pages in {PAGES.relative_to(ROOT)}\n")
