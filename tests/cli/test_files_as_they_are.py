"""`recbench data` on files as people have them: what is ambiguous is refused in a line, or told in the report."""

import itertools
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.data.dataset import load_data

pytestmark = pytest.mark.slow

USERS, ITEMS = [f"u{k}" for k in range(6)], ["a", "b", "c", "d"]


@pytest.fixture
def built(command, tmp_path):
    """Build files in the current folder with `recbench data data=table`; returns the data, its description, stderr."""

    def build(path, *options, columns=("user", "item")):
        mapped = [f"data.options.columns.{name}={name}" for name in columns]
        result = command("data", "data=table", "data.name=x", f"data.path={path}", *mapped, *options, "--json")
        assert result.code == 0, result.err
        folder = Path(json.loads(result.out)["path"])
        return load_data(folder), json.loads((folder / "description.json").read_text()), result.err

    return build


@pytest.fixture
def refused(command, tmp_path):
    """What `recbench data data=table` says of files that it refuses: one line, and nothing is left behind."""

    def refuse(path, *options):
        result = command("data", "data=table", "data.name=x", f"data.path={path}", *options)
        lines = result.err.strip().splitlines()
        assert result.code == 2 and len(lines) == 1 and lines[0].startswith("error: "), result.err
        assert not (tmp_path / "runs").exists()
        return lines[0]

    return refuse


def table(columns: dict, path: Path) -> None:
    """Write columns as csv or as Parquet, as the name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = itertools.chain([columns], zip(*columns.values()))
        path.write_text("".join(",".join("" if one is None else str(one) for one in row) + "\n" for row in rows))


def sequences(data) -> dict[str, list[str]]:
    """User -> items, oldest first."""
    items, ends = data.catalogue["item"][:], data.interactions.offsets
    return {
        user: [items[k] for k in data.interactions.items[ends[n] : ends[n + 1]]]
        for n, user in enumerate(data.interactions.users)
    }


def everyone(items=ITEMS, users=USERS) -> dict[str, list]:
    """Every user with every item, in an order of its own."""
    pairs = [(user, item) for n, user in enumerate(users) for item in items[n % 4 :] + items[: n % 4]]
    return {"user": [user for user, _ in pairs], "item": [item for _, item in pairs]}


# ---- dialects


NEWS = (
    "news_id\tcategory\ttitle\nN1\tsports\tPlain headline one\n"
    'N2\tnews\t"Unclosed quote opens this headline\nN3\tnews\tStar says "never again" to show\nN4\tfood\tTen soups\n'
)
NEWS_OPTIONS = ("data.options.items_file=news.tsv", "data.options.item_columns.item=news_id")


def write_clicks_of_news(items: list[str]) -> str:
    table(everyone(items), Path("clicks.csv"))
    return "clicks.csv"


def test_a_quote_in_tsv_is_a_character(built, tmp_path):
    (tmp_path / "news.tsv").write_text(NEWS)
    data, description, _ = built(write_clicks_of_news(["N1", "N2", "N3", "N4"]), *NEWS_OPTIONS)
    assert dict(zip(data.catalogue["item"][:], data.catalogue["title"][:])) == {
        "N1": "Plain headline one",
        "N2": '"Unclosed quote opens this headline',
        "N3": 'Star says "never again" to show',
        "N4": "Ten soups",
    }
    assert "quotes are characters" in description["reading"][1]["format"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NEWS.replace("\t", ","), "news.csv line 3: a quote opens a value here and is closed amid a value below"),
        ('item,title\nN1,x\nN2,"to the end\nN3,y\n', "news.csv line 3: a quote opens a value here that never ends"),
        ('item,title\nN1,"x"y\n', "news.csv line 2: text after a closing quote"),
    ],
)
def test_a_quoted_value_that_swallows_lines_is_noticed(refused, tmp_path, text, message):
    (tmp_path / "news.csv").write_text(text.replace("news_id", "item"))
    table(everyone(["N1", "N2", "N3", "N4"]), tmp_path / "clicks.csv")
    assert message in refused("clicks.csv", "data.options.items_file=news.csv")


def test_quotes_around_values_of_tsv_are_told_and_can_be_taken_off(built, tmp_path):
    (tmp_path / "news.tsv").write_text('news_id\ttitle\nN1\t"He said ""hi"""\nN2\tb\nN3\tc\nN4\td\n')
    path = write_clicks_of_news(["N1", "N2", "N3", "N4"])
    data, _, told = built(path, *NEWS_OPTIONS)
    assert data.catalogue[0]["title"] == '"He said ""hi"""'
    assert "quotes around 1 values of title are kept; data.options.quotes=true takes them off" in told
    data, _, _ = built(path, *NEWS_OPTIONS, "data.options.quotes=true")
    assert data.catalogue[0]["title"] == 'He said "hi"'


