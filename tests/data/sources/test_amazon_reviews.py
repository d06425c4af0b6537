import gzip
import json

import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.amazon_reviews import read
from recbench.errors import UserError
from recbench.schema import DataConfig


def config(folder, **options) -> DataConfig:
    return DataConfig(name="toy", source="amazon_reviews", path=str(folder), min_user_interactions=1, options=options)


def write(path, rows: list) -> None:
    with gzip.open(path, "wt") as text:
        text.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def review(user: str, item: str, time: int, stars: float = 5.0) -> dict:
    return {"reviewerID": user, "asin": item, "unixReviewTime": time, "overall": stars, "reviewText": "fine"}


def test_reviews_and_metadata(tmp_path):
    write(tmp_path / "T_5.json.gz", [review("u", "b", 20), review("u", "a", 10, 2.0), review("u", "a", 10, 2.0)])
    metas = [
        {
            "asin": "a",
            "title": "Wood &amp; Wine",
            "description": ["One.", "Two."],
            "brand": "B",
            "category": ["X", "Y"],
        },
        {"asin": "a", "title": "again"},
        {"asin": "c", "title": '<span class="a-size-medium"', "description": "", "brand": "", "category": []},
    ]
    write(tmp_path / "meta_T.json.gz", metas)
    numbers = build(config(tmp_path), tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.catalogue["item"][:] == ["a", "c", "b"] and data.catalogue["title"][:] == ["Wood & Wine", "", ""]
    assert data.catalogue[0]["text"] == "One. Two." and data.catalogue[0]["category"] == "X > Y"
    assert data.catalogue[1]["brand"] is None and data.catalogue[1]["category"] is None
    assert data.interactions.items.tolist() == [0, 2] and data.interactions.timestamps.tolist() == [10, 20]
    assert numbers["dropped"]["duplicates"] == 1 and numbers["dropped"]["items without a description"] == 1
    build(config(tmp_path, positive_rating=4), tmp_path / "liked")
    assert load_data(tmp_path / "liked").interactions.items.tolist() == [2]


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="should hold one file of reviews .* found none"):
        read(config(tmp_path))
    path = tmp_path / "T_5.json.gz"
    write(path, [review("u", "a", 1), "{'asin': 1"])
    with pytest.raises(UserError, match="T_5.json.gz line 2: not a JSON object"):
        read(config(tmp_path))
    write(path, [review("u", "a", 1), {"asin": "a"}])
    with pytest.raises(UserError, match="line 2: no reviewerID, asin, unixReviewTime or overall"):
        read(config(tmp_path))
    assert read(config(tmp_path, skip_bad_lines=True)).interactions.num_rows == 1
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match="is damaged: it breaks off after"):
        read(config(tmp_path, skip_bad_lines=True))
    path.write_text("no gzip")
    with pytest.raises(UserError, match="line 1: not a JSON object .no gzip"):
        read(config(tmp_path))
    write(tmp_path / "U_5.json.gz", [])
    with pytest.raises(UserError, match="found T_5.json.gz, U_5.json.gz"):
        read(config(tmp_path))
