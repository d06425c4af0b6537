"""Ids of categories and standard scores of numbers."""

import numpy as np
import pytest

from recbench.ctr.vocabulary import fit_categories, fit_numbers, frequent_ids


def test_rare_things_are_out_of_vocabulary():
    ids, size = frequent_ids(np.array([3, 0, 1, 2]), least=2)
    # The first and the last occur twice or more: ids 2 and 3; the others are OOV, 1.
    assert ids.tolist() == [2, 1, 1, 3] and size == 4


def test_what_never_occurs_is_out_of_vocabulary_whatever_the_least_count():
    assert frequent_ids(np.array([0, 5]), least=0)[0].tolist() == [1, 2]


def test_categories_count_with_their_weights_and_missing_values_are_pad():
    found = fit_categories("colour", ["red", "blue", None, "green", "blue"], np.array([4, 3, 9, 1, 2]), least=2)
    # red 4, blue 3 + 2 = 5, green 1: blue comes first, green is too rare.
    assert found.values == ("blue", "red") and found.size == 4
    assert found.ids(["red", "blue", "green", "violet", None]).tolist() == [3, 2, 1, 1, 0]


def test_equally_frequent_categories_come_in_alphabetical_order():
    assert fit_categories("x", ["b", "c", "a"], np.ones(3), least=1).values == ("a", "b", "c")


def test_numbers_are_standardised_after_a_signed_logarithm():
    # log(1 + |x|) of 0 and e^2 - 1 are 0 and 2: mean 1, deviation 1; -(e - 1) becomes -1, two deviations below.
    found = fit_numbers("price", np.array([0.0, np.e**2 - 1, np.nan]))
    assert (found.mean, found.deviation) == pytest.approx((1.0, 1.0))
    scores = found.standardised(np.array([0.0, np.e**2 - 1, -(np.e - 1), np.nan]))
    assert scores.dtype == np.float32
    assert scores.tolist() == pytest.approx([-1, 1, -2, 0], abs=1e-6)


@pytest.mark.parametrize("column", [[3.0, 3.0], [5.0] * 6, [np.nan, np.nan], []])  # the mean of six is rounded
def test_a_number_that_does_not_vary_is_zero(column):
    found = fit_numbers("price", np.array(column))
    assert np.isfinite(found.standardised(np.array([3.0, 7.0]))).all()
    assert found.deviation == 1.0
