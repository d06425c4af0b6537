"""Delimited text: Arrow's reading of what is regular is that of the exact reader, record by record."""

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.sources import delimited
from recbench.data.sources.delimited import DelimitedFile
from recbench.data.sources.dialect import MOST_LINES, Dialect, Layout, delimiter_of, exact_records, find_dialect
from recbench.errors import UserError

COMMA, TAB = Dialect(",", quotes=True), Dialect("\t", quotes=False)


def rows_and_faults(batches, columns) -> tuple[dict[int, tuple], list[tuple[int, str]]]:
    """Record -> values, and what is wrong with which record."""
    rows, faults = {}, []
    for batch in batches:
        values = [batch.columns[name].to_pylist() for name in columns]
        assert all(len(column) == batch.count for column in values)
        rows |= dict(zip(batch.records.tolist(), zip(*values)))
        faults += [(fault.record, fault.reason) for fault in batch.faults]
    return rows, faults


def both_ways(path, dialect=COMMA, names=None):
    """The rows and faults as `batches` gives them; checked to be those of the exact reader."""
    file = DelimitedFile(path, dialect, names)
    columns = {name: name for name in file.names}
    quick = rows_and_faults(file.batches(columns), columns)
    assert quick == rows_and_faults(file._exact(columns, 0), columns)
    return quick


VALUES = st.text(alphabet='ab",\n\r\t\0 é', max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=30),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, None]),
    dialect=st.sampled_from([COMMA, TAB]),
)
def test_arrow_and_the_exact_reader_agree(tmp_path, monkeypatch, rows, quoting, dialect):
    monkeypatch.setattr(delimited, "BLOCK", 64)  # so that records straddle blocks
    monkeypatch.setattr(delimited, "GATHERED", 200)
    text = io.StringIO()
    if quoting is None:  # as they come: quotes anywhere, lines of any width
        text.write("\n".join(dialect.delimiter.join(row) for row in rows))
    else:
        csv.writer(text, delimiter=dialect.delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    path = tmp_path / "rows.csv"
    path.write_bytes(f"x{dialect.delimiter}y\n{text.getvalue()}".encode())
    both_ways(path, dialect)


def test_well_formed_values_come_back(tmp_path):
    rows = [("a", 'say "hi", twice'), ("b", "two\nlines"), ("", ""), ("ü", "\u2028 \x85")]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y"), *rows])
    found, faults = both_ways(tmp_path / "rows.csv")
    assert list(found.values()) == rows and not faults


def test_records_lines_and_faults(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\nx,y\n1,2\n\n3\n4,5,6\n"7\n7",8\n9,\xff\n10,11')
    rows, faults = both_ways(path)
    assert rows == {0: ("1", "2"), 3: ("7\n7", "8"), 5: ("10", "11")}
    miscounted = "another number of fields than the header"
    assert faults == [(1, miscounted), (2, miscounted), (4, "not UTF-8 text")]
    assert DelimitedFile(path, COMMA).lines(range(6)) == {0: 3, 1: 5, 2: 6, 3: 7, 4: 9, 5: 10}


def test_several_characters_and_gzip(tmp_path):
    path = tmp_path / "ratings.dat.gz"
    path.write_bytes(gzip.compress("1::a:b::5\n2::ü::4\n".encode()))
    rows, faults = both_ways(path, Dialect("::", quotes=False), ["user", "item", "stars"])
    assert rows == {0: ("1", "a:b", "5"), 1: ("2", "ü", "4")} and not faults


def test_a_stray_quote_does_not_swallow_the_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('x,y\n1,"open\n' + "2,b\n" * (MOST_LINES + 10))
    found = list(exact_records(path, COMMA))
    assert found[1].line == 2 and found[1].fault.startswith("a quote opens a value here that never ends")
    assert [record.fields for record in found[2:]] == [["2", "b"]] * (MOST_LINES + 10) and found[
        -1
    ].line == MOST_LINES + 12


def test_a_record_longer_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 64)
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n1,2\n3," + "z" * 500 + "\n5,6\n")
    assert both_ways(path)[0] == {0: ("1", "2"), 1: ("3", "z" * 500), 2: ("5", "6")}


def test_delimiters_by_their_names():
    assert [delimiter_of(given) for given in ("tab", "\\t", "\t", "::", ";", "space")] == [
        "\t",
        "\t",
        "\t",
        "::",
        ";",
        " ",
    ]
    for wrong in ("ab", "", "1", '"', "\n", "," * 9):
        with pytest.raises(UserError, match="data.options.delimiter is"):
            delimiter_of(wrong)


def test_the_first_line_decides_where_the_name_is_wrong(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("user;item\n1;2\n")
    wanted = {"user": "user", "item": "item"}
    assert find_dialect(path, wanted).delimiter == ";"
    assert find_dialect(path, {"user": "visitor"}).delimiter == ","  # no candidate has it
    assert find_dialect(path, wanted, Layout(delimiter="|")).delimiter == "|"  # as asked for
    assert find_dialect(path, {}, Layout(["user", "item"])).delimiter == ";"
