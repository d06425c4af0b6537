"""Names in a config that stand for something today, with what they stand for put beside them or in their place."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig

from recbench import extensions
from recbench.errors import UserError
from recbench.metrics.table import add_metric, read_metric
from recbench.runs import require_finished, resolve_run
from recbench.schema.kinds import ITEM_TOKENS
from recbench.weights import weights_fingerprint

TRIAL = ([0, 1, 0, 4], [0, 0, 2, 0], [9, 9, 9, 9])  # cases of a user's metric: above, ties, negatives


def own_metrics(names: Iterable[str]) -> None:
    """Import those of the metrics that are a user's own, and let the metrics know them.

    Each is tried on four cases, so that one that gives no numbers is told before anything is made.

    Raises:
        UserError: there is no such function, or it gives no number a case.
    """
    for name in names:
        if (extension := extensions.metric(name)) is not None:
            add_metric(name.partition("@")[0], extension.found)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    read_metric(name).of_counts(*TRIAL)
                except UserError:
                    raise
                except Exception:  # whatever four cases are too few for is told where there are more
                    continue


def settle_metrics(config: DictConfig) -> None:
    """Import the user's own metrics, and put the hashes of their files beside their names."""
    own_metrics(config.metrics)
    found = {}
    for name in config.metrics:
        if (extension := extensions.metric(name)) is None:
            raise UserError(
                f"metrics=[{name}]: expected functions of your own, as MODULE.FUNCTION or MODULE.FUNCTION@10; "
                "built-in ones are always there, by --window and --k"
            )
        found[name] = extension.code
    if config.metric_code not in ({}, found):
        raise UserError("metric_code is told by recbench, and not to be given: leave it out")
    config.metric_code = found


def settle_training(config: DictConfig) -> None:
    """Settle where item tokens come from, and which weights a pretrained policy starts from."""
    settle_item_tokens(config)
    if not config.policy.get("path") or config.input is not None:
        return
    folder = Path(str(config.policy.path))
    found = weights_fingerprint(folder) if folder.is_dir() else None
    if config.policy.weights not in (None, found):
        raise UserError(
            f"policy.weights={str(config.policy.weights)[:12]}... is not what policy.path={folder} holds today: put "
            "back that checkpoint, or leave policy.weights, which recbench tells, out"
        )
    config.policy.weights = found


def settle_item_tokens(config: DictConfig) -> None:
    """Where `item_tokens.source` names a tokenize run, put its folder there: what is `latest` today is not tomorrow."""
    if not ITEM_TOKENS[config.item_tokens.kind].has_source or config.input is not None:
        return
    source = str(config.item_tokens.source)
    if source in ("text", "cooccurrence") or (Path(source) / "config.json").is_file():
        return
    try:
        found = require_finished(resolve_run(config.runs, source, "tokenize", data=str(config.data.name)))
    except UserError as problem:
        raise UserError(
            f"item_tokens.source={source}: expected text, cooccurrence, the folder of a sentence encoder (with "
            f"config.json, tokenizer and weights), or a tokenize run: {problem}"
        ) from problem
    if not (found.path / "semantic_ids.json").is_file():
        raise UserError(
            f"item_tokens.source={source}: tokenize run {found.id} has no semantic IDs; make them with "
            "recbench tokenize features=semantic_ids"
        )
    config.item_tokens.source = str(found.path)
