"""What columns are guessed to be, against files as shops and public data sets have them."""

import pyarrow as pa
import pytest

from recbench.data.roles import (
    MOST_CATEGORIES,
    Roles,
    is_label,
    item_roles,
    log_roles,
    pictures_pattern,
    time_format,
)
from recbench.data.sample import Sample, open_any, sample_of
from recbench.errors import UserError


def sample(**columns: list[str | None]) -> Sample:
    return Sample("log.csv", {name: pa.array(values, pa.string()) for name, values in columns.items()})


def log(**columns: list[str | None]) -> Roles:
    return log_roles(sample(**columns), {})


def test_names_of_public_data_sets() -> None:
    movielens = {"userId": ["1"], "movieId": ["2"], "rating": ["3.5"], "timestamp": ["1112486027"]}
    assert log(**movielens).columns == {
        "user": "userId",
        "item": "movieId",
        "rating": "rating",
        "timestamp": "timestamp",
    }
    amazon = {"reviewerID": ["A"], "asin": ["B"], "overall": ["5.0"], "unixReviewTime": ["1112486027"]}
    assert log(**amazon).columns == {
        "user": "reviewerID",
        "item": "asin",
        "rating": "overall",
        "timestamp": "unixReviewTime",
    }
    recbole = {"user_id:token": ["1"], "item_id:token": ["2"], "timestamp:float": ["1112486027"]}
    assert log(**recbole).columns == {
        "user": "user_id:token",
        "item": "item_id:token",
        "timestamp": "timestamp:float",
    }


def test_the_surest_name_wins_wherever_it_stands() -> None:
    assert log(session=["s"], user_id=["u"], sku=["i"]).columns["user"] == "user_id"
    assert log(session=["s"], sku=["i"]).columns["user"] == "session"


def test_a_column_called_as_labels_are_has_to_hold_them() -> None:
    roles = log(user=["u", "v"], item=["a", "b"], click=["12", "0"])
    assert "label" not in roles.columns and "'12'" in roles.left_out["click"]
    assert log(user=["u", "v"], item=["a", "b"], click=["True", "false"]).columns["label"] == "click"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0", "1"], True),
        (["1.0", "0.0", None], True),
        (["TRUE"], True),
        (["2"], False),
        ([None], False),
        (["yes"], False),
    ],
)
def test_labels(values: list[str | None], expected: bool) -> None:
    assert is_label(pa.array(values, pa.string())) == expected


def test_what_no_name_says_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"no column is named as users are \(columns: who, item\); give --user COLUMN"):
        log(who=["u"], item=["a"])
    assert log_roles(sample(who=["u"], item=["a"]), {"user": "who"}).columns == {"user": "who", "item": "item"}
    with pytest.raises(UserError, match=r"no column 'whom' \(for user\), only who, item; did you mean 'who'"):
        log_roles(sample(who=["u"], item=["a"]), {"user": "whom"})


def test_a_field_that_the_user_says_is_absent_is_not_looked_for() -> None:
    assert "timestamp" not in log_roles(sample(user=["u"], item=["a"], time=["noon"]), {}, absent=["timestamp"]).columns


# ---- times: 3 April and 4 March are two readings of 03/04/2025, 25/04/2025 has one


def test_times_that_need_no_format() -> None:
    for value in ("1112486027", "1112486027123", "2025-04-25T10:00:00Z", "20250425"):
        assert time_format(sample(t=[value]), "t", None) is None


def test_the_one_format_that_fits_is_taken() -> None:
    assert time_format(sample(t=["25/04/2025 10:00", "03/04/2025 11:30"]), "t", None) == "%d/%m/%Y %H:%M"
    assert time_format(sample(t=["04/25/2025 10:00"]), "t", None) == "%m/%d/%Y %H:%M"


