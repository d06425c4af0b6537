"""What the columns of somebody's files are, guessed from their names and first values: for `recbench init`.

A guess is made where a name is one that such files use, or where the values leave one reading only. What could be two
things is asked for, by the option that says it.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sample import Sample
from recbench.data.sources.times import settle, times
from recbench.data.sources.values import BOOLEANS, DESCRIPTIONS, NUMBER
from recbench.errors import UserError
from recbench.schema import did_you_mean

# Names as files use them, small letters and digits alone, the surest first.
LOG_NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        *(
            "userid",
            "user",
            "uid",
            "visitorid",
            "visitor",
            "customerid",
            "customer",
            "reviewerid",
            "memberid",
            "member",
        ),
        *("accountid", "account", "buyerid", "buyer", "clientid", "client", "profileid", "personid", "sessionid"),
        *("session", "userindex", "useridx", "useridtoken"),
    ),
    "item": (
        *(
            "itemid",
            "item",
            "iid",
            "sku",
            "skuid",
            "productid",
            "product",
            "articleid",
            "article",
            "parentasin",
            "asin",
        ),
        *(
            "movieid",
            "movie",
            "newsid",
            "videoid",
            "video",
            "contentid",
            "content",
            "goodsid",
            "goods",
            "bookid",
            "book",
        ),
        *("isbn", "songid", "trackid", "track", "businessid", "adid", "docid", "listingid", "recipeid", "gameid"),
        *("itemindex", "itemidx", "itemidtoken"),
    ),
    "timestamp": (
        *("timestamp", "time", "ts", "datetime", "date", "when", "eventtime", "eventtimestamp", "createdat", "created"),
        *("unixreviewtime", "timestampms", "clicktime", "viewtime", "day", "timestampfloat"),
    ),
    "label": (
        *("label", "click", "clicked", "isclick", "isclicked", "isclicks", "clicks", "target", "y", "purchased"),
        *("ispurchase", "bought", "converted", "conversion", "liked", "like", "labelfloat"),
    ),
    "rating": ("rating", "ratings", "stars", "star", "overall", "score", "reviewrating", "ratingfloat"),
    "query": ("queryitem", "queryitemid", "shownat", "contextitem"),
    "position": ("position", "pos", "slot", "displayposition"),
    "propensity": ("propensity", "propensityscore", "pscore"),
    "split": ("split", "fold"),
}
ITEM_NAMES: dict[str, tuple[str, ...]] = {
    "item": LOG_NAMES["item"] + ("id",),
    "title": ("title", "name", "itemname", "productname", "prodname", "itemtitle", "headline", "producttitle"),
    "text": (
        "description",
        "text",
        "detaildesc",
        "desc",
        "abstract",
        "body",
        "summary",
        "details",
        "productdescription",
    ),
    "image": (
        *("image", "images", "imagepath", "picture", "pictures", "photo", "photos", "img", "imageid", "imagefile"),
        *("filename", "imagename", "imgpath", "imageurl", "imageurls", "thumbnail", "poster", "cover"),
    ),
    "caption": ("caption", "captions", "referencecaption", "imagecaption"),  # what llava_small learns from
}
OF_DESCRIPTIONS = ("title", "text", "image", "caption")
MOST_CATEGORIES = 1000  # more values are names rather than categories
SHARE_OF_ROWS = 0.5  # likewise
TIME_FORMATS = (  # tried where times are neither numbers nor ISO 8601
    *("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d-%m-%Y %H:%M:%S"),
    *("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M", "%d-%m-%Y %H:%M"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%b %d, %Y", "%d %b %Y"),
    *("%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z"),
)
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Roles:
    """What columns are: our field -> the file's column, and columns with several texts that are categories."""

    columns: dict[str, str]
    categories: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)  # column -> why it is none of these
    timestamp_format: str | None = None


