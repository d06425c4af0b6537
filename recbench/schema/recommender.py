"""Configuration of the LLM recommender: item tokens, policy, `recbench train` and `recbench eval`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recbench.kinds import settings_of_kinds
from recbench.option import option
from recbench.schema.kinds import ITEM_TOKEN_KINDS, POLICIES, POLICY_KINDS
from recbench.schema.options import StageConfig
from recbench.schema.training import AlgoConfig, NegativesConfig

if TYPE_CHECKING:  # their fields are not known before the program runs: `recbench.kinds.own` gives them their types

    class ItemTokenSettings:
        """The own settings of ways to write items as tokens."""

    class PolicySettings:
        """The own settings of kinds of policies."""
else:
    ItemTokenSettings = settings_of_kinds("ItemTokenSettings", ITEM_TOKEN_KINDS, "kind")
    PolicySettings = settings_of_kinds("PolicySettings", POLICY_KINDS, "kind")


@dataclass
class ItemTokenOptions:
    """Settings of the first ways."""

    kind: str = option("atomic", "how an item becomes tokens", one_of=tuple(ITEM_TOKEN_KINDS))
    source: str = option(
        "text",
        "what items are embedded from: text, cooccurrence, or the folder of a sentence encoder; or a "
        "tokenize run (path, beginning of its id, latest) that has them ready, made from captions",
        of="kind=semantic_ids",
    )
    path: str | None = option(None, "the index file (MiniOneRec's or LETTER's json)", of="kind=given")
    levels: int = option(
        3,
        "levels of residual k-means, the collision level not counted",
        least=1,
        most=8,
        of="kind=semantic_ids made_by=us",
    )
    codebook_size: int = option(256, "clusters a level", least=2, of="kind=semantic_ids made_by=us")
    dimensions: int = option(64, "dimensions after SVD", least=2, of="kind=semantic_ids made_by=us")
    break_collisions: bool = option(
        True, "a last level tells apart items that share all codes", of="kind=semantic_ids made_by=us"
    )


@dataclass
class ItemTokensConfig(ItemTokenSettings, ItemTokenOptions):
    """How an item is written as tokens."""


@dataclass
class SharedPolicySettings:
    """Which policy, and what several of them read."""

    kind: str = option(
        "llama_small",
        "the LLM recommender from scratch (llama_small) or a pretrained language model (pretrained), a transformer "
        "trained by any rule (sasrec), matrix factorisation trained by bpr (bpr_mf), or a policy that is counted "
        "(popularity, item_knn)",
        one_of=tuple(POLICIES),
    )
    layers: int = option(2, "transformer layers", least=1, of="kind=llama_small,sasrec")
    width: int = option(
        128,
        "hidden width, a multiple of twice the heads for llama_small; bpr_mf: number of factors",
        least=4,
        of="kind=llama_small,sasrec,bpr_mf",
    )
    heads: int = option(2, "attention heads", least=1, of="kind=llama_small,sasrec")
    feed_forward: int = option(
        256, "width of the feed-forward layer, gated in llama_small", least=4, of="kind=llama_small,sasrec"
    )
    embedding_dropout: float = option(
        0.4, "dropout on token embeddings while training", least=0, most=0.99, of="kind=llama_small,pretrained,sasrec"
    )
    output_dropout: float = option(
        0.4,
        "dropout on the last hidden state while training",
        least=0,
        most=0.99,
        of="kind=llama_small,pretrained,sasrec",
    )
    initial_embeddings: str = option(
        "random",
        "where token embeddings start: random, or vectors of the items under each token, made from titles and texts "
        "(text; pretrained: of the titles' tokens, by the model's own embeddings) or from training interactions "
        "(cooccurrence; not of pretrained)",
        one_of=("random", "text", "cooccurrence"),
        of="kind=llama_small,pretrained,sasrec",
    )
    initial_scale: float = option(
        0.05,
        "standard deviation of embeddings made from vectors; random ones start with 0.02",
        least=1e-6,
        of="kind=llama_small,sasrec initial_embeddings!=random",
    )
    history: int = option(
        30, "most recent items that the policy reads", least=1, of="kind=llama_small,pretrained,sasrec,item_knn"
    )
    path: str | None = option(
        None,
        "folder of a decoder-only language model of transformers, or its name on the hub; its weights are safetensors, "
        "and code that comes with it is not run",
        of="kind=pretrained",
    )
    weights: str | None = option(
        None, "SHA-256 of the weights in that folder; told by recbench, not to be given", of="kind=pretrained"
    )
    train: str = option(
        "full",
        "what is trained beside the items' new tokens: all of the model (full), LoRA beside its linear layers (lora), "
        "or nothing (frozen)",
        one_of=("full", "lora", "frozen"),
        of="kind=pretrained",
    )
    body_learning_rate: float = option(
        0.1,
        "learning rate of the pretrained weights, or of LoRA, as a multiple of algo.learning_rate, that of new tokens",
        least=0,
        of="kind=pretrained train=full,lora",
    )
    lora_rank: int = option(16, "rank of LoRA's matrices", least=1, of="kind=pretrained train=lora")
    lora_alpha: float = option(32.0, "LoRA's updates are multiplied by alpha / rank", of="kind=pretrained train=lora")
    lora_dropout: float = option(0.0, "dropout on what LoRA reads", least=0, most=0.99, of="kind=pretrained train=lora")
    dtype: str = option(
        "float32",
        "precision in which frozen weights are held; what is trained is float32",
        one_of=("float32", "bfloat16"),
        of="kind=pretrained train=lora,frozen",
    )
    gradient_checkpointing: bool = option(
        False, "compute activations again in the backward pass: less memory, a third more time", of="kind=pretrained"
    )
    context_tokens: int | None = option(
        None,
        "most tokens of a history with an item behind it; histories are cut by whole items; none: what the model reads",
        least=3,
        of="kind=pretrained",
    )
    initial_logits: float = option(
        0.5,
        "most that the logits of new tokens differ before training, their standard deviation in nats: all of them are "
        "multiplied by the number that makes it so",
        least=1e-6,
        of="kind=pretrained",
    )


@dataclass
class PolicyConfig(PolicySettings, SharedPolicySettings):  # Python has the fields of the last class first
    """The LLM recommender, or one of the baselines that it is compared with."""


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
    users: str = option(
        "all",
        "whose validation cases are scored: all, only those of users who picked no checkpoint of this policy, nor of "
        "what it started from (unseen), or those if there are any (auto)",
        one_of=("all", "unseen", "auto"),
        of="split=validation",
    )
    pick: str | None = option(
        None,
        "which of the checkpoints that a training kept is scored, by its metric in algo.also_select_by; none: that of "
        "algo.select_by",
    )
    windows: list[list[float]] = option([[0.0, 0.01], [0.01, 0.05]], "FPR windows [a, b] (--window a,b, repeatable)")
    ks: list[int] = option([1, 5, 10, 20, 50], "Top-K cut-offs (--k 1,5,10)")
    metrics: list[str] = option([], "further metrics, functions of your own: MODULE.FUNCTION or MODULE.FUNCTION@K")
    metric_code: dict[str, str] = option({}, "SHA-256 of the files of these functions; not to be given")
    ranks: str = option(
        "auto",
        "exact: full-catalogue scoring; beam: ranks beyond the width are censored; auto: exact where affordable",
        one_of=("auto", "exact", "beam"),
    )
    beam_width: int = option(50, "width for ranks=beam and for the recall check", least=1)
    exact_sample: int = option(
        0,
        "where ranks come from a beam: cases of a fixed random sample that are scored exactly, too, for AUC and the "
        "windows beyond the beam; 0 is none",
        least=0,
        of="ranks!=exact",
    )
    max_cases: int = option(0, "score a fixed random sample of this many cases; 0 is all", least=0)
    top_items: int = option(10, "best items kept per case in ranks.parquet", least=0)
    bootstrap: int = option(1000, "bootstrap samples over users", least=0, most=1_000_000)
    batch_size: int = option(64, "contexts scored together", least=1)
