"""Formats of public data sets: sequences, MovieLens, H&M, Open Bandit."""

from collections.abc import Iterator
from typing import Any

from torture.malformed_cases.case import Case, Content, faults_of_text, garbled, harmless_changes

ITEMS = [f"B{number:09d}" for number in range(7)]


def cases() -> Iterator[Case]:
    """Every case of these formats."""
    yield from sequences()
    yield from movielens()
    yield from shop()
    yield from open_bandit()


def in_folder(name: str, data: str, files: dict[str, Content], *options: str, **about: Any) -> Case:
    """A case of a data set in the folder d."""
    placed = {f"d/{place}": content for place, content in files.items()}
    return Case(name, ("data", f"data={data}", "data.path=d", *options), placed, **about)


def whole_and_broken(
    kind: str, data: str, files: dict[str, bytes], broken: dict[str, tuple[str, ...]], *options: str
) -> Iterator[Case]:
    """The files as they should be, then each of some in every way broken, and changed without harm.

    Args:
        broken: file -> the faults that it may have, for which the expectation is softened to `either`.
    """
    whole = f"{kind}: as it should be"
    yield in_folder(whole, data, dict(files), *options, expect="take")
    for place, (name, allowed) in enumerate(broken.items()):
        for fault, expect, content in faults_of_text(files[name], brief=place > 0):
            changed: dict[str, Content] = files | {name: content}
            expect = "either" if fault in allowed else expect
            yield in_folder(f"{kind}, {name}: {fault}", data, changed, *options, expect=expect)
        for change, content in harmless_changes(files[name]):
            changed = files | {name: content}
            yield in_folder(f"{kind}, {name}: {change}", data, changed, *options, expect="take", twin=whole)


def sequences() -> Iterator[Case]:
    """One user a line, and titles."""
    lines = "".join(f"u{user} " + " ".join(ITEMS[(user + step) % 7] for step in range(5)) + "\n" for user in range(6))
    titles = "asin,title\n" + "".join(f"{item},Title {item}\n" for item in ITEMS)
    files = {"user_sequence.txt": lines.encode(), "items.csv": titles.encode()}
    yield from whole_and_broken("sequences", "amazon_beauty", files, {"user_sequence.txt": (), "items.csv": ()})
    for name, text in {
        "a user without items": "u9\n",
        "a user twice": "u0 B000000001 B000000002 B000000003\n",
        "a line of 300,000 items": "u9 " + "B000000001 " * 300_000 + "\n",
    }.items():
        changed: dict[str, Content] = files | {"user_sequence.txt": (lines + text).encode()}
        yield in_folder(f"sequences: {name}", "amazon_beauty", changed, expect="either" if "300" in name else "refuse")


def movielens() -> Iterator[Case]:
    """ratings.dat, movies.dat, users.dat."""
    ratings = "".join(
        f"{user}::{(user + step) % 7 + 1}::{step % 5 + 1}::{978300000 + 100 * user + step}\n"
        for user in range(1, 9)
        for step in range(7)
    )
    movies = "".join(f"{movie}::Movie {movie} (199{movie})::Drama|Comedy\n" for movie in range(1, 8))
    users = "".join(f"{user}::F::25::1::12345\n" for user in range(1, 9))
    files = {"ratings.dat": ratings.encode(), "movies.dat": movies.encode(), "users.dat": users.encode()}
    latin = ("not UTF-8", "a NUL", "a line of a megabyte")
    options = ("data.min_user_interactions=1",)
    broken = {
        "ratings.dat": latin,
        "movies.dat": (*latin, "blank lines only"),
        "users.dat": (*latin, "missing", "blank lines only"),
    }
    yield from whole_and_broken("movielens", "movielens", files, broken, *options)
    for name, old, new in (
        ("a rating of NaN", "1::2::1::978300100", "1::2::nan::978300100"),
        ("a rating of infinity", "1::2::1::978300100", "1::2::inf::978300100"),
        ("a time beyond int64", "978300100", "9" * 30),
        ("a time of 5,000 digits", "978300100", "9" * 5000),
        ("a time of a text", "978300100", "noon"),
        ("three fields", "1::2::1::978300100", "1::2::1"),
        ("no user", "1::2::1::978300100", "::2::1::978300100"),
        ("no movie", "1::2::1::978300100", "1::::1::978300100"),
    ):
        assert old in ratings
        changed: dict[str, Content] = files | {"ratings.dat": ratings.replace(old, new, 1).encode()}
        yield in_folder(f"movielens: {name}", "movielens", changed, *options)
    twice: dict[str, Content] = files | {"movies.dat": (movies + movies).encode()}
    yield in_folder("movielens: movies twice", "movielens", twice, *options)
    twice = files | {"users.dat": (users + users).encode()}
    yield in_folder("movielens: users twice", "movielens", twice, *options)
    for value in ("nan", "inf", "high", "''"):
        yield in_folder(
            f"movielens: positive_rating {value}", "movielens", dict(files), f"data.options.positive_rating={value}"
        )
    for value in ("-1", "1.5", "abc", "9" * 30):
        yield in_folder(
            f"movielens: seed {value[:9]}",
            "movielens",
            dict(files),
            f"data.options.seed={value}",
            *options,
            expect="either" if value.startswith("9") else "refuse",
        )
    from torture.malformed_cases.logs import parquet

    rows = [line.split("::") for line in ratings.splitlines()]
    columns: dict[str, Any] = {
        name: [int(row[place]) for row in rows]
        for place, name in enumerate(("user_id", "movie_id", "rating", "timestamp"))
    }
    movies_only = {"movies.dat": movies.encode(), "users.dat": users.encode()}
    content = parquet(columns)
    yield in_folder(
        "movielens parquet: as it should be",
        "movielens",
        {**movies_only, "ratings.parquet": content},
        *options,
        expect="take",
    )
    for name, damaged in garbled(content, 4):
        expect = "refuse" if name.startswith("cut") else "either"
        changed = {**movies_only, "ratings.parquet": damaged}
        yield in_folder(f"movielens parquet: {name}", "movielens", changed, *options, expect=expect)
    for name, column in {
        "times of texts": {"timestamp": ["noon"] * 56},
        "times of fractions": {"timestamp": [0.5 + time for time in columns["timestamp"]]},
        "ratings of texts": {"rating": ["good"] * 56},
        "ratings of NaN": {"rating": [float("nan")] * 56},
        "ratings of null": {"rating": [None] * 56},
        "users of null": {"user_id": [None] * 56},
        "users of lists": {"user_id": [[1]] * 56},
        "a split unknown": {"split": ["dev"] * 56},
        "a split of null": {"split": [None] * 56},
    }.items():
        changed = {**movies_only, "ratings.parquet": parquet(columns | column)}
        expect = "either" if "fractions" in name else "refuse"
        yield in_folder(f"movielens parquet: {name}", "movielens", changed, *options, expect=expect)


