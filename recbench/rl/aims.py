"""What a configuration aims at (its window, its metric, its rule for positives), and whether it makes sense."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from recbench.errors import UserError
from recbench.metrics.fpr_window import check_window, window_text
from recbench.metrics.windows import rank_of, window_width
from recbench.rl.rules import rule_of
from recbench.rl.rules.interface import aims_given
from recbench.rl.sources import source_of
from recbench.rl.sources.interface import beam_width
from recbench.rl.windows import window_for_top_k, window_in_ranks
from recbench.schema import AlgoConfig, NegativesConfig

__all__ = ["beam_width", "check_objective", "context_windows", "objective_metric", "objective_window"]


def positives_rule(config: AlgoConfig, negatives: NegativesConfig) -> str:
    """How positives enter groups: "injected", "on_policy" or "window"; `auto` resolved."""
    if config.positives != "auto":
        return config.positives
    return rule_of(config).positives(config, source_of(negatives))


def needs_reference(config: AlgoConfig) -> bool:
    """Whether the loss compares with the frozen SFT policy: by its KL term, or by the rule's own."""
    return config.kl > 0 or rule_of(config).needs_reference


def uses_window(config: AlgoConfig, negatives: NegativesConfig) -> bool:
    """Whether groups need ranks: window weights, window negatives, or positives weighted by rank."""
    weighted = positives_rule(config, negatives) == "window"
    return weighted or source_of(negatives).of_window or rule_of(config).windowed


def weighted_metric(config: AlgoConfig) -> tuple[str, int] | None:
    """The metric and K that `algo.weights` names, such as ("ndcg", 10); none where a window gives the weights."""
    name, _, cutoff = config.weights.partition("@")
    return (name, int(cutoff)) if cutoff else None


def targeted_k(config: AlgoConfig) -> int | None:
    """The K of HR@K that `algo.top_k` or `algo.anchor` aims at; none where a window or a metric is the aim."""
    return config.top_k if config.anchor is None else config.anchor