RATINGS = (
    "1::1193::5::978300760\n1::661::3::978302109\n1::914::3::978301968\n2::661::4::978300100\n2::914::4::978300101\n"
)
RATED = {"1": ["1193", "914", "661"], "2": ["661", "914"]}
NO_HEADER = (
    "data.options.names=[user,item,stars,ts]",
    "data.options.columns.timestamp=ts",
    "data.min_user_interactions=1",
)


@pytest.mark.parametrize(
    ("name", "delimiter", "option"),
    [
        ("ratings.dat", "::", "data.options.delimiter=::"),
        ("u.data", "\t", r'data.options.delimiter="\t"'),
        ("u.data", "\t", "data.options.delimiter=tab"),
        ("semi.csv", ";", "data.options.delimiter=';'"),
        ("semi.csv", ";", "data.options.rows=5"),  # by the number of values in the first line
        ("pipe.txt", "|", "data.options.delimiter='|'"),
    ],
)
def test_delimiters(built, tmp_path, name, delimiter, option):
    (tmp_path / name).write_text(RATINGS.replace("::", delimiter))
    (tmp_path / "movies.dat").write_text('1193::One Flew, Over\n661::James\n914::My "Fair"\n'.replace("::", delimiter))
    films = ("data.options.items_file=movies.dat", "data.options.items_names=[item,title]")
    data, description, _ = built(name, option, *NO_HEADER, *(films if "delimiter" in option else ()))
    assert sequences(data) == RATED
    if "delimiter" in option:  # the file of items takes it, too
        assert data.catalogue["title"][:] == ["One Flew, Over", "James", 'My "Fair"']
        assert description["reading"][1]["keys"][0]["met"] == 3


def test_a_delimiter_that_the_header_tells(built, tmp_path):
    (tmp_path / "euro.csv").write_text("user;item;price\nann;x;1,5\nann;y;2\nann;z;3\n")
    data, _, told = built("euro.csv")
    assert sequences(data) == {"ann": ["x", "y", "z"]} and "delimiter ';'" in told


@pytest.mark.parametrize("delimiter", ["ab", "'1'", "'.'", "';;;;;;;;;'"])
def test_what_is_no_delimiter(refused, tmp_path, delimiter):
    table(everyone(), tmp_path / "clicks.csv")
    assert "data.options.delimiter is " in refused("clicks.csv", f"data.options.delimiter={delimiter}")


def test_blanks_around_values_and_names_of_columns(built, tmp_path):
    (tmp_path / "clicks.csv").write_text("user , item\nann, x\nann,x \nann, y\n")
    data, _, told = built("clicks.csv")
    assert sequences(data) == {"ann": ["x", "x", "y"]} and "blanks around 3 values of item were taken off" in told


def test_quotes_escaped_by_backslashes(built, refused, tmp_path):
    table(everyone(), tmp_path / "clicks.csv")
    (tmp_path / "items.csv").write_text('item,title\na,"say \\"hi\\", twice"\nb,"x"\nc,y\nd,z\n')
    said = refused("clicks.csv", "data.options.items_file=items.csv")
    assert "items.csv line 2: text after a closing quote" in said and "data.options.escapes=true" in said
    data, _, _ = built("clicks.csv", "data.options.items_file=items.csv", "data.options.escapes=true")
    assert data.catalogue["title"][:] == ['say "hi", twice', "x", "y", "z"]


def test_encodings(built, refused, tmp_path):
    (tmp_path / "clicks.csv").write_bytes("user,item\nann,café\nann,thé\nann,jus\n".encode("latin-1"))
    assert "clicks.csv line 2: not UTF-8 text" in refused("clicks.csv")
    data, _, _ = built("clicks.csv", "data.options.encoding=latin-1")
    assert data.catalogue["item"][:] == ["café", "thé", "jus"]
    (tmp_path / "clicks.csv").write_bytes(b"\xef\xbb\xbfuser,item\nann,x\nann,y\nann,z\n")
    assert built("clicks.csv")[0].interactions.users == ["ann"]


