"""Every configuration key with its type, range and unit; Hydra checks the types, `validate` the ranges.

The field's `help` metadata is what `recbench STAGE --help-config` and the README print.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from recbench.errors import UserError


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    one_of: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with a default, a one-line help text, and the values it may take."""
    metadata = {"help": help, "least": least, "most": most, "one_of": one_of}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class DataConfig:
    """Where interactions come from and how they are split."""

    name: str = option(MISSING, "name of the data set; names its folder under runs/")
    source: str = option(
        MISSING,
        "format of the data",
        one_of=("bazaar", "sequences", "minionerec", "table", "movielens", "amazon_reviews"),
    )
    path: str | None = option(None, "folder or file of the data (none for bazaar)")
    split: str = option("leave_one_out", "how interactions are split", one_of=("leave_one_out", "global_time"))
    min_user_interactions: int = option(3, "users with fewer interactions are dropped", least=1)
    min_item_interactions: int = option(1, "items with fewer interactions are dropped", least=1)
    options: dict[str, Any] = option({}, "settings of the source: bazaar's size and seed, table's columns ...")


@dataclass
class ItemTokensConfig:
    """How an item is written as tokens."""

    kind: str = option("atomic", "how an item becomes tokens", one_of=("atomic", "semantic_ids", "given"))
    source: str = option(
        "text", "semantic_ids: what items are embedded from: text, cooccurrence, or the folder of a sentence encoder"
    )
    path: str | None = option(None, "given: the index file (MiniOneRec's or LETTER's json)")
    levels: int = option(
        3, "semantic_ids: levels of residual k-means, the collision level not counted", least=1, most=8
    )
    codebook_size: int = option(256, "semantic_ids: clusters a level", least=2)
    dimensions: int = option(64, "semantic_ids: dimensions after SVD", least=2)
    break_collisions: bool = option(True, "semantic_ids: a last level tells apart items that share all codes")


@dataclass
class PolicyConfig:
    """The LLM recommender."""

    kind: str = option("llama_small", "policy architecture", one_of=("llama_small",))
    layers: int = option(2, "transformer layers", least=1)
    width: int = option(128, "hidden width; a multiple of twice the heads", least=4)
    heads: int = option(2, "attention heads", least=1)
    feed_forward: int = option(256, "width of the gated feed-forward layer", least=4)
    embedding_dropout: float = option(0.4, "dropout on token embeddings while training", least=0, most=0.99)
    output_dropout: float = option(0.4, "dropout on the last hidden state while training", least=0, most=0.99)
    initial_embeddings: str = option(
        "random",
        "where token embeddings start: random, or vectors of the items under each token, made from titles and texts "
        "(text) or from training interactions (cooccurrence)",
        one_of=("random", "text", "cooccurrence"),
    )
    initial_scale: float = option(
        0.05, "standard deviation of embeddings made from vectors; random ones start with 0.02", least=1e-6
    )
    history: int = option(30, "most recent items that the policy reads", least=1)


@dataclass
class NegativesConfig:
    """Which negatives join the positive in a group."""

    kind: str = option(
        "beam",
        "source of negatives: the whole catalogue uniformly (random), the policy's own beam, half of "
        "each (mixed), or ranks inside the FPR window (window)",
        one_of=("random", "beam", "mixed", "window"),
    )
    beam_width: int | None = option(None, "beam width B; none: the group size", least=1)
    exclude_seen: bool = option(False, "leave out items of the history that the policy reads")


