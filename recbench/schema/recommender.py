"""Configuration of the LLM recommender: item tokens, policy, training rules, `recbench train` and `recbench eval`."""

from dataclasses import dataclass, field

from recbench.schema.options import StageConfig, option


@dataclass
class ItemTokensConfig:
    """How an item is written as tokens."""

    kind: str = option("atomic", "how an item becomes tokens", one_of=("atomic", "semantic_ids", "given"))
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
class PolicyConfig:
    """The LLM recommender, or one of the baselines that it is compared with."""

    kind: str = option(
        "llama_small",
        "the LLM recommender (llama_small), a transformer trained by any rule (sasrec), matrix factorisation trained "
        "by bpr (bpr_mf), or a policy that is counted (popularity, item_knn)",
        one_of=("llama_small", "sasrec", "bpr_mf", "popularity", "item_knn"),
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
        0.4, "dropout on token embeddings while training", least=0, most=0.99, of="kind=llama_small,sasrec"
    )
    output_dropout: float = option(
        0.4, "dropout on the last hidden state while training", least=0, most=0.99, of="kind=llama_small,sasrec"
    )
    initial_embeddings: str = option(
        "random",
        "where token embeddings start: random, or vectors of the items under each token, made from titles and texts "
        "(text) or from training interactions (cooccurrence)",
        one_of=("random", "text", "cooccurrence"),
        of="kind=llama_small,sasrec",
    )
    initial_scale: float = option(
        0.05,
        "standard deviation of embeddings made from vectors; random ones start with 0.02",
        least=1e-6,
        of="initial_embeddings!=random",
    )
    history: int = option(30, "most recent items that the policy reads", least=1, of="kind=llama_small,sasrec,item_knn")
    block_dropout: float = option(
        0.0, "dropout on attention and on what each layer adds while training", least=0, most=0.99, of="kind=sasrec"
    )
    residual: str = option(
        "hidden",
        "what a layer adds to: the hidden state, all of which it reads normalised (hidden), or the normalised state "
        "with keys and values of the state itself, as in the code of the paper's authors (normed)",
        one_of=("hidden", "normed"),
        of="kind=sasrec",
    )
    sampled_negatives: int = option(
        0,
        "items that stand for the catalogue in SFT's cross-entropy, drawn uniformly at each step for all its targets; "
        "0 is the whole catalogue",
        least=0,
        of="kind=sasrec",
    )
    neighbours: int = option(100, "neighbours of each history item that get its vote (k)", least=1, of="kind=item_knn")
    shrinkage: float = option(10.0, "added to the cosine's denominator", least=0, of="kind=item_knn")
    recency: float = option(
        0.8, "weight of a vote relative to that of the next item", least=0, most=1, of="kind=item_knn"
    )


@dataclass
class NegativesConfig:
    """Which negatives join the positive in a group."""

    kind: str = option(
        "beam",
        "source of negatives: the whole catalogue uniformly (random), the policy's own beam, half of "
        "each (mixed), the best scored of a uniform pool (dns), or ranks inside the FPR window (window)",
        one_of=("random", "beam", "mixed", "dns", "window"),
    )
    beam_width: int | None = option(None, "beam width B; none: the group size", least=1, of="kind=beam,mixed")
    pool: int = option(
        150, "items drawn uniformly (M), of which the G - 1 of the highest scores stay", least=1, of="kind=dns"
    )
    exclude_seen: bool = option(False, "leave out items of the history that the policy reads")


