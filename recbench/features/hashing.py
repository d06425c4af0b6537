"""Feature hashing: words become buckets without a vocabulary (Weinberger et al., 2009, arXiv 0902.2206)."""

import numpy as np
import scipy.sparse
from sklearn.feature_extraction import FeatureHasher

from recbench.features.columns import FIRST_ID, FeatureColumn, kept, row_of_value
from recbench.features.vocabulary import Encoded, Occurrences


def hashed_column(name: str, found: Occurrences[str], bits: int, signed: bool, longest: int) -> Encoded:
    """Buckets of each item's first `longest` distinct words, ascending; scikit-learn's MurmurHash3, the same anywhere.

    Nothing is fitted, so nothing is out of vocabulary. Signed, a word adds +1 or -1 to its bucket: collisions cancel
    on average, and a bucket whose words cancel just now is left out. Unsigned, an item has a bucket or has it not.

    Args:
        bits: there are 2^bits buckets; bucket b is id FIRST_ID + b.
    """
    count, buckets = len(found.offsets) - 1, 2**bits
    hasher = FeatureHasher(buckets, input_type="string", alternate_sign=signed, dtype=np.float32)
    # Each distinct word is hashed once, as a row of one bucket and its sign; without any there is nothing to hash.
    hashed = hasher.transform([word] for word in found.values) if found.values else scipy.sparse.csr_matrix((0, 1))
    keep = np.arange(len(found.index)) - found.offsets[:-1][row_of_value(found.offsets)] < longest
    index = found.index[keep]
    offsets = kept(found.offsets, keep)
    matrix = scipy.sparse.csr_matrix((hashed.data[index], hashed.indices[index], offsets), shape=(count, buckets))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    column = FeatureColumn(
        name=name,
        kind="hashed",
        size=FIRST_ID + buckets,
        offsets=matrix.indptr.astype(np.int64),
        ids=(matrix.indices + FIRST_ID).astype(np.int32),
        weights=matrix.data.astype(np.float32) if signed else None,
    )
    distinct = np.diff(found.offsets)
    names = [f"bucket {bucket}" for bucket in range(buckets)]
    return Encoded(column, names, distinct, np.zeros_like(distinct), distinct > longest)
