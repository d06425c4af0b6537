import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.impressions import click_histories
from recbench.data.sources.movielens import placed_times, read
from recbench.errors import UserError
from recbench.schema import DataConfig

MOVIES = (
    b"1::Heat (1995)::Action|Crime\n2::Mis\xe9rables, Les (1995)::Drama\n"
    b"3::Am\xc3\xa9lie::Comedy\n9::Dieu&#8230;::War\n"
)


def config(folder, **options) -> DataConfig:
    return DataConfig(
        name="toy", source="movielens", path=str(folder), min_user_interactions=1, options=options, split="global_time"
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "movies.dat").write_bytes(MOVIES)
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "2.jpg").write_bytes(b"jpg")
    return tmp_path


def test_movies_of_mixed_encodings(folder):
    (folder / "ratings.dat").write_text("7::1::5::100\n")
    catalogue = read(config(folder)).catalogue.to_pylist()
    assert [row["title"] for row in catalogue] == ["Heat (1995)", "Misérables, Les (1995)", "Amélie", "Dieu…"]
    assert [row["genres"] for row in catalogue] == [["Action", "Crime"], ["Drama"], ["Comedy"], ["War"]]
    assert [row["year"] for row in catalogue] == ["1995", "1995", None, None]
    captions = ["Action, Crime film of the 1990s", "Drama film of the 1990s", None, None]
    assert [row["caption"] for row in catalogue] == captions
    assert [row["image"] for row in catalogue] == [None, "posters/2.jpg", None, None]


def test_low_ratings_and_their_missing_times_are_left_out(folder):
    columns = {"user_id": [7, 7, 7, 8], "movie_id": [3, 1, 2, 1], "rating": [4, 3, 5, 1]}
    table = pa.table(columns | {"timestamp": [30, None, 20, None], "split": ["train"] * 4})
    pq.write_table(table, folder / "ratings.parquet")
    numbers = build(config(folder), folder / "run")
    data = load_data(folder / "run")
    assert data.interactions.users == ["7"] and data.interactions.items.tolist() == [1, 2]  # movie 2 at 20, 3 at 30
    assert numbers["dropped"]["negatives"] == 2 and len(data.catalogue) == 4


def test_both_formats_agree(folder):
    rows = [(7, 1, 5, 100), (7, 2, 4, 50), (8, 2, 2, 70)]
    (folder / "ratings.dat").write_text("".join("::".join(map(str, row)) + "\n" for row in rows))
    columns = dict(zip(("user_id", "movie_id", "rating", "timestamp"), map(list, zip(*rows))))
    pq.write_table(pa.table(columns), folder / "r.parquet")
    assert read(config(folder)).interactions.equals(read(config(folder, ratings_file="r.parquet")).interactions)


def test_mistakes_name_the_line_or_the_file(folder):
    with pytest.raises(UserError, match="neither ratings.parquet nor ratings.dat"):
        read(config(folder))
    (folder / "ratings.dat").write_text("7::1::5::100\n7::1::five::100\n")
    with pytest.raises(UserError, match="ratings.dat line 2: the rating is no number"):
        read(config(folder))
    assert read(config(folder, skip_bad_lines=True)).interactions.num_rows == 1
    pq.write_table(pa.table({"user_id": [1]}), folder / "ratings.parquet")
    with pytest.raises(UserError, match="ratings.parquet has no column 'movie_id'"):
        read(config(folder))
    (folder / "movies.dat").write_text("1::Heat\n")
    with pytest.raises(UserError, match="movies.dat line 1: expected MovieID::Title::Genres"):
        read(config(folder))


