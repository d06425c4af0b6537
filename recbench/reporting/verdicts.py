"""What a run found, in a sentence or two: they stand on top of its report and of what is printed.

A difference is said to be one where its interval leaves zero out; else it cannot be told, and what could have been is
said, so that nothing found is not read as nothing there.
"""

import math
from collections.abc import Mapping
from typing import Any

from recbench.dotted import named
from recbench.metrics.fpr_window import shortened
from recbench.reporting.bench import comparisons_of, main_metric
from recbench.reporting.tables import number, percent
from recbench.result_shapes import Comparison
from recbench.stage_table import STAGES

POWER = 2.8  # standard errors that a true difference needs to be found with 80% power at the 5% level, two-sided
ENDS = 3.92  # standard errors between the ends of a 95% interval
SMALL_GAIN = 1.0  # percent
ALPHA = 0.05
CONTROL = "more sft"  # SFT on the interactions that RL gets
CHANCE = 0.5  # AUC of any order that knows nothing


def verdict(stage: str, metrics: Mapping[str, Any]) -> list[str]:
    """One or two sentences without a full stop, on what a finished run's metrics say; none for other stages."""
    found = STAGES[stage].verdict if stage in STAGES else ""
    return list(named(found)(metrics)) if found else []


def click_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """Whether captions helped a click model, beside the same captions shuffled between items."""
    gains = metrics.get("gains", {})
    gain = gains.get("with over without", {}).get("all")
    if gain is None or not _known(gain.get("both_low"), gain.get("both_high"), gain.get("value")):
        return []
    said = f"captions: AUC {_interval(gain)}, users and items as draws"
    if (side := _side(gain)) == 0:
        least = POWER * (gain["both_high"] - gain["both_low"]) / ENDS
        lines = [f"{said}: cannot tell; gains from about {least:.2g}% on would have been seen"]
        if least > SMALL_GAIN:
            times = number(math.ceil((least / SMALL_GAIN) ** 2))
            lines[0] += f", and one of {SMALL_GAIN:g}% needs some {times} times these users and items"
        return lines
    lines = [f"{said}: they {'help' if side > 0 else 'hurt'}"]
    shuffled, content = (gains.get(pair, {}).get("all") for pair in ("shuffled over without", "with over shuffled"))
    if shuffled is None or content is None or not _known(content.get("both_low"), content.get("both_high")):
        return lines
    line = f"shuffled between items, the control, the same captions bring {_interval(shuffled)}"
    if side > 0:
        matters = {1: "what they say adds", 0: "cannot tell whether what they say adds:", -1: "what they say costs"}
        line += f"; {matters[_side(content)]} {_interval(content)}"
    return [*lines, line]


def comparison_verdict(comparison: Comparison, metric: str | None = None) -> list[str]:
    """Which arms differ from the baseline on one metric, after Holm's correction, and with seeds as draws, too."""
    held = {arm["arm"]: arm["difference"]["values"] for arm in comparison["arms"] if "difference" in arm}
    name = main_metric(comparison, metric)
    moved = {arm: values[name] for arm, values in held.items() if values[name]["detectable"] != 0}  # others are equal
    found = {arm: value for arm, value in moved.items() if _known(value.get("p_holm"))}
    if not found:
        return []
    sides: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for arm, value in sorted(found.items(), key=lambda pair: -pair[1]["difference"]):
        side = 0 if value["p_holm"] >= ALPHA else int(math.copysign(1, value["difference"]))
        sides[side].append(f"{arm} ({percent(value['relative_percent'], digits=1)})" if side else arm)
    parts = [f"{', '.join(sides[side])} {'above' if side > 0 else 'below'} it" for side in (1, -1) if sides[side]]
    if sides[0]:
        least = max(value["detectable"] for arm, value in found.items() if arm in sides[0])
        mean = next((arm["values"][name]["mean"] for arm in comparison["arms"] if "difference" not in arm), None)
        share = f", {100 * least / mean:.0f}%," if mean else ""
        seen = f"a difference of {number(least)}{share} would mostly have been found"
        parts.append(f"{', '.join(sides[0])} cannot be told from it ({seen})")
    of = f"{comparison['split']}{' of ' + comparison['data'] if 'data' in comparison else ''}"
    lines = [f"{name} against {comparison['baseline']}, {of}: {'; '.join(parts)}"]
    both = {arm: value.get("p_users_and_seeds_holm") for arm, value in found.items()}
    if any(_known(p) for p in both.values()) and (sides[1] or sides[-1]):
        lasting = [arm for arm, p in both.items() if p is not None and _known(p) and p < ALPHA]
        remain = f"these remain: {', '.join(lasting)}" if lasting else "none remains"
        lines.append(f"with seeds as draws, too, and corrected by Holm, {remain}")
    return [*lines, *_beside_control(comparison, moved)]


