"""Defaults larger than a small data set has room for are left out or cut, and told; what was asked for is refused."""

from collections.abc import Sequence

from recbench.errors import UserError
from recbench.runs import Run
from recbench.schema import given_keys


def within(values: Sequence[int], most: int, key: str, run: Run, why: str) -> list[int]:
    """The `values` of a run's option `key` that are at most `most`; a note names the others, and says `why`.

    Raises:
        UserError: the run was asked for just these values.
    """
    large = [value for value in values if value > most]
    if large and key in given_keys(run.overrides):
        raise UserError(f"{key}={large[0]}: {why}: give at most {most:,}, as in --k {min(most, 10)}")
    if large:
        run.note(f"{key} {', '.join(map(str, large))} left out: {why}")
    return [int(value) for value in values if value <= most]


def at_most(value: int, most: int, key: str, run: Run, why: str) -> int:
    """`value` of a run's option `key`, or `most` where it is larger, with a note that says `why`.

    Raises:
        UserError: the run was asked for just this value.
    """
    if value <= most:
        return value
    if key in given_keys(run.overrides):
        raise UserError(f"{key}={value}: {why}: give at most {most:,}")
    run.note(f"{key} is {most} instead of {value}: {why}")
    return most
