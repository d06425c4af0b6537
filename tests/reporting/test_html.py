import base64
import re
from html.parser import HTMLParser

from recbench.reporting.html import render_html

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_pictures_of_the_run_are_inside(tmp_path):
    (tmp_path / "gains.png").write_bytes(PIXEL)
    page = render_html("# A\n\n![what it shows](gains.png)\n", tmp_path)
    (source,) = re.findall('src="([^"]*)"', page)
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == PIXEL
    assert 'alt="what it shows"' in page
    assert "://" not in page and "Content-Security-Policy" in page


def test_other_files_are_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (tmp_path / "run").mkdir()
    page = render_html("![a](../secret.png) ![b](none.png)", tmp_path / "run")
    assert "base64" not in page


def test_html_in_a_caption_is_text(tmp_path):
    page = render_html("# A\n\n| caption |\n| --- |\n| <script>alert(1)</script> & `<b>` |\n", tmp_path)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<code>&lt;b&gt;</code>" in page


class Tags(HTMLParser):
    """Every tag opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_long_settings_are_folded(tmp_path):
    table = "| a | b |\n| --- | ---: |\n| 1 | 2 |"
    text = f"# ctr on <bazaar>\n\n## Results\n\n{table}\n\n## Asked for\n\n    recbench ctr\n\n## End\n"
    page = render_html(text, tmp_path)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("h2") == 2 and tags.seen.count("details") == 1
    assert "<title>ctr on &lt;bazaar&gt;</title>" in page
    assert re.search(r"<details><summary>Asked for</summary>\s*<pre><code>recbench ctr", page)
    assert '<td style="text-align:right">2</td>' in page
    assert "prefers-color-scheme: dark" in page


def test_links_to_reports_lead_to_pages(tmp_path):
    page = render_html("[there](../../eval/x/report.md) [log](log.txt)", tmp_path)
    assert 'href="../../eval/x/report.html"' in page and 'href="log.txt"' in page
