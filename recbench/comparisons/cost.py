"""What each arm of a bench was given, and what it took: steps, contexts, candidates, seconds."""

import statistics
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from recbench.comparisons.arm_runs import ArmRun
from recbench.comparisons.evaluations import arm_label
from recbench.comparisons.naming import as_picked
from recbench.rl.rules import rule_of
from recbench.runs import Run

REFERENCE = "grpo_beam"  # whose step the others' cost is relative to


def arm_name(config: DictConfig, one: ArmRun) -> str:
    """What an arm is called in tables: by an experiment's name for it, else by its rule."""
    return str(one.name if config.experiment is not None else arm_label(one.trained.config))


def cost_of(config: DictConfig, made: Sequence[ArmRun]) -> list[dict[str, Any]]:
    """What each arm was given on one data set: steps (and the one kept, by what metric), contexts, candidates, time.

    Steps and seconds are means over seeds; those a step are medians over steps, without validation, and relative to
    GRPO with beam negatives. None where it cannot be told.
    """
    a_step = {arm: _seconds_a_step([one.trained for one in made if one.name == arm]) for arm in config.chosen}
    reference = a_step.get(REFERENCE)
    cost = []
    for arm in dict.fromkeys(one.name for one in made):
        some = [one for one in made if one.name == arm]
        trained = [one.trained for one in some]
        picked = [as_picked(one.trained, one.scored.config.get("pick"))[1] for one in some]
        algo = trained[0].config.algo
        seconds = a_step[arm]
        cost.append(
            {
                "data": some[0].data,
                "arm": arm_name(config, some[0]),
                "steps": round(statistics.mean(one.metrics["steps"] for one in trained)),
                "kept": ", ".join(str(one["best_step"]) for one in picked),
                "picked": ", ".join(dict.fromkeys(str(one["selected_by"]) for one in picked)),
                "contexts": int(algo.batch_size) if rule_of(algo).takes_steps else None,
                "candidates": rule_of(algo).candidates(algo),
                "seconds": round(statistics.mean(one.manifest["training_seconds"] for one in trained)),
                "seconds_a_step": seconds,
                "relative": seconds / reference if seconds is not None and reference else None,
            }
        )
    return cost


def _seconds_a_step(trained: Sequence[Run]) -> float | None:
    known = [float(one.manifest["step_seconds"]) for one in trained if "step_seconds" in one.manifest]
    return statistics.mean(known) if known else None  # runs without steps, and older ones, have none
