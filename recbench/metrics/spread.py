"""How far numbers spread: the one standard deviation behind every "±" of a report."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def sample_deviation(values: ArrayLike) -> FloatArray:
    """Standard deviation over the first axis, [S, ...] -> [...], the sum of squares divided by S - 1.

    Seeds and resamples are draws from more that there could have been, and S - 1 makes their variance unbiased for
    those. NaN for fewer than two values, one of which says nothing of spread; exactly 0 where all are equal.

    >>> sample_deviation([0.25, 0.75, 0.5]), sample_deviation([0.5])
    (array(0.25), array(nan))
    """
    rows = np.asarray(values, dtype=np.float64)
    if len(rows) < 2:
        return np.full(rows.shape[1:], np.nan)
    equal = (rows == rows[0]).all(axis=0)  # whose mean may be rounded: the deviation would be 1e-17, not 0
    return np.where(equal, 0.0, rows.std(axis=0, ddof=1))
