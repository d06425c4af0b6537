"""Relative gains of arms over a baseline, data set by data set, and their mean over data sets."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import cast

from recbench.metrics.crossed import CrossedMean, crossed_interval, mean_of_independent, users_interval
from recbench.result_shapes import ArmGains, Comparison, Gain, Summary


def relative_gains(comparisons: Mapping[str, Comparison], metric: str, baseline: str) -> Summary:
    """Each arm's relative gain over the baseline on one metric, data set by data set.

    Sets on which the arm or the baseline is not there are left out. The mean's intervals are those of equation (30) of
    docs/methods.md, the data sets fixed.
    """
    parts: dict[str, dict[str, CrossedMean]] = {}
    gains: dict[str, dict[str, Gain]] = {}
    for data, comparison in comparisons.items():
        for arm in comparison["arms"] if comparison["baseline"] == baseline else []:
            held = arm["difference"]["values"].get(metric) if "difference" in arm else None
            if held is not None:
                kept = {key: value for key, value in held.items() if key in Gain.__annotations__}
                gains.setdefault(arm["arm"], {})[data] = cast(Gain, kept)
                parts.setdefault(arm["arm"], {})[data] = CrossedMean(**held["relative_variance"])
    arms: list[ArmGains] = []
    for name, found in gains.items():
        percents = [gain["relative_percent"] for gain in found.values()]
        above = sum(gain["difference"] > 0 for gain in found.values())
        prints = [comparisons[data]["data_fingerprint"] for data in found]
        low, high, both_low, both_high = _mean_ends(list(parts[name].values()), len(set(prints)) == len(prints))
        arms.append(
            {
                "arm": name,
                "gains": found,
                "mean": statistics.mean(percents),
                "above": above,
                "sets": len(found),
                "low": low,
                "high": high,
                "users_and_seeds_low": both_low,
                "users_and_seeds_high": both_high,
            }
        )
    return {"metric": metric, "baseline": baseline, "arms": arms}


def _mean_ends(gains: Sequence[CrossedMean], independent: bool) -> list[float]:
    """Ends of the mean's intervals, users as draws, then users and seeds; NaN unless the sets are `independent`."""
    mean = mean_of_independent(gains)
    return [*users_interval(mean)[2:4], *crossed_interval(mean)[2:4]] if independent else [math.nan] * 4
