"""Texts that steer terminals, load pictures or run scripts, from data and settings, through the command line."""

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from recbench.console.progress import say
from recbench.console.terminal import show
from recbench.console.visible import for_people, visible
from recbench.grids import Grid
from recbench.reporting.html import render_html
from recbench.reporting.latex import latex
from recbench.reporting.markup import Markup, code, escaped, link
from recbench.reporting.tables import markdown
from recbench.runs import find_runs

EVIL = [
    "![x](http://evil.example/a.png)",
    "[click](http://evil.example)",
    "[x]: http://evil.example/a.png",
    "![x]",
    "<img src=http://evil.example/a.png onerror=alert(1)>",
    "<script>fetch('http://evil.example')</script>",
    "<!-- -->",
    "&lt;b&gt; &#x3c;script&#x3e;",
    "| a | b |",
    "`` ` ``",
    "\\`![x](http://evil.example/a.png)",
    "\\",
    "**bold** *a* _b_ ~~c~~",
    "# heading",
    "> quote",
    "1. list",
    "- item",
    "---",
    "##",
    "javascript:alert(1)",
    "<http://evil.example>",
    "a\n\n![x](http://evil.example/a.png)",
]
STEERING = "\x1b[31mred\x1b]0;title\x07\x00\x9b2J\u202etxt\u2066\u200b\ufeff\ud800"
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class Page(HTMLParser):
    """Everything in a page that a browser would fetch, follow or run."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            value = value or ""
            if name.startswith("on") or (
                name in ("src", "href", "srcset", "action") and re.match(r"\s*(?!data:image/png)[\w-]*:|//", value)
            ):
                self.found.append((tag, name, value))
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form", "svg"):
            self.found.append((tag, "", ""))

    def handle_data(self, text):
        self.text.append(text)


def shown(text):
    return "".join(Page(text).text)


@pytest.mark.parametrize("text", EVIL)
def test_markdown_shows_texts_as_they_are_written(text, tmp_path):
    # Rendered with HTML allowed and by another set of rules than ours, as readers of report.md do.
    flat = " ".join(text.split())
    lines = [
        "# T",
        "",
        f"- {escaped(text)}",
        "",
        f"It said: {escaped(text)}",
        "",
        markdown(Grid("", [text, "b"], [[text, text]])),
    ]
    lines += [markdown(Grid("", ["a"], [[code(text)]]))]
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render("\n".join(lines))
    assert Page(rendered).found == [] and "<img" not in rendered and "<script" not in rendered
    assert "<strong>" not in rendered and "<em>" not in rendered and "<s>" not in rendered
    assert shown(rendered).count(flat) == 6
    page = render_html("\n".join(lines), tmp_path)
    assert Page(page).found == [] and shown(page.partition("<main>")[2]).count(flat) == 6


@pytest.mark.parametrize(
    "cell",
    ["0.25 [0.2, 0.3]", "-0.5", "+1.20%", "–", "< 0.0001", "hr@10", "log_loss", "1,234", "[[0.0, 0.1], [0.1, 1]]"],
)
def test_numbers_need_no_escapes(cell):
    assert escaped(cell) == cell


def test_a_markup_is_escaped_no_further():
    assert escaped(Markup("`a*b`")) == "`a*b`" and markdown(Grid("", ["a"], [[Markup("**b**")]])).endswith(
        "| **b** |\n"
    )


def test_pictures_and_links_of_a_report_stay_in_its_folder(tmp_path):
    (tmp_path / "there.png").symlink_to("/etc/passwd")
    text = "![a](http://evil.example/a.png) ![b](there.png) ![c](" + "x" * 5000 + ".png) ![d](%00.png)\n\n"
    text += "[e](http://evil.example) [f](//evil.example/x) [g](mailto:a@b) [h](../log.txt) <http://evil.example>\n"
    page = render_html(text, tmp_path)
    assert Page(page).found == [] and "<img" not in page and "base64" not in page
    assert re.findall('href="([^"]*)"', page) == ["../log.txt"]
    assert "default-src 'none'" in page


def test_terminals_are_not_steered(capsys):
    say(f"error: {STEERING}")
    show(
        [Grid(f"[red]{STEERING}", [f"[/]{STEERING}", ":apple:"], [[STEERING, "[bold]x[/bold]"]], note=f"[x]{STEERING}")]
    )
    out, err = capsys.readouterr()
    assert not UNSEEN.search(out) and not UNSEEN.search(err)
    assert "\\x1b[31mred" in err and "\\u202etxt" in err and "\\ud800" in err
    for kept in ("[red]", "[/]", ":apple:", "[bold]x[/bold]", "[x]"):
        assert kept in out


def test_latex_reads_letter_by_letter():
    text = latex(Grid(STEERING, ["a"], [["[0.1]"], ["`x' \\input{/etc/passwd} ^^41"]], prose=True))
    assert not UNSEEN.search(text) and "{[}0.1]" in text
    assert "\\textbackslash{}input\\{/etc/passwd\\} \\textasciicircum{}\\textasciicircum{}41" in text


def test_a_megabyte_is_shortened():
    for text in ("x" * 1_000_000, "![" * 500_000, "\x1b" * 1_000_000, "a://b:" * 200_000):
        assert len(for_people(text)) < 2100
        assert len(escaped(text)) < 2100 and len(code(text)) < 1100
    assert for_people("beginning " + "x" * 10_000 + " end").endswith(" end")
    assert visible("a\r\nb\tc\rd", keep_lines=True) == "a\nb\tc\\x0dd"


def test_everything_a_run_writes_for_people(fresh_workspace, tmp_path):
    evil = [text.replace("\n", " ") for text in EVIL] + [STEERING.replace("\x00", "").replace("\ud800", "")]
    quoted = ['"' + text.replace('"', '""') + '"' for text in evil]
    header = "![h](http://evil.example/h.png)\x1b[31m<script> <img src=//evil.example>"
    items = [f'item,title,caption,"{header}"'] + [f"{text},{text},{text},{text}" for text in quoted]
    (tmp_path / "items.csv").write_text("\n".join(items) + "\n")
    clicks = [f"{quoted[user % 7]},{quoted[(user + step) % len(quoted)]}" for user in range(14) for step in range(5)]
    (tmp_path / "clicks.csv").write_text("user,item\n" + "\n".join(clicks) + "\n")
    (tmp_path / "captions.csv").write_text(
        "item,caption\n" + "\n".join(f"{text},{text}" for text in quoted) + "\nx <b>![a](http://evil.example),y\n"
    )
    given = [
        "data=table",
        "data.name=evil",
        f"data.path={tmp_path / 'clicks.csv'}",
        "data.options.items_file=items.csv",
    ]
    given += ["+data.options.item_columns.caption=caption"]
    given += [f"+data.options.item_columns.kind='{header}'", "data.fields=[kind]", "data.attributes=[kind]"]
    given += ["captioner=file", f"captioner.path={tmp_path / 'captions.csv'}"]
    caption = fresh_workspace.stage("caption", *given)
    tokens = fresh_workspace.stage("tokenize", *given, "features.kinds=[words]", "features.least_items=1")
    listed = fresh_workspace.command("runs", "--runs", str(fresh_workspace.root))
    for result in (caption, tokens, listed):
        assert result.code == 0, result.err
        assert not UNSEEN.search(result.out) and not UNSEEN.search(result.err)
    runs = find_runs(fresh_workspace.root)
    assert {run.stage for run in runs} == {"data", "caption", "tokenize"}
    for run in runs:
        text, page, log = ((run.path / name).read_text() for name in ("report.md", "report.html", "log.txt"))
        assert not any(map(UNSEEN.search, (text, page, log)))
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        assert Page(page).found == [] and Page(rendered).found == []
        assert re.findall('<img src="(.{0,22})', page) in ([], ["data:image/png;base64,"])


def test_run_folders_may_be_called_anything(fresh_workspace):
    run = fresh_workspace.made("data", "data=bazaar", "data.options.size=tiny")
    for name in ("a`b) ![x](http:__evil.example)", "\x1b[31m\u202e", "[red]r[bold] <img src=x>"):
        run.path.rename(run.path.with_name(name))
        run.path = run.path.with_name(name)
        for arguments in (["runs"], ["report", str(run.path)], ["report", "latest"], ["report", name + "x"]):
            result = fresh_workspace.command(*arguments, "--runs", str(fresh_workspace.root))
            assert result.code in (0, 2) and not UNSEEN.search(result.out + result.err), result
        page, text = (run.path / "report.html").read_text(), (run.path / "report.md").read_text()
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        assert Page(page).found == [] and Page(rendered).found == [] and "<img" not in rendered
    folder = "../eval/a) ![x](http://evil.example/b"
    page = render_html(link("report.md", f"{folder}/report.md"), fresh_workspace.root)
    assert Page(page).found == [] and "<img" not in page
