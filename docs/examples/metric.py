"""Metrics of your own, from counts of negatives above the positive, tied with it, and all: an array each, a case a row.

recbench eval metrics=[metric.precision@10,metric.mean_rank]
recbench compare RUN RUN --metrics ndcg@10,metric.mean_rank
"""

import numpy as np


def precision(above, ties, negatives, k):
    """Expected share of positives among the first k, ties in random order: 1 / k where the positive is there."""
    return np.clip((k - above) / (ties + 1), 0, 1) / k


def mean_rank(above, ties, negatives):
    """Mean place of the positive, from 1; tied items share theirs."""
    return 1 + above + ties / 2


mean_rank.smaller_is_better = True
