"""MovieLens: ratings (ratings.parquet or ratings.dat) and movies (movies.dat); high ratings are the positives."""

import html
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.raw import BrokenLines, RawData, existing_file, read_options, source_file, source_path
from recbench.data.sources.tabular import check_columns, open_parquet
from recbench.errors import UserError
from recbench.schema import DataConfig

OPTIONS = {
    "ratings_file": str,  # none: ratings.parquet if it is there, else ratings.dat
    "movies_file": "movies.dat",
    "posters": "posters",  # folder of <movie>.jpg; used if it is there
    "positive_rating": 4.0,  # this and more is positive, what is rated lower is left out
    "skip_bad_lines": False,
}
COLUMNS = {"user": "user_id", "item": "movie_id", "rating": "rating", "timestamp": "timestamp"}


def read(config: DataConfig) -> RawData:
    """Read movies and ratings.

    Raises:
        UserError: a missing or empty file, a missing column, a line that does not parse, by its number.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    movies = read_movies(source_file(folder, options["movies_file"]), folder, options["posters"], broken)
    name = options["ratings_file"] or next(
        (name for name in ("ratings.parquet", "ratings.dat") if (folder / name).exists()), None
    )
    if name is None:
        raise UserError(f"{folder} holds neither ratings.parquet nor ratings.dat; name it in data.options.ratings_file")
    path = existing_file(folder / name)
    ratings = read_ratings_parquet(path) if path.suffix == ".parquet" else read_ratings_dat(path, broken)
    label = pc.greater_equal(ratings["rating"], options["positive_rating"]).cast(pa.int8())
    return RawData(movies, ratings.append_column("label", label), broken.problems, dict(broken.skipped))


def read_movies(path: Path, folder: Path, posters: str | None, broken: BrokenLines) -> pa.Table:
    """The catalogue: titles as printed, genres and year as categorical columns, posters as paths inside the folder.

    The file is Latin-1 as distributed, but copies mix it with UTF-8: each line is read as UTF-8 if it is that.
    """
    columns: dict[str, list[str | None]] = {name: [] for name in ("item", "title", "image", "genres", "year")}
    images = {image.name for image in (folder / posters).glob("*.jpg")} if posters else set()
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("latin-1")
        fields = html.unescape(line).split("::")
        if not line.strip():
            continue
        if len(fields) != 3:
            broken.report(path, number, "expected MovieID::Title::Genres", line)
            continue
        movie, title, genres = (field.strip() for field in fields)
        year = re.search(r"\((\d{4})\)$", title)
        image = f"{posters}/{movie}.jpg" if f"{movie}.jpg" in images else None
        values = (movie, title, image, genres, year.group(1) if year else None)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def read_ratings_parquet(path: Path) -> pa.Table:
    """user, item, rating, timestamp (null where the file has none)."""
    with open_parquet(path) as file:
        check_columns(path, file.schema_arrow.names, COLUMNS)
        rows = file.read(columns=list(COLUMNS.values()))
    return pa.table(
        {
            "user": rows["user_id"].cast(pa.string()),
            "item": rows["movie_id"].cast(pa.string()),
            "rating": rows["rating"].cast(pa.float64()),
            "timestamp": rows["timestamp"].cast(pa.int64()),
        }
    )


def read_ratings_dat(path: Path, broken: BrokenLines) -> pa.Table:
    """user, item, rating, timestamp of UserID::MovieID::Rating::Timestamp lines."""
    users: list[str] = []
    items: list[str] = []
    ratings: list[float] = []
    timestamps: list[int] = []
    with path.open(encoding="latin-1") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                user, item, rating, timestamp = line.strip().split("::")
                parsed = float(rating), int(timestamp)
            except ValueError:
                broken.report(path, number, "expected UserID::MovieID::Rating::Timestamp", line)
                continue
            users.append(user)
            items.append(item)
            ratings.append(parsed[0])
            timestamps.append(parsed[1])
    return pa.table(
        {
            "user": pa.array(users, pa.string()),
            "item": pa.array(items, pa.string()),
            "rating": np.array(ratings, dtype=np.float64),
            "timestamp": np.array(timestamps, dtype=np.int64),
        }
    )
