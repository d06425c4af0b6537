"""recbench demo: both chains on the embedded market, and one report of both."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from recbench.composition import compose
from recbench.execution import execute
from recbench.reporting.progress import say
from recbench.runs import Run
from recbench.stages.bench import bench
from recbench.stages.upstream import reuse

MARKET = ["data=bazaar", "data.options.size=small"]
# A third of the usual rate: three thousand reserved interactions are soon learned by heart.
RECOMMENDER = ["algo.learning_rate=1e-4"]
CLICKS: list[str] = []  # beside the market, the click models are trained as recbench ctr would
CTR_SEEDS = 3  # of the click model: enough to see how far seeds are apart


def demo(*, runs: str, seed: int, force: bool = False) -> Run:
    """Caption, tokenize, train click models and test them online; train and compare recommenders; report both.

    Finished runs of just the same config are reused, unless `force` makes them anew.
    """
    base = compose("data", MARKET)
    config = OmegaConf.create({**base, "runs": runs, "seed": seed, "force": force})
    return execute("demo", config, [f"seed={seed}", f"runs={runs}"])


def run(config: DictConfig, run: Run) -> dict[str, Any]:
    """The stage: returns the numbers of the ctr, the simulate and the bench run."""
    from recbench.dispatch import quote

    common = [*MARKET, f"runs={quote(config.runs)}"]
    seeds = list(range(config.seed, config.seed + CTR_SEEDS))
    say("== captions to clicks: what do captions add to a click model?")
    clicks = reuse("ctr", [*common, *CLICKS, f"seed={config.seed}", f"seeds={quote(seeds)}"], run, force=config.force)
    tested = reuse("simulate", [*common, f"seed={config.seed}", f"input={clicks.id}"], run, force=config.force)
    say("== recommenders: what does reinforcement learning add to SFT?")
    compared = bench([*common, *RECOMMENDER], seeds=[config.seed], force=config.force)
    run.use(compared)
    run.record(data_fingerprint=clicks.data_fingerprint)
    tokenized = clicks.input_run("tokenize")
    captions = tokenized.input_run("caption") if tokenized is not None else None
    if captions is not None:
        run.use(captions)
    return {
        "caption": captions.metrics if captions is not None else {},
        "ctr": clicks.metrics,
        "simulate": tested.metrics,
        "bench": compared.metrics,
    }
