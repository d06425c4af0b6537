import csv
from collections import Counter, defaultdict

import numpy as np
import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.impressions import click_histories
from recbench.data.sources.hm import NAMES, read, split_by_family, with_negatives
from recbench.errors import UserError
from recbench.schema import DataConfig

COUNT = 60  # articles, two colours of each of 30 products


def article(number: int) -> str:
    return f"0{number // 2 + 100}{number % 2 + 1:03}"


def config(folder, **options) -> DataConfig:
    return DataConfig(name="toy", source="hm", path=str(folder), options=options, family="product_code")


@pytest.fixture
def folder(tmp_path):
    """All articles but the first two are bought with one of those, with the next article and with the fifth next."""
    with (tmp_path / "articles.csv").open("w", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(["article_id", "product_code", "prod_name", "product_type_no", *NAMES, "detail_desc"])
        for number in range(COUNT):
            names = [f"{name[:6]}{number % 3}" for name in NAMES]
            text = "" if number == 5 else "Soft, and warm."
            rows.writerow([article(number), article(number)[1:4], f"Name {number}", 7, *names, text])
    (tmp_path / "images").mkdir()
    for number in range(COUNT - 2):
        (tmp_path / "images" / f"{article(number)}.jpg").write_bytes(b"jpg")
    (tmp_path / "images" / f"{article(COUNT - 1)}.jpg").write_bytes(b"")
    pairs = ["article_id,bought_with,score"]
    for number in range(2, COUNT):
        pairs += [f"{article(number)},{article(other % COUNT)},0.1" for other in (number % 2, number + 1, number + 5)]
    (tmp_path / "copurchase.csv").write_text("\n".join(pairs) + "\n")
    return tmp_path


def test_articles_have_photos_captions_and_ids_with_their_zero(folder):
    raw = read(config(folder))
    first = raw.catalogue.to_pylist()[0]
    assert first["item"] == "0100001" and first["product_code"] == "100" and first["title"] == "Name 0"
    assert first["image"] == "images/0100001.jpg" and first["text"] == "Soft, and warm."
    # product_type_name, graphical_appearance_name, ... of number 0 are their first six letters and 0
    assert first["caption"] == "colour0 produc0 graphi0 for index_0. Soft, and warm."
    assert raw.catalogue["caption"][5].as_py() == "colour2 produc2 graphi2 for index_2."
    assert raw.interactions is None


def test_four_negatives_a_positive_none_of_them_known(folder):
    rows = read(config(folder)).impressions.to_pylist()
    known = {(row["query"], row["item"]) for row in rows if row["label"]}
    assert len(known) == 58 * 3 and len(rows) == 58 * 3 * 5
    assert [row["label"] for row in rows] == [0, 0, 0, 0, 1] * (58 * 3)
    negatives = [(row["query"], row["item"]) for row in rows if not row["label"]]
    assert len(set(negatives)) == len(negatives) and not set(negatives) & known
    assert all(query != item for query, item in negatives)
    assert all(row["user"] == row["query"] for row in rows)
    for start in range(0, len(rows), 5):  # a positive and its own negatives are of one query
        assert len({row["query"] for row in rows[start : start + 5]}) == 1


def test_splits_keep_products_together_and_the_stage_seed_apart(folder):
    rows = read(config(folder)).impressions.to_pylist()
    splits = defaultdict(set)
    for row in rows:
        splits[row["query"][1:4]].add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    # articles 0 and 1, the first product, are no queries: 29 products, 20% and 10% of which are 6 and 3
    assert Counter(next(iter(names)) for names in splits.values()) == {"train": 20, "validation": 3, "test": 6}
    assert read(config(folder)).impressions.to_pylist() == rows
    other = read(config(folder, seed=1)).impressions.to_pylist()
    assert other != rows


def test_split_by_family_rounds_shares_of_families():
    family = np.repeat(np.arange(10), [1, 9, 2, 2, 2, 2, 2, 2, 2, 2])
    split = split_by_family(family, 0.1, 0.2, np.random.default_rng(0))
    per_family = [set(split[family == one].tolist()) for one in range(10)]
    assert sorted(min(codes) for codes in per_family) == [0] * 7 + [1] + [2] * 2
    assert all(len(codes) == 1 for codes in per_family)


def test_negatives_are_drawn_by_weight():
    # One pair each of 2000 queries with item 2000; items 2001 and 2002 to draw from, and the queries at a millionth.
    query, weights = np.arange(2000), np.array([1e-6] * 2000 + [50.0, 1.0, 3.0])
    rows = with_negatives(query, np.full(2000, 2000), weights, 1, np.random.default_rng(0))
    drawn = Counter(rows["item"][rows["label"] == 0].tolist())
    # 3 of 4 are item 2002: 1500, standard deviation sqrt(2000 * 3/16) = 19.4; the millionths weigh .002 in all
    assert drawn[2002] == pytest.approx(1500, abs=4 * 19.4) and 2000 not in drawn
    assert drawn[2001] + drawn[2002] >= 1990


def test_draws_without_replacement_have_the_chances_of_successive_draws():
    # Weights 1, 2, 5 over three items, two drawn for a query: P({1, 2}) without item 0 of weight 1 is
    # 2/8 * 5/6 + 5/8 * 2/3 = .625; the pair's own item and the query have no chance.
    chosen = Counter()
    for seed in range(2000):
        weights = np.array([1.0, 2.0, 5.0, 9.0, 9.0])
        rows = with_negatives(np.array([3]), np.array([4]), weights, 2, np.random.default_rng(seed))
        chosen[tuple(sorted(rows["item"][:2].tolist()))] += 1
    assert set(chosen) == {(0, 1), (0, 2), (1, 2)}
    assert chosen[1, 2] / 2000 == pytest.approx(0.625, abs=4 * np.sqrt(0.625 * 0.375 / 2000))


def test_histories_say_nothing_of_the_label(folder):
    build(config(folder), folder / "run")
    impressions = load_data(folder / "run").impressions
    lengths = np.sum(click_histories(impressions, np.arange(len(impressions.user)), 10) >= 0, axis=1)
    training = impressions.split == 0
    for label in (0, 1):  # three positives a query: histories of 0, 1 and 2, a third each
        _, counts = np.unique(lengths[training & (impressions.label == label)], return_counts=True)
        assert len(counts) == 3 and len(set(counts.tolist())) == 1
    assert not lengths[~training].any()  # queries of validation and test are new


def test_missing_photos_are_counted_and_named(folder):
    numbers = build(config(folder), folder / "run")
    assert numbers["images"] == {"present": COUNT - 2, "missing": 2, "items_without": 0}
    data = load_data(folder / "run")
    problems = (folder / "run" / "description.json").read_text()
    assert (
        f"picture images/{article(COUNT - 2)}.jpg of item {article(COUNT - 2)}: the image file is missing" in problems
    )
    assert data.image(0).path == folder / "images" / "0100001.jpg" and not data.interactions.users
    assert numbers["impressions"]["click_rate"] == 0.2 and numbers["impressions"]["queries"] == 58
    (folder / "images" / f"{article(COUNT - 2)}.jpg").write_bytes(b"jpg")
    build(config(folder), folder / "again")
    assert load_data(folder / "again").fingerprint != data.fingerprint  # captions of the old data lack a photo


def test_mistakes_are_one_line(folder):
    for options, message in (
        ({"negatives": 0}, "negatives is 0, expected at least 1"),
        ({"negatives": 30}, "too many: a query with 3 positives needs a catalogue of at least 94 articles"),
        ({"test": 0.9, "validation": 0.1}, "nothing is left for training"),
        ({"popularity_power": -1}, "popularity_power is -1.0, expected at least 0"),
        ({"popularity_power": 5}, "popularity_power is 5.0, expected at most 4"),
    ):
        with pytest.raises(UserError, match=message):
            read(config(folder, **options))
    pairs = folder / "copurchase.csv"
    pairs.write_text(pairs.read_text() + "0100001,9999999,0.1\n0100001,0100001,0.2\n")
    with pytest.raises(UserError, match=r"copurchase.csv line 176: an article that articles.csv does not have"):
        read(config(folder))
    raw = read(config(folder, skip_bad_lines=True))
    assert raw.skipped == {"an article that articles.csv does not have": 1, "an article bought with itself": 1}
    pairs.write_text("article_id,bought_with,score\n")
    with pytest.raises(UserError, match="holds no pairs"):
        read(config(folder))
