"""report.html: the report as one file that needs nothing else, pictures inside, light or dark as the reader is."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDED = ("Asked for", "Cost and machine", "Every seed")  # sections that a reader opens when they want them

# What the browser may do with the page: show pictures and styles that are in it, and nothing else.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# Where links of a report lead: to files beside it and to other runs' reports, never to a host.
LINK = re.compile(r"(?!//)[\w./%-]+")

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #5c6470; --line: #dfe3e8; --page: #ffffff; --card: #f5f7f9;
  --accent: #1f5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #9aa3af; --line: #343b46; --page: #14171c;
  --card: #1c2027; --accent: #7fb2ea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 46rem; }
h1 + p { color: var(--soft); margin-top: 0; }
a { color: var(--accent); }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--card);
  border-radius: 4px; padding: .1em .3em; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  overflow-x: auto; }
pre code { background: none; padding: 0; overflow-wrap: normal; }
.table { overflow-x: auto; margin: .75rem 0 1.5rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; text-align: left; vertical-align: bottom; }
th, td { padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
td + td, th + th { padding-left: .5rem; }
td { vertical-align: top; }
td:first-child { overflow-wrap: anywhere; min-width: 7rem; }
td[style*="right"] { white-space: nowrap; }
tbody tr:hover { background: var(--card); }
figure, p:has(> img) { margin: 1rem 0 1.5rem; max-width: none; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 8px; }
details { margin-top: 2rem; border: 1px solid var(--line); border-radius: 8px; padding: 0 1rem; }
summary { cursor: pointer; font-weight: 600; padding: .7rem 0; }
details[open] summary { border-bottom: 1px solid var(--line); margin-bottom: .75rem; }
@media print { details { border: none; padding: 0; } main { max-width: none; padding: 0; } }
"""


def render_html(markdown: str, folder: Path) -> str:
    """The page for a report in Markdown (CommonMark and tables; HTML in it is text).

    Pictures that lie in `folder` are inlined, of any other the text is shown; sections named in FOLDED are closed until
    clicked; links to other reports lead to their pages, links elsewhere are text. The page asks for nothing and runs
    nothing, and tells the browser so.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        token.children = _harmless(token.children, folder) if token.children else token.children
    body, title = "", ""
    for section in _sections(tokens):
        heading = section[1].content if section and section[0].type == "heading_open" else ""
        title = title or heading
        if heading in FOLDED:
            inner = parser.renderer.render(section[3:], parser.options, {})
            body += f"<details><summary>{html.escape(heading)}</summary>\n{inner}</details>\n"
        else:
            body += parser.renderer.render(section, parser.options, {})
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n"
        "</html>\n"
    )


def _sections(tokens: Sequence[Any]) -> list[list[Any]]:
    """The tokens cut before every heading of the second level."""
    sections: list[list[Any]] = [[]]
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            sections.append([])
        sections[-1].append(token)
    return sections


def _harmless(children: Sequence[Any], folder: Path) -> list[Any]:
    """Inline tokens with pictures as data and links to files; other pictures and links as the text that they have."""
    from markdown_it.token import Token

    kept: list[Any] = []
    unlinked = 0  # of the links that are open, those that were left out
    for child in children:
        if child.type == "image":
            source = _inlined(str(child.attrs["src"]), folder)
            if source is None:
                kept.append(Token("text", "", 0, content=f"[picture: {child.content}]"))
                continue
            child.attrs["src"] = source
        elif child.type == "link_open":
            target = str(child.attrs["href"])
            if not LINK.fullmatch(target):
                unlinked += 1
                continue
            child.attrs["href"] = re.sub(r"report\.md$", "report.html", target)
        elif child.type == "link_close" and unlinked:
            unlinked -= 1
            continue
        kept.append(child)
    return kept


def _inlined(source: str, folder: Path) -> str | None:
    """A picture of the run folder as a data URL; None for any other address."""
    file = next((file for file in folder.glob("*.png") if file.name == source), None)
    if file is None or file.is_symlink() or not file.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")