def test_utf_16_and_unknown_encodings_are_refused(refused, tmp_path):
    (tmp_path / "clicks.csv").write_bytes("user,item\nann,x\n".encode("utf-16"))
    assert "is UTF-16 text, expected UTF-8" in refused("clicks.csv")
    table(everyone(), tmp_path / "clicks.csv")
    assert "data.options.encoding is 'utf-99', no encoding" in refused("clicks.csv", "data.options.encoding=utf-99")


def test_headers_that_are_blank_broken_or_of_several_lines(refused, built, tmp_path):
    (tmp_path / "clicks.csv").write_text("\n\n")
    assert "clicks.csv is blank; expected a line with the names of columns" in refused("clicks.csv")
    (tmp_path / "clicks.csv").write_bytes(b"us\0er,item\nann,x\n")
    assert "clicks.csv line 1: a NUL character" in refused("clicks.csv")
    (tmp_path / "clicks.csv").write_text('"the\nuser",item\nann,x\nann,y\nann,z\n')
    assert built("clicks.csv", "data.options.columns.user='the user'", columns=())[0].interactions.users == ["ann"]


@pytest.mark.parametrize("name", ["dup.csv", "dup.parquet"])
def test_two_columns_of_one_name_are_refused(refused, tmp_path, name):
    if name.endswith("csv"):
        (tmp_path / name).write_text("user,item,item\nann,x,y\n")
    else:
        pq.write_table(pa.Table.from_arrays([pa.array(["x"])] * 3, ["user", "item", "item"]), tmp_path / name)
    assert f"{name} has 2 columns called 'item' (for item); rename or drop all but one" in refused(name)


# ---- times


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.parquet"])
def test_fractions_of_seconds_count(built, tmp_path, name):
    users = ["u1"] * 3 + ["u2"] * 3 + ["u3"] * 4
    times = ["1593878903.750", "1593878903.120", "1593878903.438", "2014-04-07T10:51:09.900Z"]
    times += ["2014-04-07T10:51:09.277Z", "2014-04-07T10:51:10.100Z", "1593878903.9", "1593878903.1", "1593878904"]
    table({"user": users, "item": list("cabbacaabc"), "time": [*times, "1593878905"]}, tmp_path / name)
    data, description, _ = built(name, "data.options.columns.timestamp=time")
    assert sequences(data) == {"u1": ["a", "b", "c"], "u2": ["a", "b", "c"], "u3": ["a", "a", "b", "c"]}
    assert description["time_unit"] == "ms" and data.interactions.timestamps[0] == 1_593_878_903_120


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_units_are_recognised_and_told(built, tmp_path, name, unit):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    first = 1_588_687_728 * per + per * 923_456_789 // 10**9  # of ns, beyond 2^53
    times = [first + 3_600 * per * k for k in range(60)]
    columns = {"user": [f"u{k % 7}" for k in range(60)], "item": [f"i{k % 9}" for k in range(60)]}
    table(columns | {"label": [int(k % 3 == 0) for k in range(60)], "timestamp": times}, tmp_path / name)
    columns_given = ("user", "item", "label", "timestamp")
    data, description, told = built(name, "data.options.context.time=[hour,weekday]", columns=columns_given)
    expected = pd.to_datetime(pd.Series(times), unit=unit)
    assert data.impressions.context["hour"].tolist() == expected.dt.hour.astype(str).tolist()
    assert data.impressions.context["weekday"].tolist() == expected.dt.day_name().tolist()
    assert data.impressions.timestamp.tolist() == times
    assert description["time_unit"] == description["reading"][0]["time"]["kept_in"] == unit
    assert "2020-05-05 14:08:48" in told


def clicks_at(times: list, path: Path) -> None:
    table({"user": ["u"] * len(times), "item": [f"i{k}" for k in range(len(times))], "timestamp": times}, path)