@dataclass
class AlgoConfig:
    """The training rule: sft (next-item cross-entropy), grpo, tawin, or a published loss to compare them with."""

    name: str = option(
        "grpo",
        "training rule; bpr is for matrix factorisation, count for policies without weights",
        one_of=(
            "sft",
            "grpo",
            "tawin",
            "weighted_sft",
            "softmax_negatives",
            "dns",
            "llpauc",
            "sdpo",
            "rere",
            "bpr",
            "count",
        ),
    )
    # what is trained on
    interactions: str = option(
        "reserved",
        "which training interactions are targets: those of SFT (seen), those kept from it (reserved), or both (all)",
        one_of=("seen", "reserved", "all"),
    )
    contexts: str = option(
        "single",
        "contexts are read one by one (single), or a sequence's targets all in one pass, with batch_size counting "
        "sequences and one token an item (sequence)",
        one_of=("single", "sequence"),
        of="rule=rl,more_sft",
    )
    continues: str = option(
        "policy",
        "start from the policy that the input run chose (policy), or from where its training "
        "stood at the end, as if one training went on: weights, their average, the optimiser (training)",
        one_of=("policy", "training"),
        of="rule=rl,more_sft",
    )
    # optimisation
    epochs: float = option(
        30.0, "sft and bpr: passes over the training interactions", least=0, most=1_000_000, of="rule=sft,bpr"
    )
    steps: int = option(
        150, "optimiser steps of rl, and of sft that continues a checkpoint", least=0, of="rule=rl,more_sft"
    )
    batch_size: int = option(
        48,
        "sft and contexts=sequence: sequences a step; other rl: contexts; bpr: interactions",
        least=1,
        of="rule!=count",
    )
    micro_batch: int | None = option(
        None,
        "sequences, or contexts of rl, that are in memory at once; gradients add up to those of batch_size, of rl for "
        "one more pass; none: all",
        least=1,
        of=("rule=sft,more_sft", "rule=rl contexts=single rank_dropout=False"),
    )
    learning_rate: float = option(3e-4, "peak learning rate of AdamW", least=0, of="rule!=count")
    weight_decay: float = option(0.0, "AdamW's weight decay", least=0, of="rule!=count")
    warmup: float = option(0.05, "share of steps over which the learning rate rises", least=0, most=1, of="rule!=count")
    max_gradient_norm: float = option(1.0, "gradient norm is clipped here", least=0, of="rule!=count")
    schedule: str = option(
        "constant", "learning rate after the warm-up", one_of=("constant", "cosine"), of="rule!=count"
    )
    label_smoothing: float = option(
        0.0, "probability spread evenly over legal tokens", least=0, most=0.99, of="rule=sft,more_sft"
    )
    item_dropout: float = option(
        0.0,
        "share of history items left out of each sequence",
        least=0,
        most=0.99,
        of=("rule=sft,more_sft", "rule=rl contexts=sequence"),
    )
    weight_averaging: float = option(
        0.0,
        "decay a step of an exponential moving average of the weights, which is "
        "then what is evaluated and kept; 0 is off",
        least=0,
        most=0.99999,
        of="rule!=count",
    )
    # selection
    evaluate_every: int = option(
        25,
        "steps between validations; epochs for bpr and for an sft that is not counted in steps",
        least=1,
        of="rule!=count",
    )
    patience: int = option(
        0, "validations without improvement before stopping; 0 never stops early", least=0, of="rule!=count"
    )
    select_by: str = option(
        "target",
        "validation metric that picks the checkpoint: target (the one the rule optimises) or "
        "one of auc, ndcg@10, hr@K, wpauc(a,b)",
    )
    also_select_by: list[str] = option(
        [],
        "metrics by which checkpoints are kept beside that of select_by, for recbench eval pick=METRIC; what stops a "
        "training early is select_by alone",
        of="rule!=count",
    )
    validation_cases: int = option(1000, "validation cases scored at each validation; 0 is all", least=0)
    # groups and rewards (rl)
    group_size: int = option(16, "candidates a group, the positive included (G)", least=2, of="rule=rl")
    advantage: str = option(
        "population",
        "group standardisation of rewards",
        one_of=("population", "sample", "none"),
        of="rule=grpo,tawin,weighted_sft,rere",
    )
    advantage_epsilon: float = option(
        1e-4,
        "added to the standard deviation of rewards",
        least=0,
        of="rule=grpo,tawin,weighted_sft,rere advantage!=none",
    )
    positives: str = option(
        "auto",
        "injected: always in the group; on_policy: only if the beam found it; window: weighted "
        "by its rank (9); auto: on_policy for beam and mixed, window for tawin, else injected",
        one_of=("auto", "injected", "on_policy", "window"),
        of="rule=rl",
    )
    surrogate: str = option(
        "linear", "pairwise surrogate", one_of=("linear", "logistic", "sigmoid"), of="rule=grpo,tawin"
    )
    surrogate_temperature: float = option(
        1.0,
        "T of the logistic and sigmoid surrogates, and of softmax_negatives, in nats",
        least=1e-6,
        of=("rule=grpo,tawin surrogate=logistic,sigmoid", "rule=softmax_negatives"),
    )
    clip: float = option(0.2, "ratio clipping epsilon; 0 is off", least=0, of="rule=rl updates_per_rollout!=1")
    updates_per_rollout: int = option(
        1, "optimiser steps on each set of groups; of more_sft, on each batch", least=1, of="rule=rl,more_sft"
    )
    scale_size: int | None = option(
        None,
        "G of the scale c in (7), so that rules with other numbers of candidates pull alike; none: a context's own",
        least=2,
        of="rule=grpo,tawin,weighted_sft",
    )
    rl_weight: float = option(
        1.0,
        "weight of the rule's own loss beside the KL, SFT and replay terms; an optimiser that goes on from SFT's "
        "keeps its step sizes if terms are as large",
        least=0,
        of="rule=rl",
    )
    kl: float = option(0.0, "weight of the KL term to the frozen SFT policy", least=0, of="rule=rl")
    sft_weight: float = option(0.0, "weight of the SFT loss on the positives", least=0, of="rule=rl")
    replay_weight: float = option(
        0.0,
        "weight of the SFT loss on whole training sequences, interactions that SFT has seen among their targets",
        least=0,
        of="rule=rl,more_sft",
    )
    replay_batch: int = option(32, "sequences a step of replay", least=1, of="rule=rl,more_sft replay_weight!=0.0")
    dropout: bool = option(True, "dropout stays on in the gradient pass", of="rule=rl")
    rank_dropout: bool = option(
        False,
        "dropout stays on where groups are built, too, and with one token an item its masks are those of the "
        "gradient pass: interactions that SFT has learned by heart are ranked as if new",
        of="rule=rl",
    )
    # other losses
    l2: float = option(
        1e-3, "weight of the squared norms of the factors that an interaction reads", least=0, of="rule=bpr"
    )
    sdpo_beta: float = option(1.0, "weight of log-ratios to the frozen SFT policy", least=1e-6, of="rule=sdpo")
    llpauc_alpha: float = option(
        0.7, "share of positives, the best scored, that count", least=1e-3, most=1, of="rule=llpauc"
    )
    llpauc_beta: float = option(
        0.1, "share of negatives, the best scored, that count", least=1e-3, most=1, of="rule=llpauc"
    )
    rere_weight: float = option(1.0, "weight of the ranking reward of negatives; 0 is grpo", least=0, of="rule=rere")
    # windows (tawin, weighted_sft)
    window: list[float] | None = option(None, "FPR window [a, b] that is aimed at", of="rule=tawin,weighted_sft")
    top_k: int | None = option(
        None, "aim at Top-K; negatives of ranks floor(K/2) to ceil(3K/2)", least=1, of="rule=tawin,weighted_sft"
    )
    anchor: int | None = option(
        None,
        "aim at Top-K by its authors' weights: negatives count by how near their rank is to this one; with "
        "--neg=beam it is TAWin as published",
        least=1,
        of="rule=tawin",
    )
    anchor_temperature: float = option(
        1.0, "tau of the soft Top-K operator, in ranks", least=1e-6, of="rule=tawin anchor!=none"
    )
    anchor_count: int = option(1, "sum of the operator over a group's negatives", least=1, of="rule=tawin anchor!=none")
    weights: str = option(
        "window",
        "weights of negatives: those of the window, or those by which the ranks 1 to K enter a metric, as "
        "ndcg@10 or mrr@10, which then is the aim in place of a window",
        of="rule=tawin,weighted_sft",
    )
    context_reach: float = option(
        1.0,
        "contexts count whose positive ranks from a n / reach to b n x reach: 1 is the window itself",
        least=1,
        of="rule=tawin,weighted_sft positives=auto,window",
    )
    window_shape: str = option(
        "hard", "weights at the window's ends", one_of=("hard", "soft"), of="rule=tawin,weighted_sft"
    )
    window_temperature: float = option(
        0.5, "T of soft windows, in nats", least=1e-6, of="rule=tawin,weighted_sft window_shape=soft"
    )
    ranks: str = option(
        "exact",
        "where ranks come from: full-catalogue scoring (exact), a wide beam, or a beam or likely items and "
        "a sample of the rest, tracked over steps (estimated)",
        one_of=("exact", "beam", "estimated"),
        of="rule=tawin,weighted_sft",
    )
    threshold_beam: float = option(
        2.0,
        "beam width as a multiple of the window's last rank",
        least=1,
        of="rule=tawin,weighted_sft ranks=beam,estimated",
    )
    rank_head: int | None = option(
        None,
        "width of the beam or, with one token an item, items that were most often among the "
        "best before; none: an eighth of the catalogue, of a beam no more than with ranks=beam",
        least=1,
        of="rule=tawin,weighted_sft ranks=estimated",
    )
    rank_sample: int | None = option(
        None,
        "items drawn from the others; none: a tenth of the catalogue, but not more than a beam",
        least=1,
        of="rule=tawin,weighted_sft ranks=estimated",
    )
    rank_memory: float = option(
        0.95, "decay a step of what is tracked", least=0, most=0.99999, of="rule=tawin,weighted_sft ranks=estimated"
    )


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
