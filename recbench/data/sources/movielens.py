"""MovieLens: ratings (ratings.parquet or ratings.dat), movies (movies.dat), users (users.dat), posters.

High ratings are the positives, of sequences and as clicks; a lower rating is an impression without a click. A copy of
MovieLens-1M that is in use lacks the times of low-rated training rows. A missing time, and the history that would
follow from any guess at it, gives such a row's label away; `placed_times` says what is done instead. Ratings themselves
are no context of an impression: they are its label.
"""

import html
import re
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.interactions import SPLIT_NAMES
from recbench.data.sources.dialect import Layout
from recbench.data.sources.names import Names
from recbench.data.sources.parquet import open_parquet
from recbench.data.sources.raw import (
    OF_FILES,
    BrokenLines,
    Option,
    RawData,
    existing_file,
    read_options,
    source_file,
    source_path,
)
from recbench.data.sources.tabular import Parser, check_columns, open_table, read_columns
from recbench.data.sources.times import settle, times
from recbench.data.sources.values import SPLIT_WORDS, numbers
from recbench.data.splits import global_time
from recbench.errors import UserError, damage_told
from recbench.schema import DataConfig

OPTIONS = {
    "ratings_file": Option(str, "none: ratings.parquet if it is there, else ratings.dat"),
    "movies_file": Option("movies.dat", "titles and genres"),
    "users_file": Option("users.dat", "gender, age, occupation; used if it is there"),
    "posters": Option("posters", "folder of <movie>.jpg; used if it is there"),
    "positive_rating": Option(4.0, "this and more is positive, less is an impression without a click"),
    "seed": Option(0, "of the places of ratings without a time", least=0),
    "skip_bad_lines": Option(False, "count and list lines that do not parse instead of failing at the first"),
    **OF_FILES,
}
MARK = b"\xef\xbb\xbf"  # of UTF-8, as some editors write it
COLUMNS = {"user": "user_id", "item": "movie_id", "rating": "rating", "timestamp": "timestamp"}


def read(config: DataConfig) -> RawData:
    """Read movies, users and ratings.

    Raises:
        UserError: a missing or empty file, a missing column, an unknown split; a line that does not parse, by number.
    """
    options = read_options(config, OPTIONS)
    folder = source_path(config)
    broken = BrokenLines(options["skip_bad_lines"])
    movies = read_movies(source_file(folder, options["movies_file"], "movies_file"), folder, options["posters"], broken)
    users = folder / options["users_file"]
    fields = read_users(existing_file(users), broken) if users.exists() else None
    name = options["ratings_file"] or next(
        (name for name in ("ratings.parquet", "ratings.dat") if (folder / name).exists()), None
    )
    if name is None:
        raise UserError(f"{folder} holds neither ratings.parquet nor ratings.dat; name it in data.options.ratings_file")
    path = existing_file(folder / name, "ratings_file")
    ratings = read_ratings_parquet(path) if path.suffix == ".parquet" else read_ratings_dat(path, broken)
    label = pc.greater_equal(ratings["rating"], options["positive_rating"]).cast(pa.int8())
    ratings = ratings.append_column("label", label)
    impressions = impressions_of(ratings, np.random.default_rng(options["seed"])) if ratings.num_rows else None
    sequences = ratings.drop_columns(["split"]) if "split" in ratings.column_names else ratings
    return RawData(
        movies, sequences, broken.problems, dict(broken.skipped), impressions=impressions, user_fields=fields
    )