def test_low_ratings_are_impressions_split_as_the_file_says(folder):
    columns = {"user_id": [7, 7, 7, 8, 8], "movie_id": [3, 1, 2, 1, 9], "rating": [4, 3, 5, 1, 5]}
    splits = ["train", "test", "train", "valid", "test"]
    pq.write_table(pa.table(columns | {"timestamp": [30, 60, 20, 50, 70], "split": splits}), folder / "ratings.parquet")
    (folder / "users.dat").write_text("7::F::25::4::48067\n9::M::1::10::0\n")
    source = config(folder)
    source.user_fields = ["gender", "age", "occupation"]
    build(source, folder / "run")
    shown = load_data(folder / "run").impressions
    assert shown.split.tolist() == [0, 0, 1, 2, 2] and shown.timestamp.tolist() == [20, 30, 50, 60, 70]
    assert shown.item.tolist() == [1, 2, 0, 0, 3] and shown.label.tolist() == [1, 1, 0, 0, 1]
    assert shown.context == {}  # the rating would be the label
    assert {name: values.tolist() for name, values in shown.user_fields.items()} == {
        "gender": ["F", None],
        "age": ["25", None],
        "occupation": ["4", None],
    }  # user 8 has no line
    pq.write_table(pa.table(columns | {"timestamp": [1] * 5, "split": ["train"] * 4 + ["dev"]}), folder / "r.parquet")
    with pytest.raises(UserError, match="split 'dev', expected one of train, valid"):
        read(config(folder, ratings_file="r.parquet"))


def test_without_a_split_the_earliest_four_fifths_are_for_training(folder):
    (folder / "ratings.dat").write_text("".join(f"7::{1 + k % 3}::{1 + k % 5}::{100 - k}\n" for k in range(20)))
    assert read(config(folder)).impressions["split"].to_pylist() == ["test"] * 2 + ["validation"] * 2 + ["train"] * 16


def test_a_rating_without_a_time_gets_that_of_a_click_of_the_same_user():
    user = np.array([0, 0, 0, 1, 1, 2, 0])
    times = np.array([10, 20, 0, 30, 0, 0, 0])
    known = np.array([True, True, False, True, False, False, False])
    clicked = np.array([True, True, False, True, False, False, False])
    training = np.array([True, True, True, True, True, True, False])
    seen = set()
    for seed in range(50):
        placed, now = placed_times(user, times, known, clicked, training, np.random.default_rng(seed))
        assert placed[[0, 1, 3]].tolist() == [10, 20, 30] and placed[4] == 30
        assert now.tolist() == [True] * 6 + [False]  # a held-out row keeps its gap, for the build to refuse
        seen.add((int(placed[2]), int(placed[5])))
    # user 0 has clicks at 10 and 20; user 2 none, so that any of the three does
    assert seen == {(own, other) for own in (10, 20) for other in (10, 20, 30)}
    nothing, now = placed_times(user, times, known, ~clicked & known, training & False, np.random.default_rng(0))
    assert nothing.tolist() == times.tolist() and now.tolist() == known.tolist()


def test_the_length_of_histories_does_not_tell_ratings_without_a_time(folder):
    # 300 users rate 10 movies well within 10 seconds, the eleventh a year later; 20 bad ones have no time.
    users = np.repeat(np.arange(300), 31)
    good = np.tile(np.arange(31) < 11, 300)
    seconds = np.tile([*range(10), 31_536_000, *[0] * 20], 300)
    table = {"user_id": users, "movie_id": np.tile(np.arange(31), 300), "rating": np.where(good, 5, 2)}
    times = pa.array(seconds, mask=~good)
    pq.write_table(pa.table(table | {"timestamp": times, "split": ["train"] * len(users)}), folder / "ratings.parquet")
    build(config(folder), folder / "run")
    shown = load_data(folder / "run").impressions
    lengths = np.sum(click_histories(shown, np.arange(len(users)), 20) >= 0, axis=1)
    # Clicks have histories of 0 to 10, an eleventh each: mean 5. Of 6000 others, the mean has deviation .041.
    assert lengths[shown.label == 1].mean() == 5
    assert lengths[shown.label == 0].mean() == pytest.approx(5, abs=4 * 0.041)
    _, counts = np.unique(lengths[shown.label == 0], return_counts=True)
    assert len(counts) == 11 and counts == pytest.approx(6000 / 11, abs=4 * 22.3)  # binomial: sqrt(6000 * 10/121)
