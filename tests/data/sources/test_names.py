from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from recbench.data.sources.names import Names, encode, first_rows, in_order, one_dictionary, whole_numbers


def read(values, **changes):
    parsed = Names("item", **changes)(pa.array(values))
    wrong = {int(row): reason for reason, rows in parsed.wrong.items() for row in rows}
    return [value.as_py() for value in parsed.values], wrong


def test_blanks_and_spellings_of_none():
    values, wrong = read([" a", "a ", "", None, "NULL", "b", "  "])
    assert [value for row, value in enumerate(values) if row not in wrong] == ["a", "a", "b"]
    assert wrong == {2: "no item", 3: "no item", 6: "no item", 4: "no item: NULL is in data.options.null_values"}
    assert read(["NULL", " "], nulls=())[1] == {1: "no item"}
    assert read(["x", "NULL", " ", None], required=False) == (["x", None, None, None], {})


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([7, 8, 7], ["7", "8", "7"]),
        ([1.0, 2.5], ["1.0", "2.5"]),
        ([True, False], ["True", "False"]),
        ([Decimal("10.00"), Decimal("2.50")], ["10", "2.5"]),
        ([b"ab", b"c"], ["ab", "c"]),
    ],
)
def test_values_of_other_types(values, texts):
    assert read(values) == (texts, {})


def test_floating_point_that_is_not_exact():
    assert read([2.0**53, 1.0])[1] == {0: "the item is a floating-point number beyond 2^53, which is not exact"}


def test_whole_numbers_are_whole_in_all_columns_or_in_none():
    log, file, other = (encode(pa.array(values)) for values in (["1.0", "2.0", "1.0"], ["1", "3"], ["007"]))
    (one, two), example = whole_numbers([log, file])
    assert one.to_pylist() == ["1", "2", "1"] and two.to_pylist() == ["1", "3"] and example == "1.0"
    (same, _), example = whole_numbers([log, other])
    assert same.to_pylist() == ["1.0", "2.0", "1.0"] and example is None
    (merged,), _ = whole_numbers([encode(pa.array(["1.0", "1"]))])
    assert merged.dictionary.to_pylist() == ["1"]


def test_orders_of_first_rows():
    assert first_rows(np.array([2, 0, 2, 0]), 4).tolist() == [1, -1, 0, -1]
    column = one_dictionary([encode(pa.array(["b", "a"])), encode(pa.array(["c", "a"]))])
    assert in_order(column)[0].to_pylist() == ["b", "a", "c"] and in_order(column)[1].tolist() == [0, 1, 2, 1]
    names, place = in_order(column.take(pa.array([3, 2, 3])))  # unused ones are left out
    assert names.to_pylist() == ["a", "c"] and place.tolist() == [0, 1, 0]