def impressions_of(ratings: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Every rating as an impression, split as the file says; where it does not, by time, 8:1:1.

    Without a split in the file, ratings without a time count as training.
    """
    known = ratings["timestamp"].is_valid().to_numpy()
    times = ratings["timestamp"].fill_null(0).to_numpy().astype(np.int64)
    if "split" in ratings.column_names:
        split = pc.index_in(ratings["split"], value_set=pa.array(SPLIT_NAMES)).to_numpy()
    else:
        split = np.zeros(len(times), dtype=np.int8)
        if known.any():
            split[known] = global_time(times[known])
    user = ratings["user"].combine_chunks().dictionary_encode().indices.to_numpy()
    times, placed = placed_times(user, times, known, ratings["label"].to_numpy() == 1, split == 0, rng)
    return pa.table(
        {
            "user": ratings["user"],
            "item": ratings["item"],
            "label": ratings["label"],
            "split": pa.array(SPLIT_NAMES).take(pa.array(split)),
            "timestamp": pa.array(times, mask=~placed),
        }
    )


def placed_times(
    user: np.ndarray,
    times: np.ndarray,
    known: np.ndarray,
    clicked: np.ndarray,
    training: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Times with each missing one of a training row set to that of a random training click of the same user.

    The row then has the very history of that click, which is the clicks at an earlier second. So histories are as long
    for both labels. A time drawn evenly from the user's span would not do that. Users rate in bursts: most such times
    fall after most of the clicks, and long histories would tell negatives.

    A user without a training click has no history at any time. Those rows take the time of a random training
    click of anyone's.

    Args:
        user: int [M] codes; times: int64 [M]; known, clicked, training: bool [M].

    Returns:
        Times (int64 [M]), and which of them are known now (bool [M]). Unknown stay those of held-out rows without one,
        and all where no training click has a time.
    """
    clicks = np.flatnonzero(known & clicked & training)
    missing = np.flatnonzero(~known & training)
    if not len(clicks):
        return times, known
    clicks = clicks[np.argsort(user[clicks], kind="stable")]
    first = np.searchsorted(user[clicks], user[missing], side="left")
    count = np.searchsorted(user[clicks], user[missing], side="right") - first
    first, count = np.where(count > 0, first, 0), np.where(count > 0, count, len(clicks))
    placed, times = known.copy(), times.copy()
    times[missing] = times[clicks[first + (rng.random(len(missing)) * count).astype(np.int64)]]
    placed[missing] = True
    return times, placed


def read_movies(path: Path, folder: Path, posters: str | None, broken: BrokenLines) -> pa.Table:
    """The catalogue: titles as printed, genres (a list), year and decade, posters as paths inside the folder.

    The reference caption says what a poster may tell: genres and decade. The file is Latin-1 as distributed, but copies
    mix it with UTF-8: each line is read as UTF-8 if it is that.
    """
    rows: dict[str, dict[str, str | list[str] | None]] = {}
    images = {image.name for image in (folder / posters).glob("*.jpg")} if posters else set()
    for number, raw in enumerate(path.read_bytes().removeprefix(MARK).splitlines(), start=1):
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
        movie, title, joined = (field.strip() for field in fields)
        if not movie or movie in rows:
            broken.report(path, number, "the movie has a line already" if movie else "no movie", line)
            continue
        genres = [genre for genre in joined.split("|") if genre]
        year = re.search(r"\((\d{4})\)$", title)
        decade = f"{year.group(1)[:3]}0s" if year else None
        rows[movie] = {
            "item": movie,
            "title": title,
            "image": f"{posters}/{movie}.jpg" if f"{movie}.jpg" in images else None,
            "caption": f"{', '.join(genres)} film of the {decade}" if genres and decade else None,
            "genres": genres,
            "year": year.group(1) if year else None,
            "decade": decade,
        }
    text = ("item", "title", "image", "caption", "year", "decade")
    schema = pa.schema([(name, pa.string()) for name in text] + [("genres", pa.list_(pa.string()))])
    return pa.Table.from_pylist(list(rows.values()), schema)


def read_users(path: Path, broken: BrokenLines) -> pa.Table:
    """user, gender, age (the lower end of its range), occupation (a code) of UserID::Gender::Age::Occupation::Zip."""
    rows: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_bytes().removeprefix(MARK).decode("latin-1").splitlines(), start=1):
        fields = line.strip().split("::")
        if len(fields) == 5 and fields[0] not in rows:
            rows[fields[0]] = fields[:4]
        elif len(fields) == 5:
            broken.report(path, number, "the user has a line already", line)
        elif line.strip():
            broken.report(path, number, "expected UserID::Gender::Age::Occupation::Zip-code", line)
    columns = zip(*rows.values(), strict=True) if rows else [()] * 4
    names = ("user", "gender", "age", "occupation")
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def read_ratings_parquet(path: Path) -> pa.Table:
    """user, item, rating, timestamp (null where the file has none), and split where the file has it.

    Raises:
        UserError: it is no Parquet file, or a column is of a type that cannot be what it is called.
    """
    with open_parquet(path) as file:
        check_columns(path, file.schema_arrow.names, COLUMNS)
        has_split = "split" in file.schema_arrow.names
        with damage_told(path, "fetch the file again"):
            rows = file.read(columns=[*COLUMNS.values(), *(["split"] if has_split else [])])
    types = {"user": pa.string(), "item": pa.string(), "rating": pa.float64(), "timestamp": pa.int64()}
    columns = {}
    for name, kind in types.items():
        column = rows[COLUMNS[name]]
        try:
            columns[name] = column.cast(kind)
        except pa.ArrowException as problem:
            reason = str(problem).splitlines()[0]
            raise UserError(
                f"{path}: {COLUMNS[name]} is of type {column.type}, expected {kind} ({reason})"
            ) from problem
        if name != "timestamp" and columns[name].null_count:
            raise UserError(f"{path}: {columns[name].null_count} rows have no {COLUMNS[name]}; leave them out")
        if name == "rating" and not pc.all(pc.is_finite(columns[name])).as_py():
            raise UserError(f"{path}: a rating is no finite number; correct it")
    table = pa.table(columns)
    if not has_split:
        return table
    place = pc.index_in(rows["split"].cast(pa.string()), value_set=pa.array(SPLIT_WORDS))
    if place.null_count:
        wrong = rows["split"].filter(place.is_null())[0].as_py()
        raise UserError(f"{path} has a row of split {wrong!r}, expected one of {', '.join(SPLIT_WORDS)}; correct it")
    return table.append_column("split", pa.chunked_array([pa.array(SPLIT_WORDS.values()).take(place.combine_chunks())]))


def read_ratings_dat(path: Path, broken: BrokenLines) -> pa.Table:
    """user, item, rating, timestamp of UserID::MovieID::Rating::Timestamp lines."""
    fields = ("user", "item", "rating", "timestamp")
    columns = {name: name for name in fields}
    file = open_table(path, columns, Layout(fields, delimiter="::", encoding="latin-1"))
    parsers: dict[str, Parser] = {"user": Names("user"), "item": Names("item"), "rating": partial(numbers, "rating")}
    found = read_columns(file, columns, parsers | {"timestamp": times}, broken).values
    settled = settle(found["timestamp"], path.name, "s")
    texts = {name: found[name].dictionary_decode() for name in ("user", "item")}
    return pa.table(texts | {"rating": found["rating"], "timestamp": pa.array(settled.ticks)})
