"""Configuration of the caption chain: `recbench caption`, `tokenize`, `ctr` and `simulate`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recbench.kinds import modules_of, settings_of_kinds
from recbench.option import option
from recbench.schema.kinds import CAPTIONER_KINDS, FEATURE_KINDS
from recbench.schema.options import StageConfig

if TYPE_CHECKING:  # its fields are not known before the program runs: `recbench.kinds.own` gives them their types

    class CaptionerSettings:
        """The own settings of captioners."""

    class FeatureSettings:
        """The settings of all kinds of features."""
else:
    CaptionerSettings = settings_of_kinds("CaptionerSettings", CAPTIONER_KINDS, "kind")
    FeatureSettings = settings_of_kinds("FeatureSettings", FEATURE_KINDS, "kinds")

# where settings of a captioner have an effect
TRAINED_HERE = "kind=llava_small path=none"
FROM_SCRATCH = f"{TRAINED_HERE} language_model=none"
CHECKPOINT = ("reads=checkpoint", "fallback=text")
GENERATES = ("reads=generation", "fallback=text")


@dataclass
class CaptionerOptions:
    """Settings that captioners share, and those of the first ones."""

    kind: str = option(
        "llava_small",
        "file: captions you have; llava_small: a small LLaVA, trained here when it has no checkpoint; llava: any "
        "image-text-to-text checkpoint; endpoint: an OpenAI-compatible server; text: a causal LM, from texts alone",
        one_of=tuple(CAPTIONER_KINDS),
    )
    path: str | None = option(
        None,
        "file: csv or parquet with columns item, caption; llava_small, llava, text: checkpoint folder or hub name",
        of="reads=path",
    )
    item_column: str = option("item", "the file's column of items", of="kind=file")
    caption_column: str = option("caption", "the file's column of captions", of="kind=file")
    prompt: str = option(
        "Describe the item in one sentence.",
        "template: {title}, {text} and every catalogue column may stand in it",
        of="reads=prompt",
    )
    batch_size: int = option(32, "items captioned together", least=1)
    max_tokens: int = option(
        64,
        "longest caption, in tokens; llava_small learns from as many of a reference",
        least=1,
        of=GENERATES,
    )
    temperature: float = option(
        0.0,
        "sampling temperature; 0 decodes greedily",
        least=0,
        of=GENERATES,
    )
    fallback: str = option(
        "skip",
        "items whose picture is missing or broken, or that fail for good: skip (listed), fields (title and fields in "
        "words), text (a causal LM from captioner.fallback_path)",
        one_of=("skip", "fields", "text"),
    )
    fallback_path: str | None = option(None, "checkpoint folder or hub name of the causal LM", of="fallback=text")
    fallback_prompt: str = option(
        "Describe this product in one sentence. {title}. {text}", "template, as captioner.prompt", of="fallback=text"
    )
    max_pixels: int = option(50_000_000, "larger pictures are refused undecoded: they are bombs, or mistakes", least=1)
    longest_side: int = option(1024, "larger pictures are scaled down to this many pixels a side", least=16)
    pictures: int = option(
        1, "most pictures of an item that are read, where the catalogue lists several", least=1, of="reads=pictures"
    )
    frames: int = option(
        0,
        "frames read of a video (.mp4, .webm, .mkv; pip install recbench[video]) or an animation (.gif), evenly spaced "
        "from the first; 0: videos are left out, and an animation is its first frame",
        least=0,
        of="reads=pictures",
    )
    shard_size: int = option(256, "items a shard; a killed run resumes at the first missing shard", least=1)
    price_per_million_tokens: float | None = option(
        None, "--estimate: price of a million tokens, read and written", least=0
    )
    # checkpoints: llava, text
    dtype: str = option(
        "auto",
        "weights in memory",
        one_of=("auto", "float32", "bfloat16", "float16"),
        of=CHECKPOINT,
    )
    device_map: str | None = option(
        None,
        "accelerate's device map, such as auto; none: all on the stage's device",
        of=CHECKPOINT,
    )
    four_bit: bool = option(False, "load in four bits (needs bitsandbytes and a GPU)", of=CHECKPOINT)
    trust_remote_code: bool = option(
        False,
        "run code that comes with a hub checkpoint; only if you trust it",
        of=CHECKPOINT,
    )
    # endpoint
    url: str | None = option(None, "base address, such as http://localhost:8000/v1", of="kind=endpoint")
    model: str | None = option(None, "name of the model that the server serves", of="kind=endpoint")
    key_variable: str | None = option(
        None, "environment variable that holds the API key, or a whole `Basic ...`", of="kind=endpoint"
    )
    concurrency: int = option(8, "requests in flight", least=1, of="kind=endpoint")
    timeout: float = option(60.0, "seconds to wait for an answer", least=0.001, of="kind=endpoint")
    most_failures: int = option(
        16,
        "endpoint: items in a row that may fail after all their tries; then the run stops, and --resume asks for what "
        "is missing (twice concurrency: one hiccup is not the end); 0 never stops",
        least=0,
    )
    retries: int = option(6, "tries after the first, with exponential back-off", least=0, of="kind=endpoint")
    back_off: float = option(0.5, "seconds before the first retry; doubles with each", least=0, of="kind=endpoint")
    # llava_small: which items it learns from
    folds: int | None = option(
        None,
        "items are cut into this many folds, variants (data.family) together, and the first is not learned from; 1: "
        "no fold is kept; none: 3 where more than half of the items have reference captions, else 1",
        least=1,
        of=TRAINED_HERE,
    )
    cross_fit: bool = option(
        False,
        "train one captioner a fold on the others, so that no item is captioned by one that saw its text",
        of=TRAINED_HERE,
    )
    # llava_small: architecture
    connector: str = option(
        "mlp",
        "between vision tower and language model. mlp: each patch becomes a token; qformer: learned queries read the "
        "patches, as in BLIP-2, and become the tokens",
        one_of=("mlp", "qformer"),
        of=TRAINED_HERE,
    )
    queries: int = option(
        16, "queries of the Q-Former: tokens a picture", least=1, of=f"{TRAINED_HERE} connector=qformer"
    )
    language_model: str | None = option(
        None,
        "folder of the causal LM that the language model starts from, with its tokenizer: Llama, Qwen2, GPT-NeoX, ...; "
        "none: a small LLaMA with random weights and a tokenizer of words",
        of=TRAINED_HERE,
    )
    train_language: str = option(
        "full",
        "what is trained of it, beside vision tower and connector. frozen: nothing; lora: matrices of rank 8 beside "
        "its linear layers, added to them at the end; full: all its weights",
        one_of=("frozen", "lora", "full"),
        of=f"{TRAINED_HERE} language_model!=none",
    )
    image_size: int = option(64, "pixels a side", least=8, of=TRAINED_HERE)
    patch_size: int = option(8, "pixels a side of a vision patch; divides image_size", least=1, of=TRAINED_HERE)
    vision_layers: int = option(3, "layers of the vision tower", least=1, of=TRAINED_HERE)
    language_layers: int = option(3, "layers of the language model", least=1, of=FROM_SCRATCH)
    width: int = option(128, "hidden width of both; a multiple of the heads", least=8, of=TRAINED_HERE)
    heads: int = option(4, "attention heads of both", least=1, of=TRAINED_HERE)
    least_word_count: int = option(3, "rarer words of the reference captions are unknown", least=1, of=FROM_SCRATCH)
    # llava_small: training
    epochs: float = option(14.0, "passes over the captioned pictures", least=0, most=1_000_000, of=TRAINED_HERE)
    training_batch: int = option(64, "pictures a step", least=1, of=TRAINED_HERE)
    learning_rate: float = option(
        2e-3, "peak learning rate of AdamW: embeddings, norms, biases, LoRA", least=0, of=TRAINED_HERE
    )
    matrix_learning_rate: float = option(
        0.02, "peak learning rate of Muon: the matrices of the layers", least=0, of=TRAINED_HERE
    )
    weight_decay: float = option(0.005, "Muon's weight decay", least=0, of=TRAINED_HERE)
    dropout: float = option(0.0, "dropout of attention weights while training", least=0, most=0.99, of=TRAINED_HERE)
    augmentation: float = option(
        0.1,
        "pictures are mirrored, stretched and moved by up to this share of a side; 0 shows them as they are",
        least=0,
        most=0.5,
        of=TRAINED_HERE,
    )
    patch_share: float = option(
        0.5,
        "share of a picture's patches that a step reads, drawn anew each time: cheaper, and regularises; the last "
        "fifth of the steps reads all",
        least=0.01,
        most=1,
        of=TRAINED_HERE,
    )
    description_weight: float = option(
        0.3,
        "weight of the tokens after a reference's first sentence, in which its attributes are",
        least=0,
        most=1,
        of=TRAINED_HERE,
    )
    least_steps: int = option(300, "optimiser steps at least, however few pictures there are", least=0, of=TRAINED_HERE)
    checkpoint_steps: int = option(
        50,
        "steps between the states that an interrupted training continues from",
        least=1,
        of=TRAINED_HERE,
    )
    training_precision: str = option(
        "auto",
        "bfloat16 autocast or float32; auto: bfloat16 on GPUs that have it, float32 on every CPU",
        one_of=("auto", "float32", "bfloat16"),
        of=TRAINED_HERE,
    )


@dataclass
class CaptionerConfig(CaptionerSettings, CaptionerOptions):
    """Who writes the captions."""


@dataclass
class FeatureChoice:
    """Which kinds of features."""

    kinds: list[str] = option(
        ["words"], "any of tokens, words, hashed, semantic_ids, clusters", one_of=tuple(FEATURE_KINDS)
    )


@dataclass
class FeaturesConfig(FeatureSettings, FeatureChoice):
    """Which categorical columns captions become."""


@dataclass
class CtrModelConfig:
    """The click model and how it is trained."""

    kind: str = option(
        "deepfm",
        "architecture",
        one_of=modules_of("recbench.ctr.models"),
    )
    embedding_size: int = option(16, "dimensions of an embedding", least=1, of="kind!=lr")
    hidden: list[int] = option([128, 64], "widths of the deep part", of="kind!=lr,fm")
    layers: int = option(3, "dcnv2: cross layers; autoint: attention layers", least=1, of="kind=dcnv2,autoint")
    heads: int = option(2, "autoint, finalmlp: heads", least=1, of="kind=autoint,finalmlp")
    dropout: float = option(0.2, "dropout in the deep part", least=0, most=0.99, of="kind!=lr,fm")
    pooling: str = option("sum", "of multi-valued columns", one_of=("mean", "sum", "attention"))
    history: int = option(0, "the user's last clicked items that it reads", least=0, of="kind=din")
    shared_query: bool = option(
        True, "an item has the same embeddings as query item and as candidate: inner products then tell likeness"
    )
    least_count: int = option(1, "ids in fewer training impressions are out of vocabulary", least=1)
    id_dropout: float = option(
        0.1, "share of training ids read as out of vocabulary, so that the model knows unseen ones", least=0, most=0.99
    )
    # optimisation
    epochs: int = option(30, "most passes over the training impressions", least=0)
    patience: int = option(3, "epochs without a better validation AUC before stopping; 0 never stops early", least=0)
    batch_size: int = option(256, "impressions a step; thousands for millions of impressions", least=1)
    learning_rate: float = option(3e-3, "Adam's learning rate", least=0)
    plateau_factor: float = option(
        0.1, "learning rate is multiplied by it after an epoch without a better AUC", least=0
    )
    embedding_decay: float = option(
        3e-4,
        "L2: adds half of it times the sum of squared embeddings (sparse_updates: of those read) to a step's loss",
        least=0,
    )
    sparse_updates: bool = option(False, "update only the embeddings that a batch reads: for tables of millions")


@dataclass
class CaptionStageConfig(StageConfig):
    """recbench caption"""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    precision: str = option("float32", "autocast precision on an accelerator", one_of=("float32", "bfloat16"))
    resume: str | None = option(None, "continue this interrupted run (--resume)")
    sheet_items: int = option(24, "pictures on the contact sheet; 0 draws none", least=0)
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)


@dataclass
class TokenizeStageConfig(StageConfig):
    """recbench tokenize"""

    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)  # how captions are made when there are none
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass
class CtrStageConfig(StageConfig):
    """recbench ctr"""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    precision: str = option("float32", "autocast precision on an accelerator", one_of=("float32", "bfloat16"))
    resume: str | None = option(None, "continue this interrupted run (--resume)")
    seeds: list[int] = option([0], "every arm is trained once with each (--seeds 0,1,2)")
    arms: list[str] = option(
        ["without", "with", "shuffled"],
        "without captions, with them, and with captions shuffled between items, the control",
        one_of=("without", "with", "shuffled"),
    )
    columns: str = option(
        "fields",
        "what every arm reads beside captions: ids (of user, item and query), or fields: also data.fields, "
        "data.user_fields and the context",
        one_of=("ids", "fields"),
    )
    windows: list[list[float]] = option([[0.0, 0.01], [0.01, 0.05]], "FPR windows [a, b] (--window a,b, repeatable)")
    ks: list[int] = option([1, 5, 10], "Top-K cut-offs among a user's impressions (--k 1,5,10)")
    cold: int = option(5, "an item with at most this many training impressions is cold", least=0)
    latency_batch: int = option(1024, "impressions a batch whose scoring is timed", least=1, of="latency_repeats!=0")
    latency_repeats: int = option(200, "batches timed an arm; 0 times none", least=0)
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    ctr: CtrModelConfig = field(default_factory=CtrModelConfig)


@dataclass
class SimulateStageConfig(StageConfig):
    """recbench simulate"""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    a: str = option("without", "control: an arm of the ctr run, or RUN:ARM")
    b: str = option("with", "treatment: an arm of the ctr run, or RUN:ARM")
    visits: int = option(20, "visits a user", least=1, of="data.source=bazaar")
    candidates: int = option(50, "items that a visit's candidate set holds", least=1, of="data.source=bazaar")
    shown: int = option(5, "top items of the candidate set that are shown", least=1, of="data.source=bazaar")
    lift: float = option(0.0002, "relative lift whose sample size is reported", least=1e-9, of="data.source=bazaar")
    temperature: float = option(
        0.1, "the policy shows items by softmax(log-odds / temperature); 0 is greedy", least=0, of="data.source!=bazaar"
    )
    bootstrap: int = option(1000, "bootstrap samples over rounds", least=0, most=1_000_000, of="data.source!=bazaar")
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    ctr: CtrModelConfig = field(default_factory=CtrModelConfig)
