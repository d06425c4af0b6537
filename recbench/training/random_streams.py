"""Random streams: whatever a step draws comes from a generator made of (seed, stream, step).

So a resumed run needs no generator states and ends with the numbers it would have had. Each training numbers its own
streams; changing what one draws leaves the others as they are.
"""

from collections.abc import Sequence

import numpy as np

DATA_ORDER, MODEL, NEGATIVES, INITIAL_WEIGHTS, REPLAY = range(5)  # streams of a policy's training


def random_stream(seed: int | Sequence[int], stream: int, step: int = 0) -> np.random.Generator:
    """The generator of one stream at one step; several integers can be one seed."""
    return np.random.default_rng([*(seed if isinstance(seed, Sequence) else [seed]), stream, step])


def stream_seed(seed: int | Sequence[int], stream: int, step: int = 0) -> int:
    """A seed for torch's generators, of one stream at one step."""
    return int(random_stream(seed, stream, step).integers(2**62))
