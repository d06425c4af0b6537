"""What arXiv 2604.22504 leads one to expect of the arms, each checked by paired differences on the test users."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recbench.laboratory.arms import BEST, SFT, Arm
from recbench.laboratory.measure import Measured
from recbench.metrics.spread import sample_deviation
from recbench.rl.rules import rule_of
from recbench.rl.sources import source_of


@dataclass(frozen=True)
class Lead:
    """How far one arm is ahead of another on a metric: the seeds' mean, its intervals (`Estimate`), and every seed."""

    arm: str
    over: str
    value: float
    low: float
    high: float
    seeds: list[float]
    low_over_seeds: float = math.nan
    high_over_seeds: float = math.nan

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """Both, or the one over users where there is one seed."""
        over_seeds = (self.low_over_seeds, self.high_over_seeds)
        return [(self.low, self.high), *([] if math.isnan(self.low_over_seeds) else [over_seeds])]


@dataclass(frozen=True)
class Claim:
    """A statement, whether it holds, and the numbers that say so: yes, no, or undecided (the interval holds zero)."""

    claim: str
    metrics: list[str]
    holds: str
    leads: list[Lead] = field(default_factory=list)


@dataclass(frozen=True)
class Matrix:
    """Trained on a window x measured on a window: rows are TAWin arms, columns their aims, in the same order."""

    metrics: list[str]  # [C]
    arms: list[str]  # [R]: the first C are the columns' own
    gains: list[list[float]]  # [R, C], over sft
    best: list[int]  # [C]: the row that is best among the first C


@dataclass(frozen=True)
class AnchorCurves:
    """Gain over SFT of every Top-K metric against the anchor of (27) (arXiv 2604.22504, Figure 4)."""

    temperature: float
    anchors: list[int]  # [A], rising
    metrics: list[str]  # [M]: hr@K, rising in K
    gains: list[list[float]]  # [M, A]
    best: list[int]  # [M]: the place of the best anchor


class Results:
    """Names for the axes of `Measured`: sft is arm 0, then the arms, then the best possible."""

    def __init__(self, arms: Sequence[Arm], metrics: Sequence[str], measured: Measured) -> None:
        self.arms, self.metrics, self.measured = list(arms), list(metrics), measured
        self.names = [SFT, *(arm.name for arm in arms)]

    def lead(self, arm: str, over: str, metric: str) -> Lead:
        """The paired difference of two arms."""
        first, second, column = self.names.index(arm), self.names.index(over), self.metrics.index(metric)
        estimate = self.measured.difference(first, second, column)
        means = self.measured.means[:, :, column]
        return Lead(arm, over, **estimate._asdict(), seeds=(means[:, first] - means[:, second]).tolist())

    def of_rule(self, name: str) -> list[Arm]:
        """All arms of one rule."""
        return [arm for arm in self.arms if arm.algo.name == name]

    def mean(self, arm: str, metric: str) -> float:
        """The mean over users and seeds."""
        return float(self.measured.mean(self.names.index(arm))[self.metrics.index(metric)])

    def find(self, rule: str, negatives: str | None = None, positives: str | None = None) -> Arm | None:
        """The first arm of a rule with these negatives and positives."""
        for arm in self.arms:
            wanted = [(arm.algo.name, rule), (arm.negatives.kind, negatives), (arm.algo.positives, positives)]
            if all(other is None or one == other for one, other in wanted):
                return arm
        return None


def verdict(leads: Sequence[Lead]) -> str:
    """yes if all intervals lie above zero, no if all of one lead (over users, over seeds) lie below, else undecided."""
    if all(low > 0 for lead in leads for low, _ in lead.intervals):
        return "yes"
    return "no" if any(all(high < 0 for _, high in lead.intervals) for lead in leads) else "undecided"


def check_claims(results: Results) -> list[Claim]:
    """Every claim for which the arms are there."""
    claims: list[Claim] = []
    random, beam = results.find("grpo", "random"), results.find("grpo", "beam", "auto")
    if random is not None:
        others = [arm.name for arm in results.arms if arm.aim not in ("", "auc") and rule_of(arm.algo).trains_negatives]
        text = f"{random.name} has the best AUC of all arms with reinforcement learning"
        claims += _ahead(results, text, random.name, others, "auc")
    if beam is not None:
        others = [arm.name for arm in results.of_rule("grpo") if not _same_but_width(arm, beam)]
        text = f"{beam.name}, whose positives are on policy, has the best WPAUC(0, B/n) of the GRPO arms"
        claims += _ahead(results, text, beam.name, others, beam.aim)
    for arm in results.of_rule("tawin"):
        if arm.algo.top_k is not None:
            others = [other.name for other in (random, beam) if other is not None]
            text = f"{arm.name} has a higher HR@{arm.algo.top_k} than GRPO with random and with beam negatives"
            claims += _ahead(results, text, arm.name, others, f"hr@{arm.algo.top_k}")
    for arm in results.of_rule("tawin"):
        alone = [one.name for one in results.of_rule("weighted_sft") if one.aim == arm.aim]
        if arm.algo.anchor is None:
            text = f"{arm.name} has a higher {arm.aim} than SFT on its contexts, weighted alike, without negatives"
            claims += _ahead(results, text, arm.name, alone, arm.aim)
    for matrix in window_matrices(results):
        text = "the best row of every column of the window matrix is on or next to the diagonal"
        far = [metric for column, metric in enumerate(matrix.metrics) if abs(matrix.best[column] - column) > 1]
        claims.append(Claim(text, matrix.metrics, "no" if far else "yes"))
    for curves in anchor_curves(results):
        text = f"the best anchor of HR@K (temperature {curves.temperature:g}) never falls as K grows"
        claims.append(Claim(text, curves.metrics, "yes" if curves.best == sorted(curves.best) else "no"))
    return claims