def _beside_control(comparison: Comparison, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which arms are above more SFT, their control, where the baseline is SFT: by means alone, and how to test it."""
    control = next((arm for arm in values if arm.replace("_", " ") == CONTROL), None)
    if control is None or comparison["baseline"] != "sft" or len(values) < 2:
        return []
    own = values[control]["difference"]
    above = [arm for arm, value in values.items() if arm != control and value["difference"] > own]
    gain = percent(values[control]["relative_percent"], digits=1)
    more = f"in the mean above it: {', '.join(above)}" if above else "no other arm has a larger mean"
    return [f"{control}, the control of RL, gains {gain}; {more} (recbench compare --baseline '{control}' tests that)"]


def bench_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """The verdict on each data set of a bench."""
    metric = metrics.get("summary", {}).get("metric")
    return [line for one in comparisons_of(metrics).values() for line in comparison_verdict(one, metric)]


def evaluation_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """How often the held-out item is among the first ten; or that the ranking is no better than chance."""
    kept = metrics.get("kept", {})
    name = next((one for one in ("hr@10", "hr@5", "hr@20") if one in kept), None)
    lines = []
    if name is not None and _known(*(kept[name].get(key) for key in ("value", "low", "high"))):
        one = kept[name]
        best = metrics.get("best", {}).get(name)
        possible = f"; best possible {best['value']:.1%}" if best else ""
        lines.append(
            f"the held-out item is among the first {name.partition('@')[2]} in {one['value']:.1%} "
            f"[{one['low']:.1%}, {one['high']:.1%}] of {number(metrics['cases'])} cases{possible}"
        )
    auc = kept.get("auc", {})
    if _known(auc.get("low"), auc.get("high")) and auc["low"] <= CHANCE:
        word = "no better" if auc["high"] >= CHANCE else "worse"
        ends = f"[{number(auc['low'])}, {number(auc['high'])}]"
        lines.append(f"AUC {number(auc['value'])} {ends}: {word} than chance")
    return lines


def training_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """How far validation rose, where, and whether it was still rising at the end."""
    validation, chosen = metrics.get("validation", {}), metrics.get("selected_by")
    before, after = (validation.get(key, {}).get(chosen) for key in ("initial", "best"))
    if not _known(before, after) or not chosen or not metrics.get("best_step"):
        return []  # a start that was kept is told by the stage, which knows what it is
    step, steps = metrics["best_step"], metrics["steps"]
    rise = f"{shortened(chosen)} on validation rose from {number(before)} to {number(after)}"
    last = ": its last, so more steps may reach more" if step == steps else ""
    return [f"{rise}, at step {number(step)} of {number(steps)}{last}"]


def caption_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """Which attributes captions name more often than the most frequent value would be right."""
    quality = metrics.get("quality", {})
    part = next((name for name in ("unseen", "all") if quality.get(name, {}).get("attributes")), None)
    if part is None:
        return []
    named = {name: one for name, one in quality[part]["attributes"].items() if _known(one["accuracy"], one["majority"])}
    good = {name: one for name, one in named.items() if one["accuracy"] > one["majority"]}
    of = "items that it did not learn from" if part == "unseen" else "all items"
    lines = []
    if good:
        shown = ", ".join(f"{name} {one['accuracy']:.0%} ({one['majority']:.0%})" for name, one in good.items())
        lines.append(f"captions of {of} are right about {shown}; in brackets, always saying the most frequent one")
    if worse := [name for name in named if name not in good]:
        lines.append(f"captions of {of} are no better than always saying the most frequent {', '.join(worse)}")
    return lines


def simulation_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """The lift of the click-through rate in an A/B test."""
    lift = metrics.get("lift", {})
    if not _known(*(lift.get(key) for key in ("value", "low", "high"))):
        return []
    said, *ends = (percent(100 * lift[key], digits=2) for key in ("value", "low", "high"))
    holds = "cannot tell" if lift["low"] <= 0 <= lift["high"] else "b is better" if lift["value"] > 0 else "a is better"
    return [f"click-through rate of b over a: {said} [{ends[0]}, {ends[1]}]: {holds}"]


def _side(gain: Mapping[str, Any]) -> int:
    """1 or -1 where the interval over users and items is above or below zero, 0 where it holds it."""
    return 1 if gain["both_low"] > 0 else -1 if gain["both_high"] < 0 else 0


def _interval(gain: Mapping[str, Any]) -> str:
    value, low, high = (percent(gain[key], digits=2) for key in ("value", "both_low", "both_high"))
    return f"{value} [{low}, {high}]"


def _known(*values: Any) -> bool:
    """Whether all are numbers."""
    return all(isinstance(value, int | float) and not math.isnan(value) for value in values)
