"""Feature hashing against scikit-learn's hash function, item by item, and against its published values."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import murmurhash3_32

from recbench.features.hashing import hashed_column
from recbench.features.vocabulary import occurrences

ITEMS = st.lists(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=6), min_size=1, max_size=8
)


@given(ITEMS, st.integers(1, 5), st.booleans(), st.integers(1, 6))
def test_hashing_is_a_loop_over_words(items, bits, signed, longest) -> None:
    encoded = hashed_column("hashed", occurrences(items), bits, signed, longest)
    column = encoded.column
    assert column.size == 2**bits + 2 and (column.weights is not None) == signed
    for row, item in enumerate(items):
        distinct = list(dict.fromkeys(item))
        total: Counter[int] = Counter()
        for word in distinct[:longest]:
            hashed = murmurhash3_32(word, seed=0)
            total[2 + abs(hashed) % 2**bits] += (1 if hashed >= 0 else -1) if signed else 1
        expected = {bucket: weight for bucket, weight in total.items() if weight}
        start, end = column.offsets[row : row + 2]
        assert column.ids[start:end].tolist() == sorted(expected)
        if column.weights is not None:
            assert column.weights[start:end].tolist() == [expected[bucket] for bucket in sorted(expected)]
        assert encoded.distinct[row] == len(distinct) and encoded.cut[row] == (len(distinct) > longest)
    assert not encoded.unknown.any()


def test_buckets_are_those_of_murmurhash_anywhere() -> None:
    # MurmurHash3_x86_32 with seed 0: "hello" is 0x248bfa47, "test" 0xba6bd213 (published test vectors). As a signed
    # number the second is -0x45942ded: it subtracts, from bucket 0xded of 2^12.
    column = hashed_column("hashed", occurrences([["hello"], ["test"]]), 12, True, 9).column
    assert column.ids.tolist() == [2 + 0xA47, 2 + 0xDED]
    assert column.weights is not None and column.weights.tolist() == [1.0, -1.0]


@pytest.mark.parametrize("signed", [True, False])
def test_words_that_share_a_bucket(signed: bool) -> None:
    # In two buckets "hello" (+, 0x..47 is odd) and "test" (-, 0x..ed is odd) meet in bucket 1: signed, they cancel.
    column = hashed_column("hashed", occurrences([["hello", "test", "hello"]]), 1, signed, 9).column
    assert column.ids.tolist() == ([] if signed else [3])
    assert column.offsets.tolist() == [0, len(column.ids)]
    assert column.ids.dtype == np.int32 and column.offsets.dtype == np.int64
