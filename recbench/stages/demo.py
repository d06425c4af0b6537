"""recbench demo: both chains on the embedded market, and one report of both."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from recbench.comparisons.bench import bench
from recbench.composition import compose
from recbench.console.progress import Steps
from recbench.errors import UserError
from recbench.execution import execute, prepare
from recbench.quoting import quote
from recbench.runs import Run
from recbench.runs.order import end_of
from recbench.schema import STAGE_SCHEMAS, describe, did_you_mean
from recbench.training.device import choose_device
from recbench.upstream import reuse

MARKET = ["data=bazaar", "data.options.size=small"]
# A third of the usual rate: three thousand reserved interactions are soon learned by heart.
RECOMMENDER = ["algo.learning_rate=1e-4"]
CAPTIONS: list[str] = []  # beside the market, captions are written as recbench caption would
CLICKS: list[str] = []  # and click models trained as recbench ctr would
CTR_SEEDS = 3  # of the click model: enough to see how far seeds are apart
# Stages with the processor's seconds that they took on one core, for the time left.
SECONDS = {
    "data, the market and its pictures": 5,
    "caption, a captioner learns and writes": 130,
    "tokenize, captions become columns": 1,
    "ctr, what do captions add to a click model?": 37,
    "simulate, the click models meet users": 4,
    "bench, what does reinforcement learning add to SFT?": 90,
}
KEYS = ("seed", "runs", "threads", "device")  # what a demo may be asked for: the rest is what it shows


def demo(overrides: Sequence[str] = (), *, force: bool = False) -> Run:
    """Caption, tokenize, train click models and test them online; train and compare recommenders; report both.

    `overrides` are of KEYS. Finished runs of just the same config are reused, unless `force` makes them anew. Raises
    UserError for another key.
    """
    for text in overrides:
        key = text.partition("=")[0]
        if key not in KEYS:
            near = did_you_mean(key, KEYS)
            raise UserError(
                f"{text}: the demo takes {', '.join(f'{name}=' for name in KEYS)}{near}; other settings are for the "
                "commands that it consists of, such as recbench ctr or recbench bench"
            )
    # `data` has no device of its own: that of the simulation's config stands for all
    base = prepare("simulate", compose("simulate", [*MARKET, *overrides]), overrides)
    choose_device(str(base.device))  # one that is not there shows before anything is made
    values: dict[str, Any] = {**compose("data", MARKET), **{key: base[key] for key in KEYS}, "force": force}  # type: ignore[dict-item]
    return execute("demo", OmegaConf.create(values), list(overrides))


def describe_demo() -> list[tuple[str, str, str, str]]:
    """The options of `recbench demo`, as `schema.describe` has them."""
    return [row for row in describe("simulate") if row[0] in KEYS]


def run(config: DictConfig, run: Run) -> dict[str, Any]:
    """The stage: returns the numbers of the caption, the ctr, the simulate and the bench run."""
    steps = Steps("stage", SECONDS, run.log)
    seeds = list(range(config.seed, config.seed + CTR_SEEDS))
    seeded = f"seed={config.seed}"

    def made(stage: str, *overrides: str) -> Run:
        steps.begin()
        other = reuse(stage, [*_common(config, stage), *overrides], run, force=config.force)
        steps.end(end_of(other.manifest, other.id))
        return other

    made("data")
    captions = made("caption", *CAPTIONS)
    made("tokenize", *CAPTIONS)
    clicks = made("ctr", *CAPTIONS, *CLICKS, seeded, f"seeds={quote(seeds)}")
    tested = made("simulate", seeded, f"input={clicks.id}")
    steps.begin()
    compared = bench([*_common(config, "train"), *RECOMMENDER], seeds=[config.seed], force=config.force)
    run.use(compared)
    run.record(data_fingerprint=clicks.data_fingerprint)
    return {
        "caption": captions.metrics,
        "ctr": clicks.metrics,
        "simulate": tested.metrics,
        "bench": compared.metrics,
    }


def _common(config: DictConfig, stage: str) -> list[str]:
    """The market, and where and how a stage computes, as far as it has a choice."""
    known = {field.name for field in fields(STAGE_SCHEMAS[stage])}
    shared = [f"{key}={quote(config[key])}" for key in KEYS if key != "seed" and key in known]
    return [*MARKET, *shared]