@pytest.mark.parametrize(
    ("times", "expected", "written"),
    [
        (["20200705", "20200704", "20200706"], [1593820800, 1593907200, 1593993600], "dates as 20200704"),
        (["-5", "0", "5"], [-5, 0, 5], "seconds since 1970"),
        (
            ["2020-07-05T02:00:00+02:00", "2020-07-05", "2020-07-05 00:00:01Z"],
            [1593907200, 1593907200, 1593907201],
            "ISO",
        ),
        (["20200705123045", "20200705123046", "20200705123047"], [1593952245, 1593952246, 1593952247], "dates as"),
        (["1e3", "2000.0", "+3000"], [1000, 2000, 3000], "seconds"),
    ],
)
@pytest.mark.parametrize("name", ["clicks.csv", "clicks.parquet"])
def test_ways_to_write_times(built, tmp_path, name, times, expected, written):
    clicks_at(times, tmp_path / name)
    data, description, _ = built(name, columns=("user", "item", "timestamp"))
    assert data.interactions.timestamps.tolist() == expected
    assert written in description["reading"][0]["time"]["written"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            ["1588687728", "1588687728923", "5"],
            "go from 5 to 1588687728923 in size, which look like seconds and millisec",
        ),
        (["2014102100", "2014102101", "2014102102"], "are seconds since 1970 or dates with the hour; say which"),
        (["99999999999999999999"], "line 2: the timestamp is beyond what 64 bits hold ('99999999999999999999')"),
        (["1.58869E+12"], "line 2: the timestamp lost its last digits (scientific notation)"),
        (["5", "soon"], "line 3: the timestamp is neither a number nor an ISO 8601 time; say its form in"),
        (["5", "2020-02-30"], "line 3: the timestamp is neither a number nor an ISO 8601 time; say its form in"),
        (["5", "NULL"], "line 3: no timestamp: NULL stands for none"),
    ],
)
def test_times_that_are_none_or_not_clear(refused, tmp_path, times, message):
    clicks_at(times, tmp_path / "clicks.csv")
    assert message in refused("clicks.csv", "data.options.columns.timestamp=timestamp")


def test_a_unit_can_be_given(built, tmp_path):
    clicks_at([1000, 2500, 3000], tmp_path / "clicks.csv")
    data, _, told = built("clicks.csv", "data.options.time_unit=ms", columns=("user", "item", "timestamp"))
    assert data.interactions.timestamps.tolist() == [1000, 2500, 3000]
    assert "milliseconds since 1970, 1970-01-01 00:00:01.000 to 1970-01-01 00:00:03.000 UTC" in told


def test_equal_times_are_told(built, tmp_path):
    columns = everyone() | {"timestamp": ["2014-04-07"] * 24}
    table(columns, tmp_path / "clicks.csv")
    _, description, told = built("clicks.csv", columns=("user", "item", "timestamp"))
    assert "18 of 18 neighbouring interactions of a user have the same time; their order is the file's" in told
    _, description, _ = built("clicks.csv", "data.split=global_time", columns=("user", "item", "timestamp"))
    assert "no interactions for train and validation: too many share one time" in description["warnings"][0]


