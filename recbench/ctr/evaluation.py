"""What click probabilities of arms and seeds on the same test rows are worth, and what captions gained."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from recbench.metrics.clicks import (
    auc,
    best_auc,
    best_log_loss,
    calibration_error,
    grouped_auc,
    log_loss,
    normalised_entropy,
    predicted_over_observed,
)
from recbench.metrics.delong import delong_difference, relative_gain
from recbench.metrics.rankings import rank_scores
from recbench.metrics.spread import sample_deviation
from recbench.metrics.table import CTR, named_metrics
from recbench.metrics.two_way import two_way_gain
from recbench.metrics.windows import window_auc_of

COMPARED = (("with", "without"), ("shuffled", "without"), ("with", "shuffled"))


@dataclass(frozen=True)
class TestRows:
    """What the test impressions are, beside what models say of them."""

    labels: np.ndarray  # int8 [M]
    users: np.ndarray  # int32 [M]; rows of a user are not independent, and form one ranked list
    items: np.ndarray  # int32 [M]; nor are rows of an item, whose caption they share
    cold: np.ndarray  # bool [M]: the item has few training impressions
    probability: np.ndarray | None  # float64 [M], the true one of a generated market

    def parts(self) -> dict[str, np.ndarray]:
        """Rows by name of the part that metrics are reported on, bool [M]; empty parts are left out."""
        named = {"all": np.ones(len(self.cold), dtype=bool), "warm": ~self.cold, "cold": self.cold}
        return {name: chosen for name, chosen in named.items() if chosen.any()}


def arm_metrics(
    rows: TestRows, scores: np.ndarray, windows: Sequence[Sequence[float]], ks: Sequence[int]
) -> dict[str, Any]:
    """Every metric of one arm, one seed's probabilities float64 [M].

    AUC, log loss and WPAUC are of all rows pooled; `grouped_auc` is the mean of users' own, weighted by rows; Top-K
    metrics are means over users with a click of their own lists of impressions.
    """
    pooled = rank_scores(rows.labels, scores)
    grouped = grouped_auc(rows.users, rows.labels, scores)
    result: dict[str, Any] = {
        "auc": auc(rows.labels, scores),
        "grouped_auc": grouped.value,
        "log_loss": log_loss(rows.labels, scores),
        "normalised_entropy": normalised_entropy(rows.labels, scores),
        "calibration_error": calibration_error(rows.labels, scores),
        "predicted_over_observed": predicted_over_observed(rows.labels, scores),
    }
    named = named_metrics(CTR, windows, ks)
    for one in named:
        if one.window is not None and one.metric.of_area is not None:
            result[one.name] = float(one.metric.of_area(window_auc_of(pooled, one.window), one.window)[0])
    ranking = rank_scores(rows.labels, scores, rows.users)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # users without a click are counted in `rows_of`
        for one in named:
            if one.k is not None:
                found = one.of_lists(ranking)
                result[one.name] = float(found[~np.isnan(found)].mean()) if (~np.isnan(found)).any() else np.nan
    for name, chosen in rows.parts().items():
        if name != "all":
            result[f"auc_{name}"] = _auc(rows.labels[chosen], scores[chosen])
            result[f"log_loss_{name}"] = log_loss(rows.labels[chosen], scores[chosen])
    return result


def over_seeds(values: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (n - 1) of every metric over seeds; the deviation of one seed is NaN."""
    return {
        name: {
            "mean": float(np.mean([seed[name] for seed in values])),
            "std": float(sample_deviation([seed[name] for seed in values])),
        }
        for name in values[0]
    }