def _same_but_width(arm: Arm, other: Arm) -> bool:
    """Whether arms of GRPO with beam negatives differ by how wide the beam is, and nothing else."""
    keys = ("kind", "exclude_seen")
    alike = all(getattr(arm.negatives, key) == getattr(other.negatives, key) for key in keys)
    sized = replace(arm.algo, group_size=other.algo.group_size, scale_size=other.algo.scale_size)
    return alike and sized == other.algo


def anchor_curves(results: Results) -> list[AnchorCurves]:
    """One for each temperature at which TAWin has at least three anchors and nothing else differs."""
    found: dict[float, dict[int, str]] = {}
    for arm in results.arms:
        if arm.algo.anchor is not None and source_of(arm.negatives).has_places:
            found.setdefault(arm.algo.anchor_temperature, {}).setdefault(arm.algo.anchor, arm.name)
    metrics = sorted((name for name in results.metrics if name.startswith("hr@")), key=lambda name: int(name[3:]))
    curves = []
    for temperature, arms in sorted(found.items()):
        anchors = sorted(arms)
        if len(anchors) < 3:
            continue
        gains = [[results.mean(arms[k], metric) - results.mean(SFT, metric) for k in anchors] for metric in metrics]
        best = np.argmax(gains, axis=1).tolist()
        curves.append(AnchorCurves(temperature, anchors, metrics, gains, best))
    return curves


def window_matrices(results: Results) -> list[Matrix]:
    """One matrix for Top-K aims, one for FPR windows and one for GRPO's beams, each with at least two arms of its rule.

    Rows are in the order of ranks. Below those of TAWin, or GRPO, stand the other arms.
    """
    matrices = []
    for rule, kind in (("tawin", "hr@"), ("tawin", "wpauc("), ("grpo", "wpauc(")):
        own: dict[str, Arm] = {}
        for arm in results.of_rule(rule):
            if arm.algo.anchor is None and arm.aim.startswith(kind):
                own.setdefault(arm.aim, arm)  # variants of an aim have no column of their own
        if len(own) < 2:
            continue
        metrics = list(own)
        names = [arm.name for arm in own.values()]
        names += [arm.name for arm in results.arms if arm.algo.name != rule]
        gains = np.array(
            [[results.mean(name, metric) - results.mean(SFT, metric) for metric in metrics] for name in names]
        )
        best = gains[: len(own)].argmax(axis=0).tolist()
        matrices.append(Matrix(metrics, names, gains.tolist(), best))
    return matrices


def _ahead(results: Results, text: str, arm: str, others: Sequence[str], metric: str) -> list[Claim]:
    """The claim that an arm is ahead of all others on a metric, the closest ones first; none without others."""
    leads = sorted((results.lead(arm, other, metric) for other in others), key=lambda lead: lead.value)
    return [Claim(text, [metric], verdict(leads), leads)] if leads else []


def as_numbers(results: Results, seeds: Sequence[int]) -> dict[str, Any]:
    """Means over users and seeds, per seed, and the difference from sft, of every arm and metric."""
    arms: dict[str, Any] = {}
    for place, name in enumerate([*results.names, BEST]):
        values: dict[str, Any] = {}
        for column, metric in enumerate(results.metrics):
            per_seed = results.measured.means[:, place, column]
            deviation = float(sample_deviation(per_seed))
            values[metric] = {"mean": float(per_seed.mean()), "std": deviation}
            values[metric]["per_seed"] = dict(zip(map(str, seeds), per_seed.tolist()))
            if 0 < place < len(results.names):
                lead = results.lead(name, SFT, metric)
                spread = float(sample_deviation(lead.seeds))
                ends = ("value", "low", "high", "low_over_seeds", "high_over_seeds")
                values[metric]["gain"] = {**{key: getattr(lead, key) for key in ends}, "std": spread}
        arms[name] = values
    return arms
