import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.movielens import read
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
    with pytest.raises(UserError, match="ratings.dat line 2: expected UserID::MovieID::Rating::Timestamp"):
        read(config(folder))
    assert read(config(folder, skip_bad_lines=True)).interactions.num_rows == 1
    pq.write_table(pa.table({"user_id": [1]}), folder / "ratings.parquet")
    with pytest.raises(UserError, match="ratings.parquet has no column 'movie_id'"):
        read(config(folder))
    (folder / "movies.dat").write_text("1::Heat\n")
    with pytest.raises(UserError, match="movies.dat line 1: expected MovieID::Title::Genres"):
        read(config(folder))
