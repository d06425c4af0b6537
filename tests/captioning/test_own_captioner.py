"""docs/examples/captioner.py through the command line, on pictures some of which are unusable."""

import pytest

from recbench.captioning.table import read_captions, read_rows

pytestmark = pytest.mark.slow

ASKED = ["captioner=captioner.Colours", "captioner.border=0.2"]
UNUSABLE = {3, 5, 8, 11, 14, 17}  # rows of the shop without a picture that can be read


def test_the_example(shop, user_folder, fresh_workspace):
    run = fresh_workspace.made("caption", *shop.overrides, *ASKED)
    expected = [f"a {colour} thing" for colour in shop.colours]
    found = read_captions(run.path)
    assert {row for row, caption in enumerate(found) if caption is None} == UNUSABLE
    assert all(caption in (None, wanted) for caption, wanted in zip(found, expected))
    assert {row.captioner for row in read_rows(run.path / "captions.parquet")} == {"captioner.Colours"}
    assert run.manifest["extensions"]["captioner"]["name"] == "captioner.Colours"
    # the columns of its captions, from the newest run of its code
    tokenized = fresh_workspace.made("tokenize", *shop.overrides, *ASKED, "--no-upstream")
    assert tokenized.input_run("caption").id == run.id
    assert tokenized.metrics["captioner"] == "captioner.Colours"


@pytest.mark.parametrize(
    ("text", "instead", "words"),
    [
        ("for item in items]", "for item in items[1:]]", "caption gave 13 answers to 14 items"),
        ("return [f", "return [len(f", "caption gave a int, expected a text, None or a Caption"),
        ("def caption(self, items)", "def describe(self, items)", "class Colours has no method caption(self, items: "),
        ("pixels.shape[:2])", "pixels.shape[:9])", "captioner.py line 27: ValueError: too many values to unpack"),
    ],
)
def test_what_it_gives_is_checked(text, instead, words, shop, user_folder, fresh_workspace):
    file = user_folder / "captioner.py"
    changed = file.read_text().replace(text, instead)
    assert changed != file.read_text()
    file.write_text(changed)
    if "len(f" in instead:
        file.write_text(changed.replace('thing" for', 'thing") for'))
    result = fresh_workspace.stage("caption", *shop.overrides, *ASKED)
    assert words in result.err and result.code == (1 if "ValueError" in words else 2), result.err


def test_its_settings_are_checked(shop, user_folder, fresh_workspace, refuse):
    refuse(fresh_workspace.stage("caption", *ASKED[:1], "captioner.border=0.5"), "expected at least 0 and at most 0.4")
    refuse(
        fresh_workspace.stage("caption", *ASKED[:1], "captioner.url=http://x"), "captioner.url=http://x has no effect"
    )
