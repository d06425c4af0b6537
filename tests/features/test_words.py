"""Normalised words."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.features import words as module
from recbench.features.words import words


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0 and doctest.testmod(module).attempted == 1


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Red dress.", ["red", "dress"]),
        ("RED, dress; (silk)/cotton", ["red", "dress", "silk", "cotton"]),
        ("a red red dress", ["a", "red", "red", "dress"]),  # repetitions go later
        ("a\u0301 cafe\u0301", ["á", "café"]),  # accents as marks of their own become one character
        ("ﬁne", ["fine"]),  # a ligature
        ("STRASSE straße", ["strasse", "strasse"]),
        ("women\u2019s t\u2011shirt", ["women's", "t-shirt"]),  # a typographic apostrophe, a hyphen without a break
        ("'quoted' -- dashed--twice \u2014 long", ["quoted", "dashed", "twice", "long"]),
        ("50% off 2.5 cm", ["50", "off", "2", "5", "cm"]),
        ("snake_case", ["snake", "case"]),
        ("हिन्दी शब्द", ["हिन्दी", "शब्द"]),  # vowel signs are no letters, and stay
        ("🙂 !!! --- '", []),
        ("", []),
    ],
)
def test_words_of_a_caption(caption: str, expected: list[str]) -> None:
    assert words(caption) == expected


@given(st.text())
def test_normalised_words_are_words_of_themselves(text: str) -> None:
    found = words(text)
    assert all(word and not set(word) & set(" .,;:!?()[]\n\t") for word in found)
    assert words(text.upper().lower()) == words(text.upper().lower() + " !")
