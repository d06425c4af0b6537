"""Arms side by side: the tables of `recbench compare`."""

import math

from recbench.grids import Cell, Grid, folded
from recbench.reporting.tables import mean_and_deviation, number, p_value, percent, signed, signed_interval
from recbench.result_shapes import Comparison, Held

BOTH = "users and seeds"  # both as draws
LEVELS = {0.01: "**", 0.05: "*"}  # of p-values after Holm's correction, and their marks


def comparison_grids(comparison: Comparison, per_seed: bool = False, relative: bool = False) -> list[Grid]:
    """Means over seeds, differences from the baseline and, if asked for, every seed: from `compare_runs`' numbers.

    With `relative`, means have their gain over the baseline behind them, in percent.
    """
    names, arms = comparison["metrics"], comparison["arms"]
    several = any(len(arm["seeds"]) > 1 for arm in arms)
    grids = [_means(comparison, relative)]
    if per_seed and several:
        rows = [
            [arm["arm"], str(seed), *(number(arm["values"][name]["per_seed"][str(seed)]) for name in names)]
            for arm in arms
            for seed in arm["seeds"]
        ]
        grids.append(Grid("every seed", ["arm", "seed", *names], rows, names=2))
    held = [(name, arm) for name in names for arm in arms if "difference" in arm]
    if held:
        values = [arm["difference"]["values"][name] for name, arm in held]
        title = f"difference from {comparison['baseline']}, paired over {comparison['users']:,} users"
        columns = ["metric", "arm", "difference", "95%, users", f"95%, {BOTH}", "relative", "detectable"]
        columns += ["p", "p Holm", f"p Holm, {BOTH}", "Wilcoxon"]
        called = [name if arm is held[0][1] else "" for name, arm in held]  # once, above its other arms
        rows = [[name, arm["arm"], *_difference(value)] for name, (_, arm), value in zip(called, held, values)]
        marks = {(row, 2): found for row, value in enumerate(values) if (found := mark(value.get("p_holm")))}
        lines = (
            legend(comparison),
            "95%, users: bootstrap over users; detectable: the least true difference found with 80% power.",
            f"95%, {BOTH}: what other seeds would have changed, too.{_single_seeds(values)}",
            "p: two-sided paired t-test over users; p Holm: that p corrected; Wilcoxon: p of the signed-rank test.",
        )
        note = "\n".join(filter(None, lines))
        grids.append(Grid(title, columns, rows, marks=marks, note=note, names=2))
    return grids


def terminal_grids(comparison: Comparison, relative: bool = False) -> list[Grid]:
    """Which runs are compared, then `comparison_grids` in parts of at most 120 letters, where arms' names allow."""
    grids = [part for grid in comparison_grids(comparison, relative=relative) for part in folded(grid)]
    return [*run_grids(comparison), *grids]


def run_grids(comparison: Comparison) -> list[Grid]:
    """Which evaluation and training each arm's numbers come from; none where the comparison does not say."""
    runs = comparison.get("runs", [])
    rows = [[one["arm"], str(one["seed"]), one["eval"], one["train"]] for one in runs]
    return [Grid("what is compared", ["arm", "seed", "eval run", "of train run"], rows, prose=True)] if rows else []


def mark(p: float | None) -> str:
    """`**` below 0.01, `*` below 0.05, nothing for others and for undefined ones.

    >>> [mark(p) for p in (0.0099, 0.01, 0.05, None)]
    ['**', '*', '', '']
    """
    known = p is not None and not math.isnan(p)
    return next((sign for level, sign in LEVELS.items() if known and p < level), "")  # type: ignore[operator]


def legend(comparison: Comparison) -> str:
    """What the marks of a comparison mean; nothing where nothing was tested."""
    if not comparison.get("comparisons"):
        return ""
    signs = ", ".join(f"{sign} p < {level:g}" for level, sign in sorted(LEVELS.items(), reverse=True))
    family = f"{comparison['comparisons']:,} comparison{'s' if comparison['comparisons'] > 1 else ''} (arm x metric)"
    return f"{signs} against {comparison['baseline']}: paired t-test over users, Holm-corrected for {family}."


def _means(comparison: Comparison, relative: bool) -> Grid:
    names, arms = comparison["metrics"], comparison["arms"]
    data = f" of {comparison['data']}" if "data" in comparison else ""  # runs of earlier versions do not say
    title = f"{comparison['split']}{data}, {comparison['cases']:,} cases, "
    title += f"seen items {comparison['seen_items']}: mean"
    title += " ± standard deviation (n - 1) over seeds" if any(len(arm["seeds"]) > 1 for arm in arms) else ""
    title += f", and the gain over {comparison['baseline']}" if relative else ""
    rows, marks = [], {}
    for row, arm in enumerate(arms):
        cells = [arm["arm"], _listed(arm["seeds"])]
        for column, name in enumerate(names, start=2):
            held = arm["difference"]["values"][name] if "difference" in arm else None
            gain = f" ({percent(held['relative_percent'], digits=1)})" if relative and held else ""
            cells.append(mean_and_deviation(arm["values"][name], "deviation") + gain)
            if held and (sign := mark(held.get("p_holm"))):
                marks[row, column] = sign
        rows.append(cells)
    emphasis: dict[Cell, str] = {}
    for column, name in enumerate(names, start=2):
        smaller = name in comparison.get("smaller_is_better", ())
        emphasis |= _emphasis([arm["values"][name]["mean"] for arm in arms], column, smaller)
    if "best" in comparison:
        best = comparison["best"]
        rows.append(["best possible", "", *(number(best[name]) if name in best else "" for name in names)])
    columns = ["arm", "seeds", *names]
    return Grid(title, columns, rows, emphasis=emphasis, marks=marks, note=legend(comparison), names=2)


def _emphasis(means: list[float | None], column: int, smaller_is_better: bool = False) -> dict[Cell, str]:
    """Rows of the best and of the second-best mean; those that read the same share it. None where all do."""
    shown = [number(mean) for mean in means]
    known = {text: mean for text, mean in zip(shown, means) if mean is not None and not math.isnan(mean)}
    order = sorted(known, key=lambda text: known[text], reverse=not smaller_is_better)[:2] if len(known) > 1 else []
    names = dict(zip(order, ("best", "second")))
    return {(row, column): names[text] for row, text in enumerate(shown) if text in names}


def _difference(value: Held) -> list[str]:
    return [
        signed(value["difference"]),
        signed_interval(value["low"], value["high"]),
        signed_interval(value.get("users_and_seeds_low"), value.get("users_and_seeds_high")),
        percent(value["relative_percent"], digits=1),
        number(value["detectable"]),
        p_value(value.get("p_t")),
        p_value(value.get("p_holm")),
        p_value(value.get("p_users_and_seeds_holm")),
        p_value(value.get("p_wilcoxon")),
    ]


def _single_seeds(values: list[Held]) -> str:
    """Why there is no interval over users and seeds, if some difference has one over users alone."""
    lacking = any(
        "users_and_seeds_low" in one and _unknown(one["users_and_seeds_low"]) and not _unknown(one["low"])
        for one in values
    )
    return " None where arm and baseline share a single seed, which cannot tell how far seeds are apart." * lacking


def _unknown(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _listed(seeds: list[int]) -> str:
    """0-2 for several in a row, else 0,2,5."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
