"""Feature hashing: words become buckets without a vocabulary (Weinberger et al., 2009, arXiv 0902.2206)."""

from collections.abc import Iterable

import numpy as np
from sklearn.feature_extraction import FeatureHasher

from recbench.features.columns import FIRST_ID, FeatureColumn
from recbench.features.vocabulary import Encoded


def hashed_column(name: str, lists: Iterable[Iterable[str]], bits: int, signed: bool, longest: int) -> Encoded:
    """Buckets of each item's first `longest` distinct words, ascending; scikit-learn's MurmurHash3, the same anywhere.

    Nothing is fitted, so nothing is out of vocabulary. Signed, a word adds +1 or -1 to its bucket: collisions cancel
    on average, and a bucket whose words cancel just now is left out. Unsigned, an item has a bucket or has it not.

    Args:
        bits: there are 2^bits buckets; bucket b is id FIRST_ID + b.
    """
    all_words = [list(dict.fromkeys(values)) for values in lists]
    rows = [values[:longest] for values in all_words]
    hasher = FeatureHasher(2**bits, input_type="string", alternate_sign=signed, dtype=np.float32)
    matrix = hasher.transform(rows)
    matrix.eliminate_zeros()
    column = FeatureColumn(
        name=name,
        kind="hashed",
        size=FIRST_ID + 2**bits,
        offsets=matrix.indptr.astype(np.int64),
        ids=(matrix.indices + FIRST_ID).astype(np.int32),
        weights=matrix.data if signed else None,
    )
    distinct = np.array([len(values) for values in all_words], dtype=np.int64)
    names = [f"bucket {bucket}" for bucket in range(2**bits)]
    return Encoded(column, names, distinct, np.zeros_like(distinct), distinct > longest)
