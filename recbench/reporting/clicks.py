"""The report of `recbench ctr`: what captions added to a click model, from metrics.json and manifest.json."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbench.grids import Grid
from recbench.metrics.table import metric_order
from recbench.reporting.gain_plot import Gain, plot_gains
from recbench.reporting.markup import code
from recbench.reporting.tables import (
    markdown,
    mean_and_deviation,
    number,
    ordered,
    p_value,
    percent,
    signed_interval,
    titled,
)
from recbench.runs import Run, atomic_path

GAINS_PICTURE = "gains.png"
ARMS = {"without": "without captions", "with": "with captions", "shuffled": "captions shuffled"}
PAIRS = {
    "with over without": "captions over none",
    "shuffled over without": "shuffled over none",
    "with over shuffled": "captions over shuffled",
}
PARTS = {"all": "all rows", "warm": "warm items", "cold": "cold items"}
POOLED = (
    "auc",
    "auc_warm",
    "auc_cold",
    "grouped_auc",
    "log_loss",
    "log_loss_warm",
    "log_loss_cold",
    "normalised_entropy",
    "calibration_error",
    "predicted_over_observed",
)


def click_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """Arms side by side, then relative gains, then the share of the distance to the best possible that is closed."""
    arms = metrics.get("arms", {})
    grids = []
    if arms:
        several = max(len(arm.get("seeds", [])) for arm in arms.values()) > 1
        spread = ", mean ± standard deviation (n - 1) over seeds" if several else ""
        grids.append(_arms_grid(metrics, "test rows" + spread))
    if metrics.get("gains"):
        grids.append(_gains_grid(metrics["gains"]))
    if metrics.get("best"):
        grids.append(_closed_grid(metrics))
    return grids


def click_sections(run: Run) -> list[str]:
    """The results of a ctr run in Markdown, and `gains.png` beside it where there are gains."""
    metrics, manifest = run.metrics, run.manifest
    lines = ["## Results", "", _about(metrics), ""]
    for grid in click_grids(metrics)[:1]:
        lines += titled(grid)
    if metrics.get("gains"):
        lines += _gain_lines(run)
    if metrics.get("best"):
        grid = _closed_grid(metrics)
        lines += [
            "## How much of what can be won",
            "",
            "The true click probabilities are known here, and nothing ranks the same rows better on average. *Closed* "
            "is the share of the distance from the arm without captions to them.",
            "",
            markdown(grid),
        ]
    if manifest.get("latency"):
        lines += _latency_lines(manifest["latency"])
    return [*lines, *_training_lines(metrics, manifest)]


def gains_of(metrics: Mapping[str, Any]) -> list[Gain]:
    """The lines of the forest plot: each pair of arms on all rows, warm and cold items."""
    return [
        Gain(
            group=PAIRS.get(pair, pair),
            label=PARTS.get(part, part),
            value=_defined(gain.get("value")),
            inner=(_defined(gain.get("user_low")), _defined(gain.get("user_high"))),
            outer=(_defined(gain.get("both_low")), _defined(gain.get("both_high"))),
        )
        for pair, parts in ordered(PAIRS, metrics.get("gains", {})).items()
        for part, gain in ordered(PARTS, parts).items()
    ]


def _about(metrics: Mapping[str, Any]) -> str:
    text = f"Click model {code(str(metrics.get('model', '?')))}, which reads {_columns(metrics)} in every arm."
    test = metrics.get("test", {})
    if test:
        share = test["clicks"] / test["rows"] if test.get("rows") else math.nan
        text += (
            f" {number(test.get('rows'))} test impressions of {number(test.get('users'))} users and "
            f"{number(test.get('items'))} items, {number(test.get('clicks'))} clicks ({share:.1%}), "
            f"{number(test.get('cold'))} rows of cold items."
        )
    return text


def _columns(metrics: Mapping[str, Any]) -> str:
    known = metrics.get("fields", {})
    base = known.get("without")
    if base:
        return ", ".join(code(str(name)) for name in base)
    return "ids only" if metrics.get("columns") == "ids" else "ids and fields"


def _arms_grid(metrics: Mapping[str, Any], title: str) -> Grid:
    arms = ordered(ARMS, metrics["arms"])
    found = {name for arm in arms.values() for name in arm["metrics"]}
    names = [*(name for name in POOLED if name in found), *sorted(found - {*POOLED}, key=metric_order)]
    best = {name: _best(metrics, name) for name in names}
    known = any(value is not None for value in best.values())
    columns = ["metric", *(ARMS.get(arm, arm) for arm in arms), *(["best possible"] if known else [])]
    rows = [
        [
            name,
            *(mean_and_deviation(arm["metrics"].get(name, {})) for arm in arms.values()),
            *([number(best[name]) if best[name] is not None else ""] if known else []),
        ]
        for name in names
    ]
    return Grid(title, columns, rows)


def _best(metrics: Mapping[str, Any], name: str) -> float | None:
    """What the true probabilities reach on the clicks that were drawn, of AUC and log loss only."""
    for kind in ("auc", "log_loss"):
        if name == kind or name.startswith(f"{kind}_"):
            part = name.removeprefix(kind).removeprefix("_") or "all"
            return metrics.get("best", {}).get(part, {}).get(f"{kind}_on_clicks")
    return None


def _gains_grid(gains: Mapping[str, Any]) -> Grid:
    several = any(_over_seeds(gain) != "–" for parts in gains.values() for gain in parts.values())
    rows = [
        [
            f"{PAIRS.get(pair, pair)}, {PARTS.get(part, part)}",
            percent(gain.get("value")) + (" *" if _clear(gain) else ""),
            signed_interval(gain.get("both_low"), gain.get("both_high"), ".2f"),
            p_value(gain.get("both_p")),
            signed_interval(gain.get("user_low"), gain.get("user_high"), ".2f"),
            signed_interval(gain.get("low"), gain.get("high"), ".2f"),
            *([_over_seeds(gain)] if several else []),
        ]
        for pair, parts in ordered(PAIRS, gains).items()
        for part, gain in ordered(PARTS, parts).items()
    ]
    columns = ["", "gain", "95%, users and items", "p, users and items", "95%, users", "95%, rows"]
    columns += ["over seeds"] if several else []
    return Grid("relative gains in AUC, percent", columns, rows)


def _gain_lines(run: Run) -> list[str]:
    metrics = run.metrics
    lines = ["## What captions added", "", markdown(_gains_grid(metrics["gains"]))]
    several = any(len(arm.get("seeds", [])) > 1 for arm in metrics.get("arms", {}).values())
    lines += [
        "The gain is 100 (A - B) / B of AUCs averaged over seeds, on the same rows. Its first interval has users and "
        "items both as draws: a caption helps or misleads in all rows of its item, so that rows of an item depend on "
        "each other as rows of a user do. The second has users alone as draws, which says nothing of other items; the "
        "third is DeLong's, with rows as independent draws. * marks gains whose first interval leaves out zero. "
        + (
            "*Over seeds* is the mean ± standard deviation (n - 1) of the seeds' own gains; more seeds do not reduce "
            "the sampling error of users and items, and the intervals say nothing of other seeds."
            if several
            else "They say nothing of other seeds."
        ),
        "",
        "Shuffled captions belong to another item: what they gain comes of more parameters, or of captions that act as "
        "a second id. What captions *say* is worth what stands under captions over shuffled. Every seed shuffles anew, "
        + (
            "so that the spread over seeds of what is shuffled is one over permutations, too."
            if several
            else "and one seed says nothing of other permutations."
        ),
        "",
    ]
    gains = gains_of(metrics)
    if any(math.isfinite(gain.value) for gain in gains):
        with atomic_path(run.path / GAINS_PICTURE) as partial:
            _draw(partial, run, gains)
        lines += [f"![Relative gains in AUC with their intervals]({GAINS_PICTURE})", ""]
    return lines


def _draw(path: Path, run: Run, gains: list[Gain]) -> None:
    title = f"What captions added: {run.metrics.get('model', '')} on {run.data_name}"
    plot_gains(path, gains, title, "95% interval, users as draws", "95% interval, users and items as draws")


def _closed_grid(metrics: Mapping[str, Any]) -> Grid:
    def reached(arm: str, part: str, kind: str) -> str:
        name = kind if part == "all" else f"{kind}_{part}"
        return number(metrics.get("arms", {}).get(arm, {}).get("metrics", {}).get(name, {}).get("mean"))

    rows = [
        [
            f"{title}, {PARTS.get(part, part)}",
            number(best.get(kind)),
            number(best.get(f"{kind}_on_clicks")),
            reached("without", part, kind),
            reached("with", part, kind),
            _share(best.get(f"closed_{kind}_with")),
            _share(best.get(f"closed_{kind}_shuffled")),
        ]
        for kind, title in (("auc", "AUC"), ("log_loss", "log loss"))
        for part, best in ordered(PARTS, metrics["best"]).items()
    ]
    columns = ["", "best, expected", "best, these clicks", "without", "with", "closed by captions", "by shuffled ones"]
    return Grid("distance to the best possible", columns, rows)


def _latency_lines(latency: Mapping[str, Any]) -> list[str]:
    rows = [[ARMS.get(arm, arm), *_times(values)] for arm, values in ordered(ARMS, latency.get("arms", {})).items()]
    rows += [
        [f"added by {ARMS.get(arm, arm)}", *_times(values, "+")] for arm, values in latency.get("added", {}).items()
    ]
    columns = ["", "p50, ms", "p99, ms", "parameters", "memory, MB"]
    place = f"{latency.get('device', '?')}, {number(latency.get('threads'))} threads"
    return [
        "## Latency of scoring",
        "",
        f"A batch of {number(latency.get('batch'))} impressions, from row numbers to probabilities, on {place}; "
        f"{number(latency.get('repeats'))} batches, the arms taking turns. Captions are computed offline, once an "
        "item: serving reads their ids.",
        "",
        markdown(Grid("", columns, rows)),
    ]


def _times(values: Mapping[str, Any], sign: str = "") -> list[str]:
    return [
        *(f"{values[key]:{sign}.2f}" if values.get(key) is not None else "–" for key in ("p50_ms", "p99_ms")),
        f"{values['parameters']:{sign},}" if values.get("parameters") is not None else "–",
        f"{values['megabytes']:{sign}.2f}" if values.get("megabytes") is not None else "–",
    ]


def _training_lines(metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    seconds = manifest.get("training_seconds", {})
    rows = [
        [
            ARMS.get(name, name),
            str(seed.get("seed")),
            number(seed.get("auc")),
            number(seed.get("grouped_auc")),
            number(seed.get("log_loss")),
            number(fit.get("validation_auc")),
            number(fit.get("best_epoch")),
            number(seconds.get(f"{name}-{seed.get('seed')}")),
        ]
        for name, arm in ordered(ARMS, metrics.get("arms", {})).items()
        for seed, fit in zip(arm.get("seeds", []), arm.get("training", []), strict=False)
    ]
    columns = ["arm", "seed", "auc", "grouped_auc", "log_loss", "validation AUC", "kept at epoch", "seconds"]
    return ["## Every seed", "", markdown(Grid("", columns, rows))] if rows else []


def _over_seeds(gain: Mapping[str, Any]) -> str:
    if gain.get("seed_mean") is None or gain.get("seed_std") is None:
        return "–"
    return f"{gain['seed_mean']:+.2f} ± {gain['seed_std']:.2f}"


def _clear(gain: Mapping[str, Any]) -> bool:
    low, high = gain.get("both_low"), gain.get("both_high")
    return low is not None and high is not None and (low > 0 or high < 0)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _defined(value: float | None) -> float:
    return math.nan if value is None else value
