"""Random streams: whatever a step draws comes from a generator made of (seed, stream, step).

So a resumed run needs no generator states and ends with the numbers it would have had.
"""

import numpy as np

# random streams: changing one leaves the others as they are
DATA_ORDER, MODEL, NEGATIVES, INITIAL_WEIGHTS, REPLAY = range(5)


def random_stream(seed: int, stream: int, step: int = 0) -> np.random.Generator:
    """The generator of one stream at one step."""
    return np.random.default_rng([seed, stream, step])


def stream_seed(seed: int, stream: int, step: int = 0) -> int:
    """A seed for torch's generators, of one stream at one step."""
    return int(random_stream(seed, stream, step).integers(2**62))
