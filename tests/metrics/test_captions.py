import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.metrics.captions import (
    attribute_accuracy,
    bleu4,
    cider,
    distinct_n,
    mean_length,
    named_values,
    rouge_l,
    words,
)

WORDS = st.lists(st.sampled_from(["red", "blue", "hat", "vest"]), max_size=7)


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("A dark blue dress for women", "Dark Blue"),  # the longer of two that begin at one word
        ("a blue dress, dark blue belt", "Blue"),  # the earlier of two
        ("BLUE!", "Blue"),
        ("a bluebell", None),  # whole words only
        ("dark   blue", "Dark Blue"),
        ("an off-white blouse", "Off White"),
        ("", None),
    ],
)
def test_the_first_and_longest_value_is_named(caption, names):
    assert named_values([caption], ["Dark", "Blue", "Dark Blue", "Off White"]) == [names]


def test_values_are_matched_as_text_not_as_patterns():
    assert named_values(["hat brim", "hats", "c"], ["Hat/brim", "h.*", "C++"]) == ["Hat/brim", None, "C++"]


def test_accuracy_counts_items_that_have_a_value():
    captions = ["red hat", "blue hat", "a hat", "red or blue", "green"]
    truth = ["Red", "Red", "Blue", "Blue", None]
    # right: the first only; the fourth names Red first; the fifth has no value
    assert attribute_accuracy(captions, truth) == (0.25, 0.5, 4)


def test_values_of_the_whole_catalogue_can_mislead_a_caption():
    assert attribute_accuracy(["dark red hat"], ["Red"]).accuracy == 1
    assert attribute_accuracy(["dark red hat"], ["Red"], values=["Dark Red", "Red"]).accuracy == 0


def test_distinct_and_length_by_hand():
    captions = ["a b a b", "a b"]  # a a a b b b: 2 of 6; ab ba ab, ab: 2 of 4; aba bab: 2 of 2
    assert [distinct_n(captions, n) for n in (1, 2, 3)] == [2 / 6, 2 / 4, 1]
    assert mean_length(captions) == 3


def test_bleu_by_hand():
    # 6 words against 8: penalty exp(1 - 8/6). All 6 words match; of 5 pairs all but "the mat", of 4 triples all but
    # "on the mat", of 3 fours all but "sat on the mat".
    value = bleu4(["the cat sat on the mat"], ["the cat sat on the red mat today"])
    assert value == pytest.approx((6 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25 * math.exp(1 - 8 / 6))


def test_a_caption_that_is_its_reference_is_perfect():
    texts = ["a red hat with a wide brim", "blue socks for men and women"]
    assert bleu4(texts, texts) == pytest.approx(1)
    assert rouge_l(texts, texts) == 1
    assert cider(texts, texts) == pytest.approx(10)


def test_nothing_in_common_is_zero():
    texts, others = ["a red hat with brim", "one two three four"], ["b c d e f", "five six seven eight"]
    assert (bleu4(texts, others), rouge_l(texts, others), cider(texts, others)) == (0, 0, 0)


def longest_common(a, b):
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return 1 + longest_common(a[:-1], b[:-1])
    return max(longest_common(a[:-1], b), longest_common(a, b[:-1]))


@given(WORDS, WORDS)
def test_rouge_by_recursion(a, b):
    want = 2 * longest_common(a, b) / max(len(a) + len(b), 1)
    assert rouge_l([" ".join(a)], [" ".join(b)]) == pytest.approx(want)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=5))
def test_ranges(pairs):
    captions, references = ([" ".join(pair[side]) for pair in pairs] for side in (0, 1))
    assert 0 <= cider(captions, references) <= 10 + 1e-9
    assert 0 <= rouge_l(captions, references) <= 1
    assert sum(map(len, map(words, captions))) / len(pairs) == mean_length(captions)


def test_the_undefined_is_nan_with_a_warning():
    for call, says in (
        (lambda: bleu4(["a hat"], ["a hat"]), "four words"),
        (lambda: cider(["a hat"], ["a hat"]), "at least two items"),
        (lambda: rouge_l([], []), "no captions"),
        (lambda: mean_length([]), "no captions"),
        (lambda: distinct_n(["a"], 2), "no caption has 2 words"),
        (lambda: attribute_accuracy(["a"], [None]).accuracy, "no item has a value"),
    ):
        with pytest.warns(UserWarning, match=says):
            assert math.isnan(call())


def test_unequal_lengths_are_refused():
    for metric in (bleu4, rouge_l, cider, attribute_accuracy):
        with pytest.raises(UserError, match="2 captions but 1"):
            metric(["a", "b"], ["a"])