def shop() -> Iterator[Case]:
    """articles.csv and copurchase.csv."""
    from recbench.data.sources.hm import NAMES

    header = ["article_id", "prod_name", "detail_desc", "product_code", *NAMES]
    rows = [[f"{number:010d}", f"Name {number}", "Text", f"{number // 2}", *["x"] * len(NAMES)] for number in range(30)]
    articles = "\n".join(",".join(row) for row in [header, *rows]) + "\n"
    pairs = "article_id,bought_with\n" + "".join(f"{number:010d},{(number + 7) % 30:010d}\n" for number in range(30))
    files = {"articles.csv": articles.encode(), "copurchase.csv": pairs.encode()}
    yield from whole_and_broken("hm", "hm", files, {"articles.csv": (), "copurchase.csv": ()})
    for name, option in {
        "negatives of 0": "negatives=0",
        "too many negatives": "negatives=1000000",
        "negatives beyond int64": "negatives=99999999999999999999",
        "negatives of a fraction": "negatives=1.5",
        "shares of NaN": "test=nan",
        "shares beyond 1": "test=1.0",
        "shares below 0": "validation=-0.5",
        "a power of NaN": "popularity_power=nan",
        "a power too high": "popularity_power=5",
        "a seed below 0": "seed=-1",
        "a seed that is a text": "seed=abc",
    }.items():
        yield in_folder(f"hm: {name}", "hm", dict(files), f"data.options.{option}")


def open_bandit() -> Iterator[Case]:
    """A log with propensities."""
    header = ["timestamp", "item_id", "position", "click", "propensity_score"]
    header += [f"user_feature_{number}" for number in range(4)] + [f"user-item_affinity_{item}" for item in range(3)]
    rows = [
        [f"2019-11-24 00:{row:02d}:23.800821+00:00", str(row % 3), str(row % 3 + 1), str(int(row % 7 == 0)), "0.0125"]
        + [f"h{row % 4}", "b", "c", "d", "0.0", "1.0", "0.0"]
        for row in range(60)
    ]
    log = "\n".join(",".join(row) for row in [header, *rows]) + "\n"
    items = "item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"
    items += "".join(f"{item},-0.{item + 1},a,b,c\n" for item in range(3))
    files = {"random/all/all.csv": log.encode(), "random/all/item_context.csv": items.encode()}
    yield from whole_and_broken("open_bandit", "open_bandit", files, dict.fromkeys(files, ()))
    for name, old, new in (
        ("a propensity of 0", "0.0125", "0"),
        ("a propensity of NaN", "0.0125", "nan"),
        ("a propensity beyond 1", "0.0125", "1.5"),
        ("a click of 2", "1,1,0.0125", "1,2,0.0125"),
        ("a position of a text", "0,1,1,0.0125", "0,top,1,0.0125"),
        ("a time of a text", "2019-11-24 00:05:23.800821+00:00", "noon"),
        ("an affinity of NaN", "d,0.0,1.0", "d,nan,1.0"),
    ):
        changed = log.replace(old, new, 1)
        if changed == log:
            continue
        placed: dict[str, Content] = files | {"random/all/all.csv": changed.encode()}
        yield in_folder(f"open_bandit: {name}", "open_bandit", placed)
    for option in (
        "policy=best",
        "policy=''",
        "campaign=../all",
        "train=nan",
        "train=0",
        "validation=1.0",
        "train=abc",
    ):
        yield in_folder(f"open_bandit: {option}", "open_bandit", dict(files), f"data.options.{option}")