def test_two_readings_are_refused_with_both() -> None:
    with pytest.raises(UserError, match=r"'03/04/2025' in column t is 03 April 2025 by .* and 04 March 2025 by"):
        time_format(sample(t=["03/04/2025"]), "t", None)
    assert time_format(sample(t=["03/04/2025"]), "t", "%m/%d/%Y") == "%m/%d/%Y"
    assert time_format(sample(t=["04/04/2025"]), "t", None) in ("%d/%m/%Y", "%m/%d/%Y")  # both say the same day


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(UserError, match=r"'noon' in column t is no time of a form that is known"):
        time_format(sample(t=["2025-01-01", "noon"]), "t", None)
    with pytest.raises(UserError, match=r"'2025' in column t is not of --time-format '%d'"):
        time_format(sample(t=["2025"]), "t", "%d")


# ---- items


def test_the_key_of_items_is_the_column_that_has_the_log_s_items() -> None:
    items = Sample(
        "items.csv",
        {
            "id": pa.array(["1", "2", "3"]),
            "sku": pa.array(["A", "B", "C"]),
            "name": pa.array(["x", "y", "z"]),
            "brand": pa.array(["p", "p", "q"]),
            "shop": pa.array(["s", "s", "s"]),
            "blank": pa.array([None, None, None], pa.string()),
        },
    )
    roles = item_roles(items, {}, pa.array(["A", "C", "D"]))
    assert roles.columns == {"item": "sku", "title": "name"}
    assert roles.categories == ("brand",)
    assert set(roles.left_out) == {"id", "shop", "blank"} and "one value" in roles.left_out["shop"]
    assert item_roles(items, {"item": "id"}, pa.array(["A"])).columns["item"] == "id"


def test_a_column_of_names_is_no_category() -> None:
    many = [str(value) for value in range(MOST_CATEGORIES + 1)]
    items = Sample("items.csv", {"item": pa.array(many * 3), "town": pa.array(many * 3)})
    assert item_roles(items, {}, pa.array(["1"])).left_out["town"].startswith("1,001 different values")


def test_pictures_called_after_items() -> None:
    items = pa.array(["A1", "A2", "A3"])
    assert pictures_pattern(["A1.JPG", "A2.JPG", "A3.png", "notes.txt", "A4.png", "A5.png"], items) == "{item}.JPG"
    assert pictures_pattern(["x.jpg", "A1.txt"], items) is None


# ---- files whose columns are not known


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "user,item\nu,a\n", ["user", "item"]),
        ("b.csv", "user;item;price\nu;a;1,5\nv;b;2,5\n", ["user", "item", "price"]),  # no comma in the first line
        ("c.txt", "user|item\nu|a\n", ["user", "item"]),
        ("d.dat", "user::item\nu::a\n", ["user", "item"]),
        ("e.tsv", "user\titem\nu\ta, b\n", ["user", "item"]),
    ],
)
def test_delimiters_are_told_by_the_first_lines(tmp_path, name: str, content: str, expected: list[str]) -> None:
    (tmp_path / name).write_text(content)
    file = open_any(tmp_path / name, None, (), "utf-8")
    assert file.names == expected
    assert sample_of(file).columns["user"][0].as_py() == "u"


def test_a_file_without_a_header_needs_names(tmp_path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("1::1193::5\n1::661::3\n")
    with pytest.raises(UserError, match=r"has '1' where the name of a column was expected.*its 3 columns: --names"):
        open_any(path, None, (), "utf-8")
    assert sample_of(open_any(path, None, ("user", "item", "rating"), "utf-8")).rows == 2
    with pytest.raises(UserError, match=r"has 3 columns, and --names gives 2"):
        open_any(path, None, ("user", "item"), "utf-8")


def test_files_that_cannot_be_read(tmp_path) -> None:
    (tmp_path / "clicks.csv").write_text("user,item\n")
    with pytest.raises(UserError, match=r"clicks\.csv has no rows"):
        sample_of(open_any(tmp_path / "clicks.csv", None, (), "utf-8"))
    with pytest.raises(UserError, match=r"click\.csv is no file; did you mean 'clicks\.csv'"):
        open_any(tmp_path / "click.csv", None, (), "utf-8")
    (tmp_path / "one.csv").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"no delimiter gives its first lines"):
        open_any(tmp_path / "one.csv", None, (), "utf-8")
