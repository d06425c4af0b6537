"""`recbench caption` through the command line, with captioners that need no training."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from recbench.captioning.table import read_captions, read_rows

pytestmark = pytest.mark.slow

FAULTS = {  # items of the shop whose picture is unusable
    "i03": "the image file is truncated",
    "i05": "the image file is empty",
    "i08": "the image file is no picture",
    "i11": "no image",
    "i14": "the image has more than 50000000 pixels",
    "i17": "the image file is missing",
}


@pytest.fixture(scope="module")
def captions_file(shop, tmp_path_factory):
    """Right captions of the first twelve items, a wrong one of i12, none of the others."""
    lines = [f"{item},a {colour} square" for item, colour in zip(shop.items, shop.colours, strict=True)][:12]
    lines += ["i12,a yellow square", "i13,", "stranger,a hat"]
    path = tmp_path_factory.mktemp("captions") / "captions.csv"
    path.write_text("item,caption\n" + "\n".join(lines) + "\n")
    return path


def test_captions_from_a_file(shop, captions_file, workspace):
    run = workspace.made("caption", *shop.overrides, "captioner=file", f"captioner.path={captions_file}")
    rows = read_rows(run.path / "captions.parquet")
    assert [row.item for row in rows] == shop.items
    assert [row.origin for row in rows] == ["model"] * 13 + ["skipped"] * 7
    assert {row.captioner for row in rows} == {"file"} and {row.prompt_hash for row in rows} == {""}
    assert read_captions(run.path)[11:14] == ["a blue square", "a yellow square", None]
    table = pq.read_table(run.path / "captions.parquet")
    types = {"item": pa.string(), "caption": pa.string(), "captioner": pa.string(), "prompt_hash": pa.string()}
    types |= {"tokens": pa.int32(), "seconds": pa.float32(), "origin": pa.string(), "cut": pa.bool_()}
    assert {field.name: field.type for field in table.schema} == types
    metrics = run.metrics
    assert metrics["origins"] == {"model": 13, "fallback": 0, "skipped": 7}
    assert metrics["reasons"] == {"no caption in the file": 7}
    quality = metrics["quality"]["all"]
    # 13 captions; 12 name their colour; of the colours r g b r g b ... r the majority is red with 5
    assert quality["attributes"]["colour"] == {"accuracy": 12 / 13, "majority": 5 / 13, "items": 13}
    assert quality["references"] == 7  # the even ones of 0 to 12
    assert quality["mean_length"] == 3
    assert quality["distinct_1"] == 6 / 39  # a, square and four colours in 39 words
    notes = " ".join(run.manifest["notes"])
    assert "1 of 15 captions in the file are of items that the catalogue lacks: stranger" in notes
    assert "of 20 items, 7 skipped: no caption in the file (7)" in notes
    assert run.manifest["items_a_second"] > 0
    # pictures of unusable files are left out of the sheet: of 13 captioned items nine have one
    assert Image.open(run.path / "contact_sheet.png").width > 1900
    assert not (run.path / "shards").exists()


def test_items_without_a_picture_fall_back_on_fields(shop, serve, workspace):
    server = serve(lambda number, body: (200, {}, "a square"))
    given = ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m", "captioner.fallback=fields"]
    run = workspace.made("caption", *shop.overrides, *given, "captioner.prompt='What is {title}?'")
    rows = {row.item: row for row in read_rows(run.path / "captions.parquet")}
    assert {item for item, row in rows.items() if row.origin == "fallback"} == set(FAULTS)
    # i03 is red, and none of the fields is the reference caption
    assert rows["i03"].caption == "Square 3. colour: red." and rows["i03"].captioner == "fields"
    assert rows["i06"].caption == "a square" and rows["i06"].captioner == "endpoint:m" and rows["i06"].tokens == 2
    assert rows["i06"].prompt_hash != "" and rows["i03"].prompt_hash == ""
    skipped = json.loads((run.path / "skipped.json").read_text())
    assert {entry["item"]: entry["reason"] for entry in skipped} == FAULTS
    assert {entry["captioned_by"] for entry in skipped} == {"fields"}
    assert run.metrics["reasons"] == dict.fromkeys(FAULTS.values(), 1)
    assert run.metrics["quality"]["all"]["items"] == 14  # those of the fallback are not judged
    assert len(server.requests) == 14


def test_the_same_run_gives_the_same_metrics(shop, captions_file, workspace):
    given = [*shop.overrides, "captioner=file", f"captioner.path={captions_file}", "captioner.shard_size=3"]
    first, second = workspace.made("caption", *given), workspace.made("caption", *given)
    assert (first.path / "metrics.json").read_bytes() == (second.path / "metrics.json").read_bytes()
    assert (first.path / "contact_sheet.png").read_bytes() == (second.path / "contact_sheet.png").read_bytes()


def test_an_estimate_leaves_nothing_behind(shop, serve, fresh_workspace):
    server = serve(lambda number, body: (200, {}, "one two three"))
    given = ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m"]
    rate = "captioner.price_per_million_tokens=1000000"
    result = fresh_workspace.stage("caption", "--estimate", "--json", *shop.overrides, *given, rate)
    assert result.code == 0, result.err
    numbers = json.loads(result.out)
    # all 20 are sampled, 14 have a picture; each takes 7 tokens and gives 3
    assert numbers["items"] == numbers["sampled"] == 20 and numbers["sampled and captioned"] == 14
    assert numbers["tokens read"] == 98 and numbers["tokens written"] == 42 and numbers["price"] == 140
    assert numbers["hours"] == pytest.approx(20 * numbers["seconds an item"] / 3600)
    assert len(server.requests) == 14
    assert not fresh_workspace.root.exists()


@pytest.mark.parametrize(
    "given, words",
    [
        (["captioner=file"], "captioner=file needs captioner.path=FILE"),
        (["captioner=file", "captioner.path=none.csv"], "captioner.path=none.csv is no file"),
        (["captioner=endpoint"], "captioner=endpoint needs captioner.url"),
        (["captioner=endpoint", "captioner.url=localhost:80", "captioner.model=m"], "expected an address such as http"),
        (["captioner=text"], "captioner.path is missing"),
        (
            ["captioner=text", "captioner.path=/none"],
            "captioner.path=/none: there is no such folder; give a checkpoint's folder",
        ),
        (["captioner=text", "captioner.prompt={brand}"], "expected some of title, text, colour"),
        (["captioner=file", "captioner.fallback=text"], "captioner.fallback=text needs captioner.fallback_path"),
    ],
)
def test_mistakes_leave_no_run(given, words, shop, fresh_workspace, refuse):
    quoted = [text if "{" not in text else text.replace("={", "='{") + "'" for text in given]
    refuse(fresh_workspace.stage("caption", *shop.overrides, *quoted), words)
    assert not (fresh_workspace.root / "caption").exists()