def context_windows(config: AlgoConfig, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Ends (lower, upper) in ranks, float64 [B], of the configured window for contexts with negatives [B] negatives.

    A Top-K window, which an anchor has, too, is one in ranks, so it stays put while n differs between contexts; so are
    ranks 1 to K, on which a metric@K rests.
    """
    metric, k = weighted_metric(config), targeted_k(config)
    if metric is not None:
        upper = negatives.double().clamp(max=metric[1])
        return torch.zeros_like(upper), upper
    if k is None:
        assert config.window is not None
        return window_in_ranks((config.window[0], config.window[1]), negatives)
    lower = torch.full_like(negatives, max(1, k // 2) - 1, dtype=torch.float64)
    upper = torch.full_like(lower, -(-3 * k // 2))
    return lower, torch.minimum(upper, negatives.double())


def ranking_beam(config: AlgoConfig, catalogue_size: int) -> int:
    """Width of the beam of ranks=beam: threshold_beam times the window's last rank, and one for the positive.

    At least one negative beyond the window, which t_b needs.
    """
    _, upper = context_windows(config, torch.tensor([catalogue_size - 1]))
    last = int(upper.ceil())
    return max(round(config.threshold_beam * last), last + 1) + 1


def estimation_sizes(config: AlgoConfig, catalogue_size: int, searches: bool) -> tuple[int, int]:
    """Items of the head and of the sample of ranks=estimated, as given or by default.

    An eighth and a tenth of the catalogue; where a beam `searches`, no more than the width of ranks=beam each.
    """
    head, sample = -(-catalogue_size // 8), -(-catalogue_size // 10)
    if searches:
        head = min(head, ranking_beam(config, catalogue_size))
        sample = min(sample, head)
    head = head if config.rank_head is None else config.rank_head
    return head, sample if config.rank_sample is None else config.rank_sample


def objective_window(
    config: AlgoConfig, negatives_config: NegativesConfig, negatives: int
) -> tuple[float, float] | None:
    """The FPR window [a, b] whose partial AUC the rule optimises, n = negatives; none for a listwise rule.

    That of the source of negatives, or the configured one where the rule weighs by it or its negatives are drawn from
    it: for top_k and anchor the one of their ranks, for a metric@K (0, K / n). arXiv 2604.22504; docs/methods.md,
    sections 3 and 4.
    """
    if rule_of(config).listwise:
        return None
    if not _is_configured(config, negatives_config):
        return source_of(negatives_config).window(negatives_config, config, negatives)
    metric, k = weighted_metric(config), targeted_k(config)
    if metric is not None:
        return (0.0, min(1.0, metric[1] / negatives))
    if k is not None:
        return window_for_top_k(k, negatives)
    return None if config.window is None else (config.window[0], config.window[1])


def _is_configured(config: AlgoConfig, negatives_config: NegativesConfig) -> bool:
    """Whether the settings say the window that is optimised, and not the source of negatives."""
    return rule_of(config).windowed or source_of(negatives_config).of_window


def objective_metric(config: AlgoConfig, negatives_config: NegativesConfig, negatives: int) -> str:
    """The metric that `select_by: target` means.

    "auc", "wpauc(a,b)", "hr@K" for top_k and anchor, the metric of `weights` where it names one, or "ndcg@10" without
    a window.
    """
    window = objective_window(config, negatives_config, negatives)
    if window is None:
        return "ndcg@10"
    if _is_configured(config, negatives_config):
        if weighted_metric(config) is not None:
            return config.weights
        if (k := targeted_k(config)) is not None:
            return f"hr@{k}"
    return "auc" if window == (0.0, 1.0) else f"wpauc({window_text(window)})"


def picker_metric(name: str, config: AlgoConfig, negatives_config: NegativesConfig, negatives: int) -> str:
    """The metric that `select_by=name` means: `objective_metric` for target, else itself."""
    return objective_metric(config, negatives_config, negatives) if name == "target" else name


def check_objective(config: AlgoConfig, negatives_config: NegativesConfig, catalogue_size: int) -> list[str]:
    """Notes for the reader of the run; raises UserError for settings that contradict each other or the catalogue."""
    count, rule, source = catalogue_size - 1, rule_of(config), source_of(negatives_config)
    if not rule.grouped:
        return []
    if count < 1:
        raise UserError(f"a catalogue of {catalogue_size} items has no negatives: rl needs at least 2 items")
    rule.check_places(source)
    source.check(negatives_config, config)
    if not uses_window(config, negatives_config):
        return []
    if source.without_inclusion is not None:
        raise UserError(source.without_inclusion)
    check_aim(config)
    metric = weighted_metric(config)
    key = "algo.top_k" if config.anchor is None else "algo.anchor"
    key, k = (key, targeted_k(config)) if metric is None else ("the K of algo.weights", metric[1])
    if k is not None and k > count:
        raise UserError(f"{key}={k} is more than the {count} negatives: give at most {count}")
    notes: list[str] = []
    if metric is not None:
        lower = 0.0
    elif k is not None:
        lower = float(rank_of(window_for_top_k(k, count)[0], count))
    else:
        assert config.window is not None
        lower, notes = _begins(config.window, count)
    reach = source.reach(negatives_config, config)
    if rule.windowed and reach is not None and round(lower, 6) >= reach:
        raise UserError(
            f"a beam of {reach} does not reach a window that begins at rank {math.floor(lower + 1e-9) + 1}: "
            "use --neg=window or a wider negatives.beam_width"
        )
    return notes


def check_aim(config: AlgoConfig) -> None:
    """Raises UserError unless exactly one of window, top_k, anchor and weights says what a windowed rule aims at."""
    given = aims_given(config)
    if not given:
        raise UserError(
            "this rule needs a window: give --window a,b (0 <= a < b <= 1), --top-k K, --anchor K or --weights ndcg@K"
        )
    if len(given) > 1:
        flags = " and ".join("--" + name.replace("_", "-") for name in given)
        raise UserError(f"{flags} exclude each other: each is an aim of its own, give one")


def _begins(window: Sequence[float], count: int) -> tuple[float, list[str]]:
    """The window's beginning in ranks, and a note if it is narrower than one negative."""
    check_window(window, f"algo.window={list(window)}")
    lower, share = float(rank_of(window[0], count)), float(window_width(count, window))
    if share < 1.0 - 1e-9:
        return lower, [f"the window [{window[0]:g}, {window[1]:g}] is {share:.3g} of one negative of {count} wide"]
    return lower, []
