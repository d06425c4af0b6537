"""What a user gave, as Hydra's overrides have it."""

from collections.abc import Sequence


def given_keys(overrides: Sequence[str]) -> list[str]:
    """The dotted keys and the groups that overrides set, in order: `algo`, `algo.steps`, `negatives.kind`.

    >>> given_keys(["algo=grpo", "+data.options.seed=1", "algo@sft=sft", "~x"])
    ['algo', 'data.options.seed', 'algo@sft', 'x']
    """
    return [override.partition("=")[0].lstrip("+~") for override in overrides]
