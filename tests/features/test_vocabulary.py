"""Which values get an id, and what becomes of the others."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.features.vocabulary import encode, fit_vocabulary, occurrences

# Items 0 to 3 are of the training period. Training items with each word: red 4, dress 2, silk 2, hat 1; blue, of item
# 4 alone, none. "red red" counts once.
CAPTIONS = [["red", "dress", "red"], ["silk", "red", "dress"], ["red", "silk", "hat"], ["red"], ["blue", "hat", "silk"]]
TRAINING = np.array([True, True, True, True, False])


def lists(encoded) -> list[list[int]]:
    return [part.tolist() for part in np.split(encoded.column.ids, encoded.column.offsets[1:-1])]


def test_values_are_counted_once_an_item_in_their_order() -> None:
    found = occurrences([["b", "a", "b"], [], ["a"]])
    assert found.values == ["b", "a"]
    assert found.offsets.tolist() == [0, 2, 2, 3]
    assert found.index.tolist() == [0, 1, 1]


def test_the_vocabulary_is_of_training_items_most_frequent_first() -> None:
    vocabulary = fit_vocabulary(occurrences(CAPTIONS), TRAINING)
    assert vocabulary.values == ["red", "dress", "silk", "hat"]  # dress and silk have two each: by the alphabet
    assert vocabulary.items.tolist() == [4, 2, 2, 1]
    assert vocabulary.left_out == []


def test_document_frequency_cut_offs() -> None:
    # At least 2 of the training items: no hat. At most 3/4 of 4 = 3 of them: red is left out.
    vocabulary = fit_vocabulary(occurrences(CAPTIONS), TRAINING, least_items=2, most_share=0.75)
    assert vocabulary.values == ["dress", "silk"]
    assert vocabulary.left_out == ["red"]
    # A word in just the share allowed stays.
    assert "red" in fit_vocabulary(occurrences(CAPTIONS), TRAINING, most_share=1.0).values


def test_the_share_is_of_items_that_have_a_caption() -> None:
    # Two training items of four have captions, both with red: all of them, so 0.6 is exceeded.
    found = occurrences([["red"], ["red", "hat"], [], []])
    assert fit_vocabulary(found, np.ones(4, dtype=bool), most_share=0.6).left_out == ["red"]


def test_unknown_words_are_one_oov_and_too_frequent_ones_nothing() -> None:
    found = occurrences([*CAPTIONS, [], ["green", "silk", "blue"]])
    training = np.array([*TRAINING, True, False])
    vocabulary = fit_vocabulary(found, training, least_items=2, most_share=0.75)
    encoded = encode("words", "words", found, vocabulary, longest=9)
    # dress is 2, silk 3; red has no id; hat, blue and green are unknown, 1, at the place of the first of them.
    assert lists(encoded) == [[2], [3, 2], [3, 1], [], [1, 3], [], [1, 3]]
    assert encoded.column.size == 4 and encoded.names == ["dress", "silk"]
    # Distinct words but red: dress; silk dress; silk hat; none; blue hat silk; none; green silk blue.
    assert encoded.distinct.tolist() == [1, 2, 2, 0, 3, 0, 3]
    assert encoded.unknown.tolist() == [0, 0, 1, 0, 2, 0, 2]
    assert not encoded.cut.any()


def test_long_lists_are_cut_after_repetitions_are_gone() -> None:
    found = occurrences([["a", "a", "x", "y", "b", "c"], ["c", "b"]])
    vocabulary = fit_vocabulary(found, np.array([True, True]), least_items=2)  # b 2, c 3; a, x, y unknown
    encoded = encode("words", "words", found, vocabulary, longest=2)
    assert lists(encoded) == [[1, 2], [3, 2]]  # of 1, 2, 3 the first two
    assert encoded.cut.tolist() == [True, False]
    assert encoded.distinct.tolist() == [5, 2] and encoded.unknown.tolist() == [3, 0]


def test_what_a_tokenizer_does_not_know_gets_no_id_however_frequent() -> None:
    found = occurrences([["<unk>", "red"], ["<unk>"]])
    vocabulary = fit_vocabulary(found, np.array([True, True]), most_share=0.9, unknown="<unk>")
    assert vocabulary.values == ["red"] and vocabulary.left_out == []
    encoded = encode("tokens", "tokens", found, vocabulary, longest=9)
    assert lists(encoded) == [[1, 2], [1]]
    assert encoded.unknown.tolist() == [1, 1]


@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), min_size=1, max_size=10),
    st.data(),
    st.integers(1, 3),
    st.sampled_from([0.3, 0.5, 1.0]),
    st.integers(1, 5),
)
def test_encoding_is_a_loop_over_sets(items, data, least, most, longest) -> None:
    training = np.array(data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items))), dtype=bool)
    found = occurrences(items)
    vocabulary = fit_vocabulary(found, training, least, most)
    encoded = encode("words", "words", found, vocabulary, longest)
    counts = Counter(word for item, trained in zip(items, training, strict=True) if trained for word in set(item))
    written = sum(bool(item) for item, trained in zip(items, training, strict=True) if trained)
    assert set(vocabulary.values) == {word for word, count in counts.items() if least <= count <= most * written}
    assert set(vocabulary.left_out) == {word for word, count in counts.items() if count > most * written}
    for row, item in enumerate(items):
        expected: list[int] = []
        for word in item:
            if word in vocabulary.left_out:
                continue
            number = vocabulary.values.index(word) + 2 if word in vocabulary.values else 1
            if number not in expected:
                expected.append(number)
        assert lists(encoded)[row] == expected[:longest]
        assert encoded.cut[row] == (len(expected) > longest)
