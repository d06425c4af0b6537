"""Times, exactly: against integers written by hand, and against pandas."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.sources.times import TICKS, join, settle, times, when
from recbench.errors import UserError


def read(values, kind=None, unit=None, written=None):
    parsed = times(pa.array(values, kind), written)
    assert not parsed.wrong
    return settle(parsed.values, "t", unit)


@pytest.mark.parametrize(
    ("values", "kind", "ticks", "unit"),
    [
        (["86400", "1970-01-02", "1970-01-02T01:00:00+01:00"], None, [86400] * 3, "s"),
        (["1593878903.12", "5"], None, [1593878903120, 5000], "ms"),
        (["-0.5", "-1.25", "-2"], None, [-500, -1250, -2000], "ms"),
        ([1588687728923456789], pa.int64(), [1588687728923456789], "ns"),
        ([1588687728923456000], pa.int64(), [1588687728923456], "us"),
        ([1588687728000], pa.int64(), [1588687728], "s"),
        ([1588687728923.0], pa.float64(), [1588687728923], "ms"),
        ([1593878903.1], pa.float64(), [1593878903100], "ms"),
        ([date(1970, 1, 2)], None, [86400], "s"),
        ([datetime(1970, 1, 1, 0, 0, 1, 500)], None, [1000500], "us"),
        ([20200705, 20200706], pa.int64(), [1593907200, 1593993600], "s"),
        (["9999-01-02"], None, [253370851200], "s"),  # beyond what nanoseconds hold
    ],
)
def test_ticks_and_unit(values, kind, ticks, unit):
    settled = read(values, kind)
    assert settled.ticks.tolist() == ticks and settled.unit == unit


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), st.sampled_from(list(TICKS)))
def test_whole_numbers_of_a_given_unit_lose_nothing(values, unit):
    settled = read([str(value) for value in values], unit=unit)
    assert [Fraction(int(tick), TICKS[settled.unit]) for tick in settled.ticks] == [
        Fraction(value, TICKS[unit]) for value in values
    ]


@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1))
def test_iso_times_are_those_of_pandas(values):
    settled = read([value.isoformat() for value in values])
    expected = pd.Series(values).astype("datetime64[us]").astype(np.int64)
    assert (settled.ticks * (10**6 // TICKS[settled.unit])).tolist() == expected.tolist()


@given(st.integers(-9 * 10**9, 9 * 10**9), st.integers(0, 10**9 - 1))
def test_decimals_are_exact(seconds, billionths):
    text = f"{seconds}.{billionths:09d}"
    settled = read([text], unit="s")
    assert Fraction(int(settled.ticks[0]), TICKS[settled.unit]) == Fraction(text)


def test_scientific_notation_with_all_digits_is_a_time():
    # As numpy.savetxt writes it: nine decimals of a number of ten digits.
    assert read(["1.704628800e+09"], unit="s").ticks.tolist() == [1704628800]
    assert "lost its last digits" in next(iter(times(pa.array(["1.7046e+09"])).wrong))


def test_what_is_no_time():
    parsed = times(pa.array(["5", "soon", None, "NULL", "99999999999999999999", "nan", "1.5e12", "2020-13-01"]))
    reasons = {int(row): reason for reason, rows in parsed.wrong.items() for row in rows}
    assert sorted(reasons) == [1, 2, 3, 4, 5, 6, 7] and reasons[2] == "no timestamp"
    assert reasons[4] == "the timestamp is beyond what 64 bits hold" and "lost its last digits" in reasons[6]
    assert times(pa.array([2**64 - 1], pa.uint64())).wrong and times(pa.array([float("inf")])).wrong


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1588687728, 1588687728923],
            "go from 1588687728 to 1588687728923 in size, which look like seconds and millisec",
        ),
        ([2014102100], "are seconds since 1970 or dates with the hour"),
        (["99999999999.000000001"], "do not fit 64 bits in nanoseconds"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        read(values)


def test_a_format_keeps_fractions():
    settled = read(["02/01/1970 00:00:01.5"], written="%d/%m/%Y %H:%M:%S.%f")
    assert settled.ticks.tolist() == [86401500] and settled.unit == "ms"


def test_parts_of_a_column_join():
    parts = [times(pa.array(values)).values for values in (["1"], ["1970-01-01T00:00:02.5"], ["3.25"])]
    assert settle(join(parts), "t").ticks.tolist() == [1000, 2500, 3250]


def test_times_for_people():
    assert when(1588687728923, "ms") == "2020-05-05 14:08:48.923" and when(-1, "s") == "1969-12-31 23:59:59"
    assert when(10**17, "s") == "100000000000000000 s"  # beyond the calendar
    at = datetime(2020, 1, 2, tzinfo=UTC) + timedelta(microseconds=7)
    assert when(round(at.timestamp()) * 10**6 + 7, "us") == "2020-01-02 00:00:00.000007"
