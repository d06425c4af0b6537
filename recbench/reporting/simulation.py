"""Reports of `recbench simulate`: the online A/B test of two arms, and what a policy would have earned on logged data.

Of an A/B test metrics.json holds `a` and `b` (the arms' names), `control` and `treatment` (`Rate` of
recbench.metrics.lift), `lift` (value, low, high, p; fractions), where the truth is known `expected_lift`, and
`sample_size` (lift, impressions, users an arm). Of logged data it holds `off_policy`: policy name -> estimates `ips`,
`snips`, `doubly_robust` (`PolicyValue` of recbench.metrics.off_policy) and `effective_rounds`, beside `rounds`.
"""

from collections.abc import Mapping
from typing import Any

from recbench.grids import Grid
from recbench.reporting.markup import code
from recbench.reporting.tables import flatten, interval, number, p_value, percent, signed_interval, titled
from recbench.runs import Run

SHOWN = ("a", "b", "control", "treatment", "lift", "expected_lift", "sample_size", "off_policy", "rounds")
CATALOGUE = "Users are the draws: both arms have the same catalogue, and the interval says nothing of another one."
ESTIMATORS = {"logged": "as logged", "ips": "IPS", "snips": "SNIPS", "doubly_robust": "doubly robust"}


def simulation_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """The A/B test's arms and its lift, or the off-policy estimates; then every other number."""
    grids = []
    if "lift" in metrics:
        grids += [_arms_grid(metrics), _lift_grid(metrics)]
    if metrics.get("off_policy"):
        grids.append(_off_policy_grid(metrics["off_policy"]))
    rest = flatten({key: value for key, value in metrics.items() if key not in SHOWN})
    if rest:
        grids.append(Grid("", ["", "value"], [[key, number(value)] for key, value in rest.items()]))
    return grids


def simulation_sections(run: Run) -> list[str]:
    """The results of a simulate run in Markdown."""
    metrics = run.metrics
    lines = ["## Results", ""]
    for grid in simulation_grids(metrics):
        lines += titled(grid)
        if grid.title.startswith("lift"):
            lines += [_verdict(metrics), CATALOGUE, "", *_size_lines(metrics)]
        if grid.title.startswith("expected reward"):
            lines += [
                f"From {number(metrics.get('rounds'))} logged rounds, with 95% bootstrap intervals over rounds. "
                "*Effective rounds* is what their weights are worth: few of them make any estimate a guess.",
                "",
            ]
    return lines


def _arms_grid(metrics: Mapping[str, Any]) -> Grid:
    rows = []
    for key, name in (("control", "a"), ("treatment", "b")):
        rate = metrics.get(key, {})
        rows.append(
            [
                f"{metrics.get(name, name)} ({key})",
                number(rate.get("users")),
                number(rate.get("impressions")),
                _rate(rate.get("value")),
                _rate(rate.get("error")),
                _plain(rate.get("design_effect")),
            ]
        )
    columns = ["arm", "users", "impressions", "click-through rate", "standard error", "design effect"]
    return Grid("click-through rates, users as draws", columns, rows)


def _lift_grid(metrics: Mapping[str, Any]) -> Grid:
    lift = {key: value if value is None else 100 * value for key, value in metrics["lift"].items() if key != "p"}
    ends = signed_interval(lift.get("low"), lift.get("high"), ".2f")
    columns, row = ["", "lift", "95% interval", "p"], ["", percent(lift.get("value")), ends]
    row.append(p_value(metrics["lift"].get("p")))
    if metrics.get("expected_lift") is not None:
        columns.append("expected by the true click model")
        row.append(percent(100 * metrics["expected_lift"]))
    row[0] = f"{metrics.get('b', 'b')} over {metrics.get('a', 'a')}"
    return Grid("lift of the click-through rate, percent", columns, [row])


def _verdict(metrics: Mapping[str, Any]) -> str:
    low, high = metrics["lift"].get("low"), metrics["lift"].get("high")
    if low is None or high is None:
        return "The lift is undefined: see the notes."
    if low <= 0 <= high:
        return "The interval holds zero: this test has not told the arms apart."
    return f"The interval leaves out zero: {code(str(metrics.get('b', 'b')))} is {'better' if low > 0 else 'worse'}."


def _size_lines(metrics: Mapping[str, Any]) -> list[str]:
    size = metrics.get("sample_size")
    if not size:
        return []
    users = f", some {number(size['users'])} users" if size.get("users") else ""
    return [
        f"To find a lift of {100 * size['lift']:g}% at this click-through rate with 80% power at the 5% level, each "
        f"arm needs {number(size.get('impressions'))} impressions{users}.",
        "",
    ]


def _off_policy_grid(policies: Mapping[str, Any]) -> Grid:
    known = [key for key in ESTIMATORS if any(key in policy for policy in policies.values())]
    rows = [
        [
            name,
            *(interval(policy[key]) if key in policy else "" for key in known),
            _plain(policy.get("effective_rounds")),
        ]
        for name, policy in policies.items()
    ]
    return Grid("expected reward a round", ["policy", *map(ESTIMATORS.__getitem__, known), "effective rounds"], rows)


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3%}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