def plain(name: str) -> str:
    """A column's name in small letters and digits alone.

    >>> plain("User_ID:token"), plain("unixReviewTime")
    ('useridtoken', 'unixreviewtime')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def named(field: str, names: Sequence[str], known: Mapping[str, tuple[str, ...]]) -> str | None:
    """The column of the surest name for a field, the first in the file among equals; None where no name is known."""
    order = {name: place for place, name in enumerate(known[field])}
    found = [name for name in names if plain(name) in order]
    return min(found, key=lambda name: order[plain(name)]) if found else None


def log_roles(
    sample: Sample,
    given: Mapping[str, str],
    timestamp_format: str | None = None,
    absent: Sequence[str] = (),
    describe: bool = False,
) -> Roles:
    """What the columns of a log of interactions or impressions are.

    Args:
        given: our field -> column, as the user says it.
        timestamp_format: of the times, where the user says it.
        absent: fields that the user says have no column.
        describe: whether titles, texts and pictures of the items may stand in the log.

    Raises:
        UserError: a column that is not there; no column for user or item; values that are no labels, ratings or times;
            or a time that could be read in two ways.
    """
    names = list(sample.columns)
    check_given(sample, given)
    columns = dict(given)
    left_out: dict[str, str] = {}
    fits = {"label": is_label, "rating": is_numeric, "position": is_numeric, "propensity": is_numeric}
    for role in LOG_NAMES:
        free = [name for name in names if name not in columns.values()]
        if role in columns or role in absent or (name := named(role, free, LOG_NAMES)) is None:
            continue
        if role in fits and not fits[role](sample.columns[name]):
            left_out[name] = f"called as a {role} is, with values that are none, such as {example(sample, name)}"
            continue
        columns[role] = name
    for role in DESCRIPTIONS if describe else ():
        free = [name for name in names if name not in columns.values()]
        if role not in (*columns, *absent) and (name := named(role, free, ITEM_NAMES)) is not None:
            columns[role] = name
    for role in ("user", "item"):
        if role not in columns:
            raise UserError(
                f"{sample.file}: no column is named as {role}s are (columns: {', '.join(names)}); give --{role} COLUMN"
            )
    if "label" in given and not is_label(sample.columns[given["label"]]):
        raise UserError(
            f"{sample.file}: column {given['label']!r} has {example(sample, given['label'])}, expected 0 and 1, or "
            "true and false, for --label"
        )
    written = None
    if "timestamp" in columns:
        written = time_format(sample, columns["timestamp"], timestamp_format)
    for name in names:
        if name not in columns.values():
            left_out.setdefault(
                name, "not of a name that is known" + (" (--context reads it)" if "label" in columns else "")
            )
    return Roles(columns, (), left_out, written)


def item_roles(sample: Sample, given: Mapping[str, str], log_items: pa.Array, absent: Sequence[str] = ()) -> Roles:
    """What the columns of a file of items are: `item` is the column that has most of the log's items.

    Args:
        given, absent: as for `log_roles`.
        log_items: items of the log, for the column of keys and for what is told where they hardly meet.

    Raises:
        UserError: a column that is not there, or no column with items of the log.
    """
    names = list(sample.columns)
    check_given(sample, given)
    columns = dict(given)
    if "item" not in columns:
        met = {name: int(pc.sum(pc.is_in(column, value_set=log_items)).as_py() or 0) for name, column in pairs(sample)}
        by_name = named("item", names, ITEM_NAMES)
        best = max(met, key=lambda name: (met[name], name == by_name), default=None)
        if best is None or not met[best]:
            best = by_name
        if best is None:
            raise UserError(
                f"{sample.file}: no column has items of the log, such as {', '.join(log_items[:3].to_pylist())} "
                f"(columns: {', '.join(names)}); give --item-key COLUMN"
            )
        columns["item"] = best
    for role in OF_DESCRIPTIONS:
        free = [name for name in names if name not in columns.values()]
        if role not in (*columns, *absent) and (name := named(role, free, ITEM_NAMES)) is not None:
            columns[role] = name
    categories, left_out = [], {}
    for name, column in pairs(sample):
        if name in columns.values():
            continue
        count = pc.count_distinct(column).as_py()
        if count < 2:
            left_out[name] = "one value throughout" if count else "blank throughout"
        elif count > MOST_CATEGORIES or count > max(2, SHARE_OF_ROWS * len(column)):
            left_out[name] = f"{count:,} different values in {len(column):,} rows are no categories"
        else:
            categories.append(name)
    return Roles(columns, tuple(categories), left_out)


def check_given(sample: Sample, given: Mapping[str, str]) -> None:
    """Raise UserError for a column that a user names and the file has not."""
    for role, name in given.items():
        if name not in sample.columns:
            near = did_you_mean(name, list(sample.columns))
            raise UserError(
                f"{sample.file} has no column {name!r} (for {role}), only {', '.join(sample.columns)}{near}"
            )


def pairs(sample: Sample) -> list[tuple[str, pa.Array]]:
    """Names and columns."""
    return list(sample.columns.items())


def is_label(column: pa.Array) -> bool:
    """Whether all values are 0, 1, true or false, and there are some."""
    found = set(pc.unique(pc.drop_null(column)).to_pylist())
    return bool(found) and all(value.lower() in BOOLEANS or value in ("0", "1", "0.0", "1.0") for value in found)


def is_numeric(column: pa.Array) -> bool:
    """Whether all values are numbers, and there are some."""
    found = pc.unique(pc.drop_null(column))
    return bool(len(found)) and bool(pc.all(pc.match_substring_regex(found, NUMBER)).as_py())


def example(sample: Sample, name: str) -> str:
    """A value of a column, in quotes."""
    found = pc.drop_null(sample.columns[name])
    return repr(found[0].as_py()) if len(found) else "nothing"


def time_format(sample: Sample, name: str, given: str | None) -> str | None:
    """The format of a column of times; None where they are numbers, dates or ISO 8601, which need none.

    Raises:
        UserError: no format that is known fits, or two do that read different times.
    """
    column = pc.drop_null(sample.columns[name])
    if given is not None:
        if wrong := times(column, given).wrong:
            row = int(next(iter(wrong.values()))[0])
            raise UserError(
                f"{sample.file}: {column[row].as_py()!r} in column {name} is not of --time-format {given!r}"
            )
        return given
    found = times(column)
    if not found.wrong:
        settle(found.values, f"{sample.file}, column {name}")
        return None
    distinct = pc.unique(column)
    fitting = [form for form in TIME_FORMATS if not times(distinct, form).wrong]
    readings = {form: times(distinct, form).values.whole for form in fitting}
    if not fitting:
        row = int(next(iter(found.wrong.values()))[0])
        raise UserError(
            f"{sample.file}: {column[row].as_py()!r} in column {name} is no time of a form that is known; give "
            "--time-format, such as '%d/%m/%Y %H:%M', or --time none"
        )
    others = [form for form in fitting[1:] if not np.array_equal(readings[form], readings[fitting[0]])]
    if others:
        first, second = (datetime.fromtimestamp(int(readings[form][0]), UTC) for form in (fitting[0], others[0]))
        raise UserError(
            f"{sample.file}: {distinct[0].as_py()!r} in column {name} is {first:%d %B %Y} by {fitting[0]!r} and "
            f"{second:%d %B %Y} by {others[0]!r}; say which with --time-format"
        )
    return fitting[0]


def pictures_pattern(files: Sequence[str], items: pa.Array) -> str | None:
    """`{item}.jpg` where most of the pictures among `files` are called after items; None where they are not.

    Args:
        files: names of files, without folders.
    """
    known = set(items.to_pylist())
    suffixes = Counter(
        suffix for name, suffix in map(os.path.splitext, files) if suffix.lower() in PICTURE_SUFFIXES and name in known
    )
    return f"{{item}}{suffixes.most_common(1)[0][0]}" if suffixes else None
