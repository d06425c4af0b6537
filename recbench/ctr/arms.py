"""Arms of an experiment on captions: without them, with them, and with captions shuffled between items, the control.

An arm differs from another by its caption columns and nothing else: same rows, same order, same hyper-parameters, and
for what they share the same initial embeddings. What the shuffled arm gains over the first comes from more parameters,
or from captions that act as a second id; what captions say is the gain over the shuffled arm.
"""

from collections.abc import Sequence

import numpy as np

from recbench.ctr.encoding import Encoder, with_captions
from recbench.features.columns import FeatureColumn, shuffled

ARMS = ("without", "with", "shuffled")
SHUFFLE = 7  # random stream of the permutation


def encoder_of_arm(
    base: Encoder, arm: str, captions: Sequence[FeatureColumn], training: np.ndarray, seed: int, shared_query: bool
) -> Encoder:
    """The encoder that one arm reads impressions with.

    Args:
        base: of the arm without captions.
        training: bool [N], items of the training period.
        seed: of the permutation in the shuffled arm.
    """
    if arm == "without":
        return base
    if arm == "shuffled":
        permutation = shuffled_items(training, seed)
        captions = [shuffled(column, permutation) for column in captions]
    return with_captions(base, captions, shared_query)


def shuffled_items(training: np.ndarray, seed: int) -> np.ndarray:
    """Whose caption each item gets in the shuffled arm, int64 [N], a permutation.

    Items of the training period exchange captions among themselves and the others among themselves, so that cold items
    still get captions that no training row has shown.
    """
    random = np.random.default_rng([seed, SHUFFLE])
    result = np.arange(len(training))
    for group in (np.flatnonzero(training), np.flatnonzero(~training)):
        result[group] = random.permutation(group)
    return result