# ---- names


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.parquet"])
def test_whole_numbers_that_passed_through_floating_point(built, tmp_path, name):
    table(everyone([103.0, 101.0, 102.0, 104.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), tmp_path / name)
    table({"item": [101, 102, 103, 104], "title": list("abcd")}, tmp_path / "items.csv")
    data, description, told = built(name, "data.options.items_file=items.csv")
    assert data.catalogue["item"][:] == ["101", "102", "103", "104"] and data.catalogue["title"][:] == list("abcd")
    assert data.interactions.users == ["0", "1", "2", "3", "4", "5"]
    assert "items such as 103.0 are whole numbers, read as 103" in told
    assert description["reading"][1]["keys"][0]["met"] == 4 and not description["warnings"]


def test_what_is_no_whole_number_stays_text(built, tmp_path):
    table(everyone(["007", "7", "1e3", "10.0"]), tmp_path / "clicks.csv")
    assert sorted(built("clicks.csv")[0].catalogue["item"][:]) == ["007", "10.0", "1e3", "7"]
    table(everyone(["1.0", "1.5", "2.0", "3.0"]), tmp_path / "clicks.csv")
    assert sorted(built("clicks.csv")[0].catalogue["item"][:]) == ["1.0", "1.5", "2.0", "3.0"]


def test_where_no_line_can_be_read_the_reason_is_told_and_no_filter_is_blamed(command, tmp_path):
    clicks_at(["01/07/2024 12:00"] * 5, tmp_path / "clicks.csv")
    asked = ["data.options.columns.timestamp=timestamp", "data.options.skip_bad_lines=true"]
    result = command("data", "data=table", "data.name=x", "data.path=clicks.csv", *asked)
    assert result.code == 2 and not (tmp_path / "runs").exists()
    told = "error: every line of data set x was left out, the first as clicks.csv line 2: the timestamp is neither"
    assert told in result.err


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.parquet"])
def test_null_and_its_spellings_are_no_user_and_no_item(refused, built, tmp_path, name):
    columns = everyone()
    columns["user"] += ["NULL", "NULL", "\\N", "nan", None, "u0"]
    columns["item"] += ["a", "a", "b", "c", "d", "None"]
    table(columns, tmp_path / name)
    place = "line 26" if name.endswith("csv") else "row 25"
    assert f"{name} {place}: no user: NULL is in data.options.null_values" in refused(name)
    data, description, _ = built(name, "data.options.skip_bad_lines=true")
    assert data.interactions.users == USERS and sorted(data.catalogue["item"][:]) == ITEMS
    assert description["reading"][0]["left_out"] == {
        "no item: None is in data.options.null_values": 1,
        "no user": 1,
        "no user: NULL is in data.options.null_values": 2,
        "no user: \\N is in data.options.null_values": 1,
        "no user: nan is in data.options.null_values": 1,
    }


def test_what_may_be_a_category_stays_one(built, tmp_path):
    table(everyone(), tmp_path / "clicks.csv")
    table({"item": ITEMS, "title": ITEMS, "country": ["NA", "None", "\\N", "FR"]}, tmp_path / "items.csv")
    files = ("data.options.items_file=items.csv", "+data.options.item_columns.country=country")
    assert built("clicks.csv", *files)[0].catalogue["country"][:] == ["NA", "None", None, "FR"]
    given = "data.options.null_values=[NA,None]"
    assert built("clicks.csv", *files, given)[0].catalogue["country"][:] == [None, None, "\\N", "FR"]


def test_names_that_a_spreadsheet_rounded_are_told(built, tmp_path):
    table(everyone(["1.23457E+11", "5", "6", "7"]), tmp_path / "clicks.csv")
    assert "1 ITEMS OF A FILE LOOK LIKE NUMBERS THAT WERE ROUNDED, such as '1.23457E+11'" in built("clicks.csv")[2]


def test_names_beyond_what_floating_point_holds(refused, tmp_path):
    pq.write_table(pa.table({"user": [2.0**53], "item": [1]}), tmp_path / "clicks.parquet")
    assert "row 1: the user is a floating-point number beyond 2^53, which is not exact" in refused("clicks.parquet")


def test_times_that_single_precision_rounded_are_told(built, tmp_path):
    times = pa.array([978300760.0, 978302109.0, 978301968.0]).cast(pa.float32(), safe=False)
    pq.write_table(pa.table({"user": ["u"] * 3, "item": list("abc"), "timestamp": times}), tmp_path / "c.parquet")
    assert (
        "FLOATING-POINT NUMBERS TOO LARGE TO BE EXACT" in built("c.parquet", columns=("user", "item", "timestamp"))[2]
    )


def test_a_user_called_null_can_be_had(built, tmp_path):
    table(everyone(users=["NULL", "ann"]), tmp_path / "clicks.csv")
    data, _, _ = built("clicks.csv", "data.options.null_values=[]")
    assert data.interactions.users == ["NULL", "ann"]


def test_lists_are_no_names(refused, tmp_path):
    pq.write_table(pa.table({"user": ["u"], "item": [["a", "b"]]}), tmp_path / "clicks.parquet")
    assert "column 'item' (for item) holds list<" in refused("clicks.parquet")


@pytest.mark.parametrize("name", ["items.csv", "items.parquet"])
def test_blank_cells_are_no_values_in_either_format(built, tmp_path, name):
    log = everyone() | {"label": [k % 2 for k in range(24)]}
    table(log, tmp_path / "log.csv")
    blanks = {"image": ["", None, " ", None], "colour": ["red", None, "NULL", ""], "caption": [None, "", None, "a mug"]}
    table({"item": ITEMS, "title": ["A", None, "", "D"]} | blanks, tmp_path / name)
    more = [f"+data.options.item_columns.{field}={field}" for field in ("image", "colour", "caption")]
    files = (f"data.options.items_file={name}", "data.fields=[colour]", *more)
    data, description, told = built("log.csv", *files, columns=("user", "item", "label"))
    assert data.catalogue["colour"][:] == ["red", None, None, None] and data.catalogue["image"][:] == [None] * 4
    assert data.catalogue["title"][:] == ["A", "", "", "D"] and data.catalogue["caption"][:] == [
        None,
        None,
        None,
        "a mug",
    ]
    assert "images" not in description["numbers"] and not description["problems"]
    assert "1 rows say NULL for colour, which is no value" in told


def test_keys_that_hardly_meet_are_a_warning_in_capitals(built, tmp_path):
    table(everyone(["0101", "0102", "0103", "0104"]), tmp_path / "clicks.csv")
    table({"item": [101, 102, 103, "0104"], "title": list("abcd")}, tmp_path / "items.csv")
    _, description, told = built("clicks.csv", "data.options.items_file=items.csv")
    assert description["warnings"] == [
        "THE ITEMS OF THE LOG HARDLY OCCUR IN items.csv: 1 of 4 do; the log has such as '0101', '0102', '0103', the "
        "file '101', '102', '103'; without leading zeros, 4 would"
    ]
    assert "note: THE ITEMS OF THE LOG HARDLY OCCUR" in told


@pytest.mark.parametrize("name", ["clicks.csv", "clicks.parquet"])
def test_labels_that_are_true_and_false(built, tmp_path, name):
    log = everyone() | {"label": [k % 3 == 0 for k in range(24)]}
    table(log, tmp_path / name)
    data, _, _ = built(name, columns=("user", "item", "label"))
    assert data.impressions.label.tolist() == [int(k % 3 == 0) for k in range(24)]


def test_labels_that_are_none(refused, tmp_path):
    table(everyone() | {"label": ["yes"] * 24}, tmp_path / "clicks.csv")
    assert "line 2: the label is no number ('yes')" in refused("clicks.csv", "data.options.columns.label=label")


# ---- options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "+data.options.delimeter=;",
            "data.options.delimeter is no option of source table; it knows: columns, context",
        ),
        ("+data.options.columns.usr=u", "data.options.columns.usr is no key of data.options.columns"),
        ("+data.options.impressions_split.tets=0.2", "did you mean 'test'"),
        ("data.options.impressions_split.test=nan", "data.options.impressions_split.test is nan, expected at least 0"),
        ("data.options.impressions_split.test=.inf", "data.options.impressions_split.test is"),
        ("data.options.time_unit=sec", "data.options.time_unit is 'sec', expected one of s, ms, us, ns"),
        ("data.options.rows=0", "data.options.rows is 0, expected at least 1"),
        ("data.options.columns.item=itme", "has no column 'itme' (for item), only user, item"),
    ],
)
def test_options_that_are_none(refused, tmp_path, option, message):
    table(everyone(), tmp_path / "clicks.csv")
    assert message in refused("clicks.csv", option)


