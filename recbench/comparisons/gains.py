"""Relative gains of arms over a baseline, data set by data set, and their mean over data sets."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from recbench.metrics.crossed import CrossedMean, crossed_interval, mean_of_independent, users_interval


def relative_gains(comparisons: Mapping[str, Mapping[str, Any]], metric: str, baseline: str) -> dict[str, Any]:
    """Each arm's relative gain over the baseline on one metric, data set by data set.

    Returns:
        "metric", "baseline" and "arms", in order: "arm", "gains" (data set -> relative_percent, difference, low, high,
        and p_holm where it was tested; a set on which the arm or the baseline is not there is left out), "mean" of the
        gains in percent, and the number of sets where the arm is "above" the baseline, of how many ("sets"). The mean's
        "low" and "high" have users as draws, "users_and_seeds_low" and "_high" seeds, too: equation (30) of
        docs/methods.md, the data sets fixed. NaN where two of them are one data set, whose users are the same, and the
        latter where a set has a single seed.
    """
    parts: dict[str, dict[str, CrossedMean]] = {}
    gains: dict[str, dict[str, dict[str, Any]]] = {}
    for data, comparison in comparisons.items():
        for arm in comparison["arms"] if comparison["baseline"] == baseline else []:
            held = arm.get("difference", {}).get("values", {}).get(metric)
            if held is not None:
                both = ("relative_users_and_seeds_low", "relative_users_and_seeds_high", "p_users_and_seeds_holm")
                keys = ("relative_percent", "difference", "low", "high", "p_holm", *both)
                gains.setdefault(arm["arm"], {})[data] = {key: held[key] for key in keys if key in held}
                parts.setdefault(arm["arm"], {})[data] = CrossedMean(**held["relative_variance"])
    arms = []
    for name, found in gains.items():
        percents = [gain["relative_percent"] for gain in found.values()]
        above = sum(gain["difference"] > 0 for gain in found.values())
        mean = {"mean": statistics.mean(percents), "above": above, "sets": len(found)}
        prints = [comparisons[data]["data_fingerprint"] for data in found]
        ends = _mean_ends(list(parts[name].values()), independent=len(set(prints)) == len(prints))
        arms.append({"arm": name, "gains": found, **mean, **ends})
    return {"metric": metric, "baseline": baseline, "arms": arms}


def _mean_ends(gains: Sequence[CrossedMean], independent: bool) -> dict[str, float]:
    """Ends of the intervals of the mean of relative gains over data sets; NaN unless they are `independent`."""
    mean = mean_of_independent(gains)
    known = [*users_interval(mean)[2:4], *crossed_interval(mean)[2:4]] if independent else [math.nan] * 4
    return dict(zip(("low", "high", "users_and_seeds_low", "users_and_seeds_high"), known, strict=True))
