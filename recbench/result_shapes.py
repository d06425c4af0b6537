"""What comparisons hold: what `recbench compare --json` prints, and metrics.json of a bench. mypy checks both ends.

Where a number is undefined it is NaN here and null in a file, so that what is read may be None.
"""

from typing import NotRequired, TypedDict

Number = float | None


class OverSeeds(TypedDict):
    """A metric of an arm: its mean over cases, then over seeds, and the deviation (n - 1) between seeds."""

    mean: float
    deviation: Number
    per_seed: dict[str, float]


class Held(TypedDict):
    """A metric of an arm minus the baseline's, on the same cases. Section 5 of docs/methods.md."""

    difference: float
    # with users as draws
    low: float
    high: float
    relative_percent: float
    standard_error: float
    detectable: float  # the least difference that would mostly have been found
    p_t: float
    p_wilcoxon: float
    p_bootstrap: float
    p_holm: NotRequired[float]  # p_t, corrected for all arms and metrics
    # with users and seeds as draws; one seed makes all of them NaN
    users_and_seeds_error: float
    users_and_seeds_low: float
    users_and_seeds_high: float
    p_users_and_seeds: float
    p_users_and_seeds_holm: NotRequired[float]
    relative_users_and_seeds_low: float
    relative_users_and_seeds_high: float
    relative_variance: dict[str, float]  # `metrics.crossed.CrossedMean`


class Difference(TypedDict):
    """An arm held against the baseline, on the seeds that both have."""

    seeds: list[int]
    values: dict[str, Held]  # by metric


class ArmRow(TypedDict):
    """An arm of a comparison."""

    arm: str
    seeds: list[int]
    values: dict[str, OverSeeds]  # by metric
    difference: NotRequired[Difference]  # the baseline has none


class Sampled(TypedDict):
    """The metrics that are of cases scored exactly alone, and how many cases these are."""

    metrics: list[str]
    cases: int


class ComparedRun(TypedDict):
    """Which evaluation and training an arm's numbers of one seed come from."""

    arm: str
    seed: int
    eval: str
    train: str
    policy: str  # in words


class Comparison(TypedDict):
    """Arms on one data set."""

    data: NotRequired[str]  # older runs do not say
    data_fingerprint: str | None
    split: str
    seen_items: str  # kept or excluded
    cases: int
    users: int
    samples: int  # of the bootstrap
    baseline: str
    metrics: list[str]
    comparisons: int  # how many p-values Holm's correction is for
    arms: list[ArmRow]
    sampled: NotRequired[Sampled]
    smaller_is_better: NotRequired[list[str]]  # of the metrics
    best: NotRequired[dict[str, float]]  # the best possible values, where they are known
    headline: list[str]  # on arms that are another one to the last bit
    runs: NotRequired[list[ComparedRun]]  # of `recbench compare`, which files leave out


class Gain(TypedDict, total=False):
    """What an arm gained on one data set, as in `Held`."""

    relative_percent: float
    difference: float
    low: float
    high: float
    p_holm: float
    relative_users_and_seeds_low: float
    relative_users_and_seeds_high: float
    p_users_and_seeds_holm: float


class ArmGains(TypedDict):
    """What an arm gained on every data set where it and the baseline are there, and on average."""

    arm: str
    gains: dict[str, Gain]  # by data set
    mean: float  # percent
    above: int  # data sets where the arm is above the baseline
    sets: int  # of how many
    # of the mean: with users as draws, then with users and seeds; NaN where two of them are one data set
    low: float
    high: float
    users_and_seeds_low: float
    users_and_seeds_high: float


class Summary(TypedDict):
    """Relative gains on one metric over data sets."""

    metric: str
    baseline: str
    arms: list[ArmGains]


class OverDataSets(TypedDict):
    """metrics.json of a bench over data sets; of one without a summary it is the only Comparison."""

    data_sets: list[str]
    by_data: dict[str, Comparison]
    summary: Summary
