"""recbench init: files of a shop become a config that the stages take, and what is not sure is asked for."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from recbench.runs import find_runs

pytestmark = pytest.mark.slow

LOG = """visitor,sku,when,clicked,device
u1,A1,25/04/2025 10:00,1,phone
u1,A2,25/04/2025 10:01,0,phone
u1,A3,26/04/2025 09:00,1,desktop
u1,A1,27/04/2025 09:00,1,desktop
u2,A2,25/04/2025 12:00,1,phone
u2,A3,25/04/2025 12:05,0,phone
u2,A1,28/04/2025 12:05,1,phone
u2,A3,29/04/2025 12:05,1,phone
"""
ITEMS = """sku,Name,Product Type,Price
A1,Red shirt,shirt,9.99
A2,Blue shirt,shirt,8.99
A3,Green hat,hat,5.00
"""


@pytest.fixture
def shop(command, tmp_path: Path) -> Path:
    """The folder that `command` runs in, with the files of a shop."""
    (tmp_path / "clicks.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "pics").mkdir()
    for item in ("A1", "A2"):
        Image.new("RGB", (4, 4)).save(tmp_path / "pics" / f"{item}.png")
    return tmp_path


def test_two_commands_from_files_to_a_data_set(command, shop) -> None:
    made = command("init", "clicks.csv", "--items", "items.csv", "--images", "pics", "--name", "shop")
    assert made.code == 0, made.err
    for told in ("clicks.csv: visitor", "timestamp, as %d/%m/%Y %H:%M", "category Product_Type: 2 values"):
        assert told in made.out
    assert "2 of the first 3 are there; the image file is missing: pics/A3.png" in made.out
    assert "recbench data data=shop" in made.err
    assert "recbench ctr data=shop captioner=file captioner.path=CAPTIONS.csv" in made.err  # nothing to learn from
    config = yaml.safe_load((shop / "conf/data/shop.yaml").read_text())
    assert config["options"]["columns"] == {"user": "visitor", "item": "sku", "timestamp": "when", "label": "clicked"}
    assert config["options"]["item_columns"] == {"item": "sku", "title": "Name", "Product_Type": "Product Type"}
    assert config["fields"] == ["Product_Type"] and config["options"]["image_pattern"] == "{item}.png"
    result = command("data", "data=shop", "--json")
    assert result.code == 0, result.err
    numbers = json.loads(result.out)["metrics"]
    assert numbers["impressions"]["rows"] == 8 and numbers["impressions"]["clicks"] == 6  # counted above
    assert numbers["images"] == {"items_without": 0, "missing": 1, "present": 2}
    assert "Impressions of clicks.csv and items of items.csv" in " ".join(command("ls", "data").out.split())


def test_captions_that_one_has_are_named_in_the_next_command(command, shop) -> None:
    (shop / "captions.csv").write_text("SKU,words\nA1,a red shirt\nA2,a blue shirt\n")
    made = command("init", "clicks.csv", "--captions", "captions.csv", "--json")
    assert made.code == 0, made.err
    keys = "captioner=file captioner.path=captions.csv captioner.item_column=SKU captioner.caption_column=words"
    assert json.loads(made.out)["next"][1] == f"recbench ctr data=clicks {keys}"
    written = command("caption", "data=clicks", *keys.split(), "--json")
    assert written.code == 0, written.err
    assert json.loads(written.out)["metrics"]["origins"]["model"] == 2  # A3 has none
    (shop / "captions.csv").write_text("SKU,words,more\nA1,a,b\n")
    assert "rename it to caption" in command("init", "clicks.csv", "--force", "--captions", "captions.csv").err


def test_of_thousands_of_columns_twenty_that_are_left_out_are_shown(command, shop) -> None:
    names = [f"c{number}" for number in range(2_000)]
    rows = [f"u{row % 3},A{row % 2},{row}" + ",x" * len(names) for row in range(6)]
    (shop / "wide.csv").write_text("\n".join([",".join(["user", "item", "time", *names]), *rows]) + "\n")
    made = command("init", "wide.csv")
    assert made.code == 0, made.err
    assert "wide.csv: c19 " in made.out and "wide.csv: c20 " not in made.out
    assert "left out: 1,980 more" in made.out
    assert len(json.loads(command("init", "wide.csv", "--force", "--json").out)["columns"]) == 2_003


def test_a_log_of_interactions_without_items(command, shop) -> None:
    (shop / "plays.tsv").write_text(
        "user_id\ttrack_id\tts\n" + "".join(f"u\tt{n}\t{1700000000 + n}\n" for n in range(4))
    )
    made = command("init", "plays.tsv", "--json")
    assert made.code == 0, made.err
    told = json.loads(made.out)
    assert told["file"] == "conf/data/plays.yaml"
    assert told["config"]["options"] == {"columns": {"user": "user_id", "item": "track_id", "timestamp": "ts"}}
    assert told["next"] == ["recbench data data=plays", "recbench bench data=plays"]
    assert command("data", "data=plays").code == 0


def test_without_a_header_and_with_another_delimiter(command, shop) -> None:
    (shop / "ratings.dat").write_text("1::10::5::978300760\n1::11::3::978300761\n1::12::3::978300762\n")
    refused = command("init", "ratings.dat")
    assert refused.code == 2 and "--names user,item" in refused.err and not (shop / "conf").exists()
    made = command("init", "ratings.dat", "--names", "user,item,rating,timestamp", "--json")
    assert made.code == 0, made.err
    options = json.loads(made.out)["config"]["options"]
    assert options["delimiter"] == "::" and options["names"] == ["user", "item", "rating", "timestamp"]
    assert command("data", "data=ratings").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("clicks.csv", "--user", "visitors"), "no column 'visitors' (for user)"),
        (("click.csv",), "did you mean 'clicks.csv'"),
        (("clicks.csv", "--label", "device"), "column 'device' has 'phone', expected 0 and 1"),
        (("clicks.csv", "--items", "nothing.csv"), "nothing.csv is no file"),
        (("clicks.csv", "--images", "nowhere"), "--images nowhere is no folder"),
        (("clicks.csv", "--images", "conf.d"), "--images conf.d"),
        (("clicks.csv", "--title", "Name"), "give it with --items"),
        (("clicks.csv", "--name", "bazaar"), "a built-in data set has this name"),
        (("clicks.csv", "--name", "a/b"), "expected letters, digits and underscores"),
        (("clicks.csv", "--context", "devices"), "no column 'devices'"),
        (("clicks.csv", "--label", "none", "--context", "device"), "rows are no impressions"),
        (("clicks.csv", "--time-format", "%Y"), "is not of --time-format"),
        (("clicks.csv", "--delimiter", "a"), "--delimiter is 'a'"),
        (("clicks.csv", "--encoding", "klingon"), "--encoding is 'klingon'"),
    ],
)
def test_what_is_wrong_gets_a_line_and_leaves_nothing(command, shop, arguments, told) -> None:
    result = command("init", *arguments)
    assert result.code == 2 and result.out == "" and told in result.err
    assert result.err.count("\n") == 1 and not (shop / "conf").exists()


def test_lines_that_do_not_parse(command, shop) -> None:
    (shop / "clicks.csv").write_text(LOG + ",A1,25/04/2025 10:00,1,phone\n")
    refused = command("init", "clicks.csv")
    assert refused.code == 2 and "line 10: no user" in refused.err and "--skip-bad-lines" in refused.err
    assert command("init", "clicks.csv", "--skip-bad-lines").code == 0
    assert "left out 1: no user" in command("data", "data=clicks").err


def test_a_config_that_is_there_is_kept(command, shop) -> None:
    assert command("init", "clicks.csv").code == 0
    (shop / "conf/data/clicks.yaml").write_text("mine")
    refused = command("init", "clicks.csv")
    assert refused.code == 2 and "give another --name, or --force" in refused.err
    assert (shop / "conf/data/clicks.yaml").read_text() == "mine"
    assert command("init", "clicks.csv", "--force").code == 0
    assert "defaults:" in (shop / "conf/data/clicks.yaml").read_text()


def test_another_folder_of_configs(command, shop) -> None:
    made = command("init", "clicks.csv", "--config-dir", "own", "--context", "device")
    assert made.code == 0 and "recbench data data=clicks --config-dir own" in made.err
    assert command("data", "data=clicks", "--config-dir", "own").code == 0
    assert len(find_runs(shop / "runs")) == 1