@dataclass
class AlgoConfig:
    """The training rule: sft (next-item cross-entropy), grpo, or tawin."""

    name: str = option("grpo", "training rule", one_of=("sft", "grpo", "tawin"))
    # what is trained on
    interactions: str = option(
        "reserved",
        "which training interactions are targets: those of SFT (seen), those kept from it (reserved), or both (all)",
        one_of=("seen", "reserved", "all"),
    )
    # optimisation
    epochs: float = option(30.0, "sft: passes over the training sequences", least=0)
    steps: int = option(150, "optimiser steps of rl, and of sft that continues a checkpoint", least=0)
    batch_size: int = option(48, "sft: sequences a step; rl: contexts a step", least=1)
    learning_rate: float = option(3e-4, "peak learning rate of AdamW", least=0)
    weight_decay: float = option(0.0, "AdamW's weight decay", least=0)
    warmup: float = option(0.05, "share of steps over which the learning rate rises", least=0, most=1)
    max_gradient_norm: float = option(1.0, "gradient norm is clipped here", least=0)
    schedule: str = option("constant", "learning rate after the warm-up", one_of=("constant", "cosine"))
    label_smoothing: float = option(0.0, "sft: probability spread evenly over legal tokens", least=0, most=0.99)
    item_dropout: float = option(0.0, "sft: share of history items left out of each sequence", least=0, most=0.99)
    weight_averaging: float = option(
        0.0,
        "sft: decay a step of an exponential moving average of the weights, which is "
        "then what is evaluated and kept; 0 is off",
        least=0,
        most=0.99999,
    )
    # selection
    evaluate_every: int = option(
        25, "steps between validations; epochs for an sft that is not counted in steps", least=1
    )
    patience: int = option(0, "validations without improvement before stopping; 0 never stops early", least=0)
    select_by: str = option(
        "target",
        "validation metric that picks the checkpoint: target (the one the rule optimises) or "
        "one of auc, ndcg@10, hr@K, wpauc(a,b)",
    )
    validation_cases: int = option(1000, "validation cases scored at each validation; 0 is all", least=0)
    # groups and rewards (rl)
    group_size: int = option(16, "candidates a group, the positive included (G)", least=2)
    advantage: str = option("population", "group standardisation of rewards", one_of=("population", "sample", "none"))
    advantage_epsilon: float = option(1e-4, "added to the standard deviation of rewards", least=0)
    positives: str = option(
        "auto",
        "injected: always in the group; on_policy: only if the beam found it; window: weighted "
        "by its rank (9); auto: on_policy for beam and mixed, window for tawin, else injected",
        one_of=("auto", "injected", "on_policy", "window"),
    )
    surrogate: str = option("linear", "pairwise surrogate", one_of=("linear", "logistic", "sigmoid"))
    surrogate_temperature: float = option(1.0, "T of the logistic and sigmoid surrogates, in nats", least=1e-6)
    clip: float = option(0.2, "ratio clipping epsilon; 0 is off", least=0)
    updates_per_rollout: int = option(1, "optimiser steps on each set of groups", least=1)
    kl: float = option(0.0, "weight of the KL term to the frozen SFT policy", least=0)
    sft_weight: float = option(0.0, "weight of the SFT loss on the positives", least=0)
    dropout: bool = option(True, "rl: dropout stays on in the gradient pass")
    # windows (tawin)
    window: list[float] | None = option(None, "tawin: FPR window [a, b]")
    top_k: int | None = option(None, "tawin: aim at Top-K; negatives of ranks floor(K/2) to ceil(3K/2)", least=1)
    window_shape: str = option("hard", "tawin: weights at the window's ends", one_of=("hard", "soft"))
    window_temperature: float = option(0.5, "tawin: T of soft windows, in nats", least=1e-6)
    ranks: str = option(
        "exact", "tawin: where ranks come from: full-catalogue scoring, or a wide beam", one_of=("exact", "beam")
    )
    threshold_beam: float = option(
        2.0, "tawin, ranks=beam: beam width as a multiple of the window's last rank", least=1
    )


@dataclass
class StageConfig:
    """What every stage has."""

    seed: int = option(0, "seed of everything random; 0 is a seed like any other", least=0)
    runs: str = option("runs", "folder that runs are written to")
    input: str | None = option(
        None, "run to start from: a path, a unique prefix of its id, or latest; none: found or made"
    )
    upstream: bool = option(True, "make missing inputs; false fails instead (--no-upstream)")
    force: bool = option(False, "make inputs anew (--force)")
    threads: int = option(0, "CPU threads; 0 is torch's own choice", least=0)
    data: DataConfig = field(default_factory=DataConfig)


