"""recbench laboratory: all arms of every seed from one SFT policy, in a market whose truth is known, and the claims."""

from dataclasses import asdict
from typing import Any

import numpy as np

from recbench.errors import UserError
from recbench.laboratory.arms import Arm, read_arms
from recbench.laboratory.claims import Results, anchor_curves, as_numbers, check_claims, window_matrices
from recbench.laboratory.measure import measure
from recbench.laboratory.training import TEST_USERS, Cost, market_of, sft_policy, stream, train_arm
from recbench.metrics.table import COMPARE, metric_order, named_metrics, read_metric
from recbench.runs import Run
from recbench.schema import LaboratoryStageConfig
from recbench.stages.cutoffs import within
from recbench.training.device import use_threads


def run(config: LaboratoryStageConfig, run: Run) -> dict[str, Any]:
    """Train, measure, and return every number of the report.

    Raises:
        UserError: seeds given twice, arms that make no sense, or cut-offs beyond the catalogue.
    """
    use_threads(config.threads)
    seeds = list(config.seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UserError(f"seeds={seeds}: expected different whole numbers from 0, as in --seeds 0,1,2")
    if config.rank >= config.data.dimensions:
        run.note(
            f"rank={config.rank} is not below data.dimensions={config.data.dimensions}: no optimum excludes another"
        )
    arms = read_arms(config, run.note)
    for note in dict.fromkeys(f"{arm.name}: {note}" for arm in arms for note in arm.notes):
        run.note(note)
    metrics = _metrics(config, arms, run)
    markets = [market_of(config.data, seed) for seed in seeds]
    policies, costs = [], []
    steps = len(seeds) * (config.sft.steps + sum(arm.algo.steps for arm in arms))
    with run.progress("train", steps) as bar:

        def advance() -> None:
            bar.advance(1)

        for seed, market in zip(seeds, markets):
            start = sft_policy(market, config.rank, config.sft, seed, advance)
            trained = [train_arm(market, start, arm, seed, advance) for arm in arms]
            policies.append([start, *(policy for policy, _ in trained)])
            costs.append([cost for _, cost in trained])
    with run.progress("measure", config.test_users) as bar:
        generator = stream(config.seed, TEST_USERS)
        measured = measure(markets, policies, config.test_users, metrics, generator, bar.advance)
    results = Results(arms, metrics, measured)
    run.record(cost=[_cost(arm, [row[place] for row in costs]) for place, arm in enumerate(arms)])
    return {
        "order": results.names,
        "metrics": metrics,
        "aims": {arm.name: arm.aim for arm in arms},
        "arms": as_numbers(results, seeds),
        "claims": [asdict(claim) for claim in check_claims(results)],
        "anchors": [asdict(curves) for curves in anchor_curves(results)],
        "matrices": [asdict(matrix) for matrix in window_matrices(results)],
        "users": config.test_users,
    }


def _metrics(config: LaboratoryStageConfig, arms: list[Arm], run: Run) -> list[str]:
    """AUC, the arms' own aims, the windows and the Top-K metrics that are asked for; windows by their ends."""
    negatives = config.data.catalogue_size - 1
    ks = within(config.ks, negatives, "ks", run, f"data.catalogue_size={negatives + 1} has {negatives} negatives")
    aims = [arm.aim for arm in arms if arm.aim]
    asked = named_metrics(COMPARE, config.windows, ks)
    windows = [one.name for one in asked if one.window is not None]
    windows += [aim for aim in aims if read_metric(aim).window is not None]
    cutoffs = sorted((one.name for one in asked if one.k is not None), key=lambda name: metric_order(name)[0])
    return list(dict.fromkeys(["auc", *windows, *cutoffs, *aims]))


def _cost(arm: Arm, costs: list[Cost]) -> dict[str, Any]:
    """What a step took, mean over seeds; times are no metrics, because they differ from run to run."""
    rows = [[cost.candidates, cost.no_effect, cost.scored, cost.seconds, cost.group_seconds] for cost in costs]
    keys = ("candidates", "no_effect", "scored", "seconds_a_step", "group_seconds_a_step")
    return {"arm": arm.name, "overrides": " ".join(arm.overrides), **dict(zip(keys, np.mean(rows, axis=0).tolist()))}