def gains(rows: TestRows, scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """Relative AUC gains in percent of every pair of arms that is there, on all, warm and cold rows.

    Args:
        scores: arm -> probabilities of its seeds, float64 [S, M]; seed s of every arm had the same data order.

    Returns:
        Pair -> part -> numbers. `value` is the gain of AUCs averaged over seeds, `auc_difference` their difference.

        It has three intervals and p-values. `both_low`, `both_high`, `both_p` have users and items as draws, for all
        seeds together: this is the one to trust. `user_low`, `user_high`, `user_p` have other users of the same items.
        `low`, `high`, `p` are DeLong's, with rows as independent draws.

        Beside them stand each seed's gain with its DeLong interval, and the seeds' mean, standard deviation and 95%
        t-interval, which tells what other seeds would have changed. For the shuffled arm, other seeds are other
        permutations, too.
    """
    result: dict[str, Any] = {}
    for better, base in COMPARED:
        if better in scores and base in scores:
            result[f"{better} over {base}"] = {
                name: _gain(rows, chosen, scores[better], scores[base]) for name, chosen in rows.parts().items()
            }
    return result


def _gain(rows: TestRows, chosen: np.ndarray, better: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    labels, users, items = rows.labels[chosen], rows.users[chosen], rows.items[chosen]
    a, b = better[:, chosen], base[:, chosen]
    if not 0 < labels.sum() < len(labels):
        warnings.warn(f"{len(labels)} rows of one class: a gain in AUC is undefined (NaN)", stacklevel=3)
        return {"rows": len(labels), "value": np.nan, "low": np.nan, "high": np.nan}
    found, by_user = relative_gain(labels, a, b), relative_gain(labels, a, b, groups=users)
    both = two_way_gain(labels, a, b, users, items)
    seeds = [relative_gain(labels, one, other) for one, other in zip(a, b, strict=True)]
    per_seed = np.array([seed.value for seed in seeds])
    spread = float(sample_deviation(per_seed))
    half = float(stdtrit(len(seeds) - 1, 0.975)) * spread / len(seeds) ** 0.5 if len(seeds) > 1 else np.nan
    return {
        "rows": len(labels),
        "users": np.unique(users).size,
        "items": np.unique(items).size,
        "value": found.value,
        "both_low": both.low,
        "both_high": both.high,
        "both_p": both.p,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "user_low": by_user.low,
        "user_high": by_user.high,
        "user_p": by_user.p,
        "auc_difference": delong_difference(labels, a, b)._asdict(),
        "seeds": [seed._asdict() for seed in seeds],
        "seed_mean": float(per_seed.mean()),
        "seed_std": spread,
        "seed_low": float(per_seed.mean() - half),
        "seed_high": float(per_seed.mean() + half),
    }


def best_possible(rows: TestRows, scores: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """AUC and log loss of the true probabilities, and the share of the distance to them that captions close.

    `auc` and `log_loss` are expected ones; `auc_on_clicks` and `log_loss_on_clicks` those with the clicks that were
    drawn, which models' own share the luck of. closed_auc_with is (AUC_with - AUC_without) / (AUC_on_clicks -
    AUC_without), AUCs averaged over seeds; so for the log loss and the shuffled arm. None where the truth is not known.
    """
    if rows.probability is None:
        return None
    result: dict[str, Any] = {}
    for part, chosen in rows.parts().items():
        labels, truth = rows.labels[chosen], rows.probability[chosen]
        limits = {"auc": _auc(labels, truth), "log_loss": log_loss(labels, truth)}
        found = {"auc": best_auc(truth), "log_loss": best_log_loss(truth)}
        found |= {f"{name}_on_clicks": limit for name, limit in limits.items()}
        for name, metric in (("auc", _auc), ("log_loss", log_loss)):
            reached = {
                arm: float(np.mean([metric(labels, seed[chosen]) for seed in values])) for arm, values in scores.items()
            }
            for arm in ("with", "shuffled"):
                if arm in reached and "without" in reached:
                    distance = limits[name] - reached["without"]
                    found[f"closed_{name}_{arm}"] = (
                        (reached[arm] - reached["without"]) / distance if distance else np.nan
                    )
        result[part] = found
    return result


def rows_of(rows: TestRows) -> dict[str, Any]:
    """How many test rows, clicks, items, users, and users whose lists metrics can use."""
    clicks = np.bincount(rows.users, weights=rows.labels)
    shown = np.bincount(rows.users)
    return {
        "rows": len(rows.labels),
        "clicks": int(rows.labels.sum()),
        "cold": int(rows.cold.sum()),
        "items": int(np.unique(rows.items).size),
        "users": int((shown > 0).sum()),
        "users_with_clicks": int((clicks > 0).sum()),
        "users_with_both": int(((clicks > 0) & (clicks < shown)).sum()),
    }


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return auc(labels, scores) if 0 < labels.sum() < len(labels) else np.nan