@dataclass
class DataStageConfig(StageConfig):
    """recbench data"""


@dataclass
class TrainStageConfig(StageConfig):
    """recbench train"""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    precision: str = option("float32", "autocast precision on an accelerator", one_of=("float32", "bfloat16"))
    reserved: int = option(1, "each user's last training interactions that SFT does not see and RL trains on", least=0)
    resume: str | None = option(None, "continue this interrupted run (--resume)")
    item_tokens: ItemTokensConfig = field(default_factory=ItemTokensConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    sft: AlgoConfig = field(default_factory=AlgoConfig)  # how the SFT run is made when rl finds none
    algo: AlgoConfig = field(default_factory=AlgoConfig)
    negatives: NegativesConfig = field(default_factory=NegativesConfig)


@dataclass
class EvalStageConfig(StageConfig):
    """recbench eval"""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    split: str = option("test", "which held-out interactions are scored", one_of=("validation", "test"))
    windows: list[list[float]] = option([[0.0, 0.01], [0.01, 0.05]], "FPR windows [a, b] (--window a,b, repeatable)")
    ks: list[int] = option([1, 5, 10, 20, 50], "Top-K cut-offs (--k 1,5,10)")
    ranks: str = option(
        "auto",
        "exact: full-catalogue scoring; beam: ranks beyond the width are censored; auto: exact where affordable",
        one_of=("auto", "exact", "beam"),
    )
    beam_width: int = option(50, "width for ranks=beam and for the recall check", least=1)
    max_cases: int = option(0, "score a fixed random sample of this many cases; 0 is all", least=0)
    top_items: int = option(10, "best items kept per case in ranks.parquet", least=0)
    bootstrap: int = option(1000, "bootstrap samples over users", least=0)
    batch_size: int = option(64, "contexts scored together", least=1)


STAGE_SCHEMAS: dict[str, type[StageConfig]] = {
    "data": DataStageConfig,
    "train": TrainStageConfig,
    "eval": EvalStageConfig,
}
METRIC_NAME = re.compile(r"target|auc|(hr|ndcg|mrr)@[1-9]\d*|(wpauc|mcclish|pauc)\([^,()]+,[^,()]+\)")


def register() -> None:
    """Put the schema of every stage where `conf/<stage>.yaml` finds it: as `<stage>_schema`."""
    for stage, schema in STAGE_SCHEMAS.items():
        ConfigStore.instance().store(name=f"{stage}_schema", node=schema)


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """A question to end an error line with, or nothing when no word is near; `steps` is near `algo.steps`."""
    near = difflib.get_close_matches(word, words, n=1) or [other for other in words if other.startswith(word)][:1]
    ends = {dotted.rpartition(".")[2]: dotted for dotted in words}
    near = near or [ends[end] for end in difflib.get_close_matches(word, list(ends), n=1)]
    return f"; did you mean {near[0]!r}?" if near else ""


def options(schema: type, prefix: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """Every (dotted key, dataclass field) of a schema, nested ones included."""
    for item in fields(schema):
        if is_dataclass(item.type):
            yield from options(cast(type, item.type), f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, item


def expected(item: Field[Any]) -> str:
    """What a field takes, in words: `one of a, b`, `at least 1 and at most 8`, or its type."""
    one_of, least, most = (item.metadata.get(key) for key in ("one_of", "least", "most"))
    if one_of:
        return "one of " + ", ".join(one_of)
    bounds = [f"{word} {bound:g}" for word, bound in (("at least", least), ("at most", most)) if bound is not None]
    return " and ".join(bounds) or str(getattr(item.type, "__name__", item.type))


def describe(stage: str) -> list[tuple[str, str, str, str]]:
    """(key, default, what it takes, help) of every option of a stage; conf/ may set other defaults."""
    rows = []
    for key, item in options(STAGE_SCHEMAS[stage]):
        default = item.default if item.default_factory is NO_DEFAULT else item.default_factory()
        shown = "required" if default == MISSING else "none" if default is None else str(default)
        rows.append((key, shown, expected(item), item.metadata.get("help", "")))
    return rows


def validate(stage: str, config: DictConfig) -> None:
    """Check every value against its field's range and choices, and what spans fields; raises UserError in one line."""
    _check_keys(config, STAGE_SCHEMAS[stage])
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{missing[0]} has no value: give {missing[0]}=VALUE")
    for key, item in options(STAGE_SCHEMAS[stage]):
        _check_value(key, OmegaConf.select(config, key), item)
    if stage == "train":
        _check_training(config)
    if stage == "eval":
        if not config.windows and not config.ks:
            raise UserError("windows and ks are both empty: give --window a,b or --k K")
        for window in config.windows:
            check_window("windows", window)
        for k in config.ks:
            if k < 1:
                raise UserError(f"ks={list(config.ks)}: expected whole numbers of at least 1, as in --k 1,5,10")


def check_window(name: str, window: Sequence[float]) -> None:
    """Raise UserError unless `window` is [a, b] with 0 <= a < b <= 1."""
    if len(window) != 2 or not 0 <= window[0] < window[1] <= 1:
        shown = "[" + ", ".join(f"{end:g}" for end in window) + "]"
        raise UserError(f"{name}={shown}: expected two false positive rates a,b with 0 <= a < b <= 1, as in 0.01,0.05")


def _check_keys(config: DictConfig, schema: type, prefix: str = "") -> None:
    known = {item.name: item.type for item in fields(schema)}
    for key in config:
        if key not in known:  # Hydra lets +key=value add anything
            raise UserError(f"unknown key {prefix}{key!s}{did_you_mean(str(key), [str(name) for name in known])}")
        if is_dataclass(known[str(key)]):
            _check_keys(config[key], cast(type, known[str(key)]), f"{prefix}{key}.")


def _check_value(key: str, value: Any, item: Field[Any]) -> None:
    one_of, least, most = (item.metadata.get(name) for name in ("one_of", "least", "most"))
    if value is None:
        return
    if one_of and value not in one_of:
        raise UserError(f"{key}={value!r}: expected {expected(item)}{did_you_mean(str(value), one_of)}")
    if isinstance(value, int | float):
        if value != value or value in (float("inf"), float("-inf")):
            raise UserError(f"{key}={value}: expected a finite number")
        if (least is not None and value < least) or (most is not None and value > most):
            raise UserError(f"{key}={value:g}: expected {expected(item)}")


def _check_training(config: DictConfig) -> None:
    algo = config.algo
    given = [name for name in ("window", "top_k") if algo[name] is not None]
    if algo.name == "tawin" and len(given) != 1:
        problem = "both are given" if given else "neither is given"
        raise UserError(f"algo=tawin needs either --window a,b or --top-k K: {problem}")
    if algo.name != "tawin" and given:
        raise UserError(f"algo.{given[0]} is for tawin, and algo is {algo.name}: add --algo=tawin or leave it out")
    if algo.name != "tawin" and config.negatives.kind == "window":
        raise UserError(f"negatives=window is for tawin, and algo is {algo.name}: use --neg=random, beam or mixed")
    if algo.name != "tawin" and algo.positives == "window":
        raise UserError(f"algo.positives=window is for tawin, and algo is {algo.name}: use injected, on_policy or auto")
    if algo.window is not None:
        check_window("algo.window", algo.window)
    if config.sft.name != "sft":
        raise UserError(
            f"sft.name={config.sft.name!r}: the node 'sft' tells how an SFT run is made; its name stays sft"
        )
    for node in ("algo", "sft"):
        if not METRIC_NAME.fullmatch(config[node].select_by):
            raise UserError(
                f"{node}.select_by={config[node].select_by!r}: expected target, auc, hr@K, ndcg@K, mrr@K or wpauc(a,b)"
            )
    if config.policy.width % (2 * config.policy.heads):
        raise UserError(
            f"policy.width={config.policy.width}: expected a multiple of twice the heads ({2 * config.policy.heads})"
        )
    if config.item_tokens.kind == "given" and config.item_tokens.path is None:
        raise UserError("item_tokens=given needs the index file: give item_tokens.path=FILE")
