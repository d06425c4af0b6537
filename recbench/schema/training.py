"""Configuration of training rules and of their negatives: the nodes `algo`, `sft` and `negatives`.

A class here has the settings of one concern, which several rules share; a rule says in `reads` which of them have an
effect for it. What one rule or one source of negatives has for itself stands in its module, below `recbench.rl.rules`
or `recbench.rl.sources`. All of them together are the keys of one node, in the order of the classes at the end.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbench.kinds import settings_of_kinds
from recbench.option import option
from recbench.schema.kinds import RULE_KINDS, SOURCE_KINDS

if TYPE_CHECKING:  # their fields are not known before the program runs: `recbench.kinds.own` gives them their types

    class RuleSettings:
        """The own settings of all rules."""

    class SourceSettings:
        """The own settings of all sources of negatives."""
else:
    RuleSettings = settings_of_kinds("RuleSettings", RULE_KINDS, "rule")
    SourceSettings = settings_of_kinds("SourceSettings", SOURCE_KINDS, "kind")


@dataclass
class RuleChoice:
    """Which rule."""

    name: str = option(
        "grpo",
        "training rule; bpr is for matrix factorisation, count for policies without weights",
        one_of=tuple(RULE_KINDS),
    )


@dataclass
class TargetSettings:
    """What is trained on."""

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


@dataclass
class OptimisationSettings:
    """How long, and by which steps."""

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


@dataclass
class SelectionSettings:
    """Which checkpoint is kept."""

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


@dataclass
class GroupSettings:
    """Groups, their rewards, and the terms of the loss beside the rule's own."""

    group_size: int = option(16, "candidates a group, the positive included (G)", least=2, of="rule=rl")
    advantage: str = option(
        "population",
        "group standardisation of rewards",
        one_of=("population", "sample", "none"),
        of="reads=advantage",
    )
    advantage_epsilon: float = option(
        1e-4,
        "added to the standard deviation of rewards",
        least=0,
        of="reads=advantage advantage!=none",
    )
    positives: str = option(
        "auto",
        "injected: always in the group; on_policy: only if the beam found it; window: weighted "
        "by its rank (9); auto: on_policy for beam and mixed, window for tawin, else injected",
        one_of=("auto", "injected", "on_policy", "window"),
        of="rule=rl",
    )
    surrogate: str = option(
        "linear", "pairwise surrogate", one_of=("linear", "logistic", "sigmoid"), of="reads=surrogate"
    )
    surrogate_temperature: float = option(
        1.0,
        "T of the logistic and sigmoid surrogates, and of softmax_negatives, in nats",
        least=1e-6,
        of=("reads=surrogate surrogate=logistic,sigmoid", "reads=temperature"),
    )
    clip: float = option(0.2, "ratio clipping epsilon; 0 is off", least=0, of="rule=rl updates_per_rollout!=1")
    updates_per_rollout: int = option(
        1, "optimiser steps on each set of groups; of more_sft, on each batch", least=1, of="rule=rl,more_sft"
    )
    scale_size: int | None = option(
        None,
        "G of the scale c in (7), so that rules with other numbers of candidates pull alike; none: a context's own",
        least=2,
        of="reads=scale",
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


@dataclass
class FactorSettings:
    """Matrix factorisation, which has no groups."""

    l2: float = option(
        1e-3, "weight of the squared norms of the factors that an interaction reads", least=0, of="rule=bpr"
    )


@dataclass
class AimSettings:
    """The window that a windowed rule aims at."""

    window: list[float] | None = option(None, "FPR window [a, b] that is aimed at", of="reads=window")
    top_k: int | None = option(
        None, "aim at Top-K; negatives of ranks floor(K/2) to ceil(3K/2)", least=1, of="reads=window"
    )


@dataclass
class AnchorSettings:
    """TAWin's weights as its authors have them: (27) of docs/methods.md."""

    anchor: int | None = option(
        None,
        "aim at Top-K by its authors' weights: negatives count by how near their rank is to this one; with "
        "--neg=beam it is TAWin as published",
        least=1,
        of="reads=anchor",
    )
    anchor_temperature: float = option(
        1.0, "tau of the soft Top-K operator, in ranks", least=1e-6, of="reads=anchor anchor!=none"
    )
    anchor_count: int = option(
        1, "sum of the operator over a group's negatives", least=1, of="reads=anchor anchor!=none"
    )


@dataclass
class WindowSettings:
    """Weights inside a window."""

    weights: str = option(
        "window",
        "weights of negatives: those of the window, or those by which the ranks 1 to K enter a metric, as "
        "ndcg@10 or mrr@10, which then is the aim in place of a window",
        of="reads=window",
    )
    context_reach: float = option(
        1.0,
        "contexts count whose positive ranks from a n / reach to b n x reach: 1 is the window itself",
        least=1,
        of="reads=window positives=auto,window",
    )
    window_shape: str = option("hard", "weights at the window's ends", one_of=("hard", "soft"), of="reads=window")
    window_temperature: float = option(
        0.5, "T of soft windows, in nats", least=1e-6, of="reads=window window_shape=soft"
    )


@dataclass
class RankSettings:
    """Where ranks come from."""

    ranks: str = option(
        "exact",
        "where ranks come from: full-catalogue scoring (exact), a wide beam, or a beam or likely items and "
        "a sample of the rest, tracked over steps (estimated)",
        one_of=("exact", "beam", "estimated"),
        of="reads=window",
    )
    threshold_beam: float = option(
        2.0,
        "beam width as a multiple of the window's last rank",
        least=1,
        of="reads=window ranks=beam,estimated",
    )
    rank_head: int | None = option(
        None,
        "width of the beam or, with one token an item, items that were most often among the "
        "best before; none: an eighth of the catalogue, of a beam no more than with ranks=beam",
        least=1,
        of="reads=window ranks=estimated",
    )
    rank_sample: int | None = option(
        None,
        "items drawn from the others; none: a tenth of the catalogue, but not more than a beam",
        least=1,
        of="reads=window ranks=estimated",
    )
    rank_memory: float = option(
        0.95, "decay a step of what is tracked", least=0, most=0.99999, of="reads=window ranks=estimated"
    )


@dataclass
class AlgoConfig(  # Python has the fields of the last class first
    RankSettings,
    WindowSettings,
    AnchorSettings,
    AimSettings,
    RuleSettings,
    FactorSettings,
    GroupSettings,
    SelectionSettings,
    OptimisationSettings,
    TargetSettings,
    RuleChoice,
):
    """The training rule: sft (next-item cross-entropy), grpo, tawin, or a published loss to compare them with."""


@dataclass
class SourceChoice:
    """Which source of negatives, and its beam."""

    kind: str = option(
        "beam",
        "source of negatives: the whole catalogue uniformly (random), the policy's own beam, half of "
        "each (mixed), the best scored of a uniform pool (dns), or ranks inside the FPR window (window)",
        one_of=tuple(SOURCE_KINDS),
    )
    beam_width: int | None = option(None, "beam width B; none: the group size", least=1, of="reads=beam")


@dataclass
class SeenSettings:
    """Items that are no negatives."""

    exclude_seen: bool = option(False, "leave out items of the history that the policy reads")


@dataclass
class NegativesConfig(SeenSettings, SourceSettings, SourceChoice):
    """Which negatives join the positive in a group."""
