"""recbench simulate: two arms of ctr runs meet users, online in bazaar or off-policy on logged rounds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recbench.ctr.arms import ARMS
from recbench.ctr.models import past_clicks
from recbench.ctr.scoring import Scorer, load_scorer
from recbench.data.dataset import RecommendationData, load_data
from recbench.data.impressions import Impressions, click_histories
from recbench.data.interactions import TEST
from recbench.errors import UserError
from recbench.metrics.lift import Rate, sample_size
from recbench.metrics.off_policy import ips
from recbench.runs import Run, atomic_path
from recbench.schema import SimulateStageConfig, label_of
from recbench.simulation.logged import policy_estimates, softmax_policy
from recbench.simulation.online import (
    Policy,
    Traffic,
    assigned,
    false_positives,
    last_clicked,
    read_test,
    simulate_visits,
)
from recbench.stages.cutoffs import at_most
from recbench.training.device import choose_device, use_threads
from recbench.upstream import agreeing, require

CALLED = {"without": "without captions", "with": "with captions", "shuffled": "captions shuffled"}
AA_TESTS = 500  # random splits of users that all had arm a


@dataclass(frozen=True)
class _Arm:
    """One arm of a ctr run."""

    run: Run
    name: str

    @property
    def history(self) -> int:
        """Past clicks that its model reads."""
        return past_clicks(self.run.config.ctr)


def run(config: SimulateStageConfig, run: Run) -> dict[str, Any]:
    """Test arm b against arm a, and return rates, lift and sample size, or off-policy estimates on logged data.

    Raises:
        UserError: arms that are the same or that no run has, more candidates than items, or data of which neither the
            true click model nor propensities are known.
    """
    use_threads(config.threads)
    device = choose_device(config.device)
    online = config.data.source == "bazaar"
    if config.a == config.b:
        raise UserError(f"a and b are both {config.a!r}: give two different arms, such as a=without b=with")
    arms = _arms(config, run, online)
    data_run = arms[0].run.input_run("data") or require("data", config, run)  # type: ignore[arg-type]
    run.use(data_run)
    data = load_data(data_run.path)
    run.record(data_fingerprint=data.fingerprint, device=str(device))
    if data.impressions is None:
        raise UserError(f"data set {data.name} has no impressions; simulate needs a click log")
    run.record(headline=[_headline(config, arms)])
    scorers = [_scorer(arm, data, device) for arm in arms]
    if online:
        return _online(config, run, data, arms, scorers)
    return _off_policy(config, run, data, arms, scorers)


def _arms(config: SimulateStageConfig, run: Run, online: bool) -> list[_Arm]:
    """Arms a and b; on logged data, a and, where its run has it, b."""
    named = [_split_name(text) for text in (config.a, config.b)]
    needed = {arm for name, arm in (named if online else named[:1]) if name is None}
    agrees = agreeing("simulate", config, ("captioner", "features", "ctr"))  # type: ignore[arg-type]

    def fits(candidate: Run) -> bool:
        return needed <= set(candidate.config.arms) and agrees(candidate)

    common: Run | None = None
    arms = []
    for place, (name, arm) in enumerate(named):
        if name is None and common is None:
            made = {"captioner": config.captioner, "features": config.features, "ctr": config.ctr}
            made |= {"device": config.device} | ({} if online else {"arms": sorted(needed)})
            common = require("ctr", config, run, match=fits, make=made, input=config.input)  # type: ignore[arg-type]
        chosen = common if name is None else require("ctr", config, run, input=name)  # type: ignore[arg-type]
        assert chosen is not None
        there = list(chosen.config.arms)
        if arm in there:
            arms.append(_Arm(chosen, arm))
        elif online or place == 0:
            raise UserError(f"ctr run {chosen.id} has no arm {arm!r}; it has: {', '.join(there)}")
    return arms


def _headline(config: SimulateStageConfig, arms: list[_Arm]) -> str:
    """Which arms of which ctr runs meet: `a: deepfm, without captions, seed 0 (ctr run ID); b: ...`."""
    return "; ".join(
        f"{name}: {label_of('ctr', arm.run.config.ctr)}, {CALLED[arm.name]}, "
        f"seed {arm.run.config.seeds[0]} (ctr run {arm.run.id})"
        for name, arm in zip("ab", arms)
    )


def _split_name(text: str) -> tuple[str | None, str]:
    """Run and arm of `ARM`, `RUN:ARM` or `RUN`, which is its arm with captions."""
    if text in ARMS:
        return None, text
    name, _, arm = text.rpartition(":")
    return (name, arm) if name and arm in ARMS else (text, "with")


def _scorer(arm: _Arm, data: RecommendationData, device: torch.device) -> Scorer:
    scorer = load_scorer(arm.run.path, data, arm.name, int(arm.run.config.seeds[0]))
    scorer.model.to(device)
    return scorer


def _online(
    config: SimulateStageConfig, run: Run, data: RecommendationData, arms: list[_Arm], scorers: list[Scorer]
) -> dict[str, Any]:
    shown, items = data.impressions, data.catalogue.num_rows
    assert shown is not None
    config.candidates = at_most(config.candidates, items, "candidates", run, f"{data.name} has {items} items")
    config.shown = at_most(config.shown, config.candidates, "shown", run, f"a visit has {config.candidates} candidates")
    probability = _truth(config, shown)
    policies: dict[str, Policy] = {
        name: _policy(scorer, arm, shown) for name, arm, scorer in zip("ab", arms, scorers, strict=True)
    }
    policies |= {"oracle": probability, "random": lambda users, items: np.zeros(len(users))}
    users = len(shown.users)
    with run.progress("visits", users) as bar:
        traffic = simulate_visits(
            policies,
            probability,
            users=users,
            items=items,
            visits=config.visits,
            candidates=config.candidates,
            shown=config.shown,
            rng=np.random.default_rng([config.seed, 0]),
            advance=bar.advance,
        )
    treated = assigned(shown.users, f"test {config.seed}")
    lift = read_test(treated, traffic["a"], traffic["b"])
    same = read_test(treated, traffic["a"], traffic["a"])
    _write_users(run, shown.users, treated, traffic)
    expected = {name: float(part.expected.sum() / part.impressions.sum()) for name, part in traffic.items()}
    salts = [f"same {config.seed} {number}" for number in range(AA_TESTS)]
    return {
        "a": config.a,
        "b": config.b,
        "model": label_of("ctr", arms[0].run.config.ctr),
        "control": lift.control._asdict(),
        "treatment": lift.treatment._asdict(),
        "lift": {"value": lift.value, "low": lift.low, "high": lift.high, "p": lift.p},
        "expected_lift": expected["b"] / expected["a"] - 1,
        "expected": expected,  # click-through rates if all users had had that policy, without the luck of clicks
        "same_arm": {"lift": same.value, "low": same.low, "high": same.high, "p": same.p}
        | {"tests": AA_TESTS, "false_positives": false_positives(shown.users, traffic["a"], salts)},
        "sample_size": _sample_size(config, lift.control),
    }


def _truth(config: SimulateStageConfig, shown: Impressions) -> Policy:
    """The market's click probability of users and items, once it is seen to be the one that drew the impressions."""
    from recbench.data.sources.bazaar import generate

    clicks = generate(config.data.options["size"], config.data.options["seed"]).clicks
    number = np.array([int(name.removeprefix("u")) for name in shown.users])

    def probability(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return clicks.probability(number[users], items)

    kept = shown.probability
    if kept is None or not np.allclose(probability(shown.user, shown.item), kept, rtol=0, atol=1e-9):
        raise UserError("the data run is of an older market than this version generates: make all anew with --force")
    return probability


def _policy(scorer: Scorer, arm: _Arm, shown: Impressions) -> Policy:
    """Rank by the arm's model, which sees each user's last clicks of the whole log."""
    last = last_clicked(shown, arm.history) if arm.history else None
    return lambda users, items: scorer.score(users, items, histories=None if last is None else last[users])


def _sample_size(config: SimulateStageConfig, control: Rate) -> dict[str, Any]:
    """Impressions and users an arm that a lift of config.lift would need."""
    if not 0 < control.value * (1 + config.lift) < 1 or not control.design_effect > 0:
        return {"lift": config.lift, "impressions": math.nan, "users": math.nan}
    impressions = sample_size(control.value, config.lift, design_effect=control.design_effect)
    users = math.ceil(impressions / (config.visits * config.shown))
    return {"lift": config.lift, "impressions": impressions, "users": users}


def _write_users(run: Run, users: list[str], treated: np.ndarray, traffic: dict[str, Traffic]) -> None:
    """One row a user: the arm, what was shown and clicked under it, and the clicks to expect under every policy."""
    columns: dict[str, Any] = {"user": users, "arm": np.where(treated, "b", "a").tolist()}
    for name in ("impressions", "clicks"):
        columns[name] = np.where(treated, getattr(traffic["b"], name), getattr(traffic["a"], name))
    columns |= {f"expected {name}": part.expected for name, part in traffic.items()}
    with atomic_path(run.path / "users.parquet") as partial:
        pq.write_table(pa.table(columns), partial)


def _off_policy(
    config: SimulateStageConfig, run: Run, data: RecommendationData, arms: list[_Arm], scorers: list[Scorer]
) -> dict[str, Any]:
    shown, items = data.impressions, data.catalogue.num_rows
    assert shown is not None
    if shown.propensity is None:
        raise UserError(
            f"of data set {data.name} neither the true click model nor propensities are known; use data=bazaar or "
            "data=open_bandit"
        )
    rows = np.flatnonzero(shown.split == TEST)
    if not len(rows):
        raise UserError(f"data set {data.name} has no test impressions to estimate on")
    rewards, propensities = shown.label[rows].astype(np.float64), shown.propensity[rows]
    actions = shown.item[rows]
    options: dict[str, Any] = {"samples": config.bootstrap, "seed": config.seed}
    # Weights of one: the mean of what was seen, with an interval made like the others'.
    policies: dict[str, Any] = {
        "as logged": {"logged": ips(rewards, propensities, propensities, **options)._asdict()}
        | {"effective_rounds": float(len(rows))}
    }
    temperature = config.temperature
    kind = f"softmax at temperature {temperature:g}" if temperature else "greedy"
    with run.progress("rounds", len(rows) * len(arms)) as bar:
        for arm, scorer in zip(arms, scorers, strict=True):
            predicted = _all_actions(scorer, arm, shown, rows, items, bar.advance)

            def estimate(policy: np.ndarray, predicted: np.ndarray = predicted) -> dict[str, Any]:
                return policy_estimates(rewards, propensities, actions, policy, predicted, **options)

            if len(policies) == 1:  # a check: where the log is uniform, this is what was logged
                policies["uniform"] = estimate(np.full((len(rows), items), 1 / items))
            policies[f"{arm.name}, {kind}"] = estimate(softmax_policy(predicted, temperature))
    return {
        "model": label_of("ctr", arms[0].run.config.ctr),
        "rounds": len(rows),
        "actions": items,
        "clicks": int(rewards.sum()),
        "off_policy": policies,
    }


def _all_actions(
    scorer: Scorer, arm: _Arm, shown: Impressions, rows: np.ndarray, items: int, advance: Callable[[int], None]
) -> np.ndarray:
    """Predicted click probabilities of all items in each round: float64 [R, N]."""
    scores = np.empty((len(rows), items))
    block = max(1, (1 << 18) // items)
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        repeated = np.repeat(part, items)
        histories = np.repeat(click_histories(shown, part, arm.history), items, axis=0) if arm.history else None
        predicted = scorer.score(
            shown.user[repeated],
            np.tile(np.arange(items), len(part)),
            query=None if shown.query is None else shown.query[repeated],
            histories=histories,
            context={name: values[repeated] for name, values in shown.context.items()},
        )
        scores[start : start + block] = predicted.reshape(len(part), items)
        advance(len(part))
    return scores