def test_help_lists_the_options_of_every_source(command):
    lines = command("data", "--help-config", "data.options.").out.splitlines()
    for source, key in (("table", "time_unit"), ("bazaar", "size"), ("hm", "negatives"), ("sequences", "items_file")):
        listed = [number for number, line in enumerate(lines) if line.startswith(f"data.options.{key}=")]
        assert any(f"    of data.source={source}: " in "\n".join(lines[one : one + 4]) for one in listed), key


def test_a_misspelt_option_of_another_source(command):
    result = command("data", "+data.options.sized=tiny")
    assert result.code == 2 and "data.options.sized is no option of source bazaar; it knows" in result.err
    assert "did you mean 'size'?" in result.err


def test_the_report_says_how_files_were_read(command, tmp_path):
    table(everyone(["x|y", "<b>", "c", "d"]) | {"ts": [1588687728923 + k for k in range(24)]}, tmp_path / "clicks.csv")
    given = ("data.path=clicks.csv", "data.options.columns.timestamp=ts")
    result = command("data", "data=table", "data.name=x", *given, "--json")
    folder = Path(json.loads(result.out)["path"])
    report = (folder / "report.md").read_text()
    assert "## How the files were read" in report and "milliseconds since 1970" in report
    assert "2020-05-05 14:08:48.923 to 2020-05-05 14:08:48.946 UTC" in report
    assert "| u0 |" in report and "How the files were read" in (folder / "report.html").read_text()
