"""Pictures that a catalogue names outside of its folder are not read, and not sent."""

import json

import pytest
from PIL import Image

from recbench.captioning.table import read_rows


@pytest.fixture
def shop_of_others(tmp_path):
    """Six items: two pictures in the folder, three outside it by three ways, an address."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (tmp_path / "passport.png", folder / "a.png", folder / "b.png"):
        Image.new("RGB", (20, 20), "red").save(path)
    (folder / "link.png").symlink_to(tmp_path / "passport.png")
    address = "data:image/png;base64," + "A" * 5000
    images = ["a.png", "b.png", "../passport.png", str(tmp_path / "passport.png"), "link.png", address]
    lines = [f'i{number},thing,"{image}"' for number, image in enumerate(images)]
    (folder / "items.csv").write_text("item,title,image\n" + "\n".join(lines) + "\n")
    rows = [f"u{user},i{(user + step) % 6}" for user in range(6) for step in range(4)]
    (folder / "clicks.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    given = [
        "data=table",
        "data.name=others",
        f"data.path={folder / 'clicks.csv'}",
        "data.options.items_file=items.csv",
    ]
    return tmp_path, [*given, "+data.options.item_columns.image=image"]


def test_only_pictures_of_the_folder_are_read_and_sent(shop_of_others, serve, fresh_workspace):
    root, given = shop_of_others
    server = serve(lambda number, body: (200, {}, "a square"))
    endpoint = ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m"]
    data = fresh_workspace.made("data", *given)
    assert data.metrics["images"] == {"present": 2, "missing": 0, "items_without": 0, "outside": 3, "unusable": 1}
    notes = " ".join(data.manifest["notes"])
    for item in ("i2", "i3", "i4"):
        assert f"of item {item}: the image lies outside the image folder" in notes
    assert "3 pictures lie outside" in notes and "data.images_outside=true" in notes
    assert "of item i5: the image is an address, not a file" in notes and len(notes) < 3000
    run = fresh_workspace.made("caption", *given, *endpoint)
    assert len(server.requests) == 2
    skipped = {entry["item"]: entry["reason"] for entry in json.loads((run.path / "skipped.json").read_text())}
    assert skipped == dict.fromkeys(("i2", "i3", "i4"), "the image lies outside the image folder") | {
        "i5": "the image is an address, not a file"
    }


@pytest.mark.parametrize("asked", ["data.images_outside=true", "data.images={root}"])
def test_pictures_outside_by_request(asked, shop_of_others, serve, fresh_workspace):
    root, given = shop_of_others
    server = serve(lambda number, body: (200, {}, "a square"))
    endpoint = ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m"]
    run = fresh_workspace.made("caption", *given, asked.replace("{root}", str(root)), *endpoint)
    captioned = [row.item for row in read_rows(run.path / "captions.parquet") if row.caption]
    # paths that start from another folder are others: there, a.png is not
    assert captioned == (["i0", "i1", "i2", "i3", "i4"] if "outside" in asked else ["i3"])


def test_an_image_folder_that_is_none(shop_of_others, fresh_workspace, refuse):
    _, given = shop_of_others
    refuse(fresh_workspace.stage("data", *given, "data.images=nowhere"), "data.images=nowhere is no folder")
