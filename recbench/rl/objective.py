"""What a configuration aims at (its window, its metric, its rule for positives), and whether it makes sense."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from recbench.errors import UserError
from recbench.metrics.summary import window_text
from recbench.rl.windows import window_for_top_k, window_in_ranks
from recbench.schema import AlgoConfig, NegativesConfig


def positives_rule(config: AlgoConfig, negatives: NegativesConfig) -> str:
    """How positives enter groups: "injected", "on_policy" or "window"; `auto` resolved."""
    if config.positives != "auto":
        return config.positives
    if config.name == "tawin":
        return "window"
    return "on_policy" if negatives.kind in ("beam", "mixed") else "injected"


def uses_window(config: AlgoConfig, negatives: NegativesConfig) -> bool:
    """Whether groups need ranks: window weights, window negatives, or positives weighted by rank."""
    return "window" in (negatives.kind, positives_rule(config, negatives)) or config.name == "tawin"


def beam_width(config: AlgoConfig, negatives: NegativesConfig) -> int:
    """The beam width B: as given, or the group size."""
    return config.group_size if negatives.beam_width is None else negatives.beam_width


def context_windows(config: AlgoConfig, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Ends (lower, upper) in ranks, float64 [B], of the configured window for contexts with negatives [B] negatives.

    A Top-K window is one in ranks, so it stays put while n differs between contexts.
    """
    if config.top_k is None:
        assert config.window is not None
        return window_in_ranks((config.window[0], config.window[1]), negatives)
    lower = torch.full_like(negatives, max(1, config.top_k // 2) - 1, dtype=torch.float64)
    upper = torch.full_like(lower, -(-3 * config.top_k // 2))
    return lower, torch.minimum(upper, negatives.double())


def objective_window(
    config: AlgoConfig, negatives_config: NegativesConfig, negatives: int
) -> tuple[float, float] | None:
    """The FPR window [a, b] whose partial AUC the rule optimises, n = negatives; none for sft.

    random: (0, 1), AUC; beam and mixed: (0, B / n), as on-policy positives have it too; dns: (0, (G - 1) / M), for the
    best G - 1 of M drawn uniformly estimate that share of all negatives (OPAUC(beta) of arXiv 2302.03472); tawin, or
    window negatives: the configured window, for top_k the one of its ranks. arXiv 2604.22504; docs/methods.md, sections
    3 and 4.
    """
    if config.name == "sft":
        return None
    if config.name == "tawin" or negatives_config.kind == "window":
        if config.top_k is not None:
            return window_for_top_k(config.top_k, negatives)
        return None if config.window is None else (config.window[0], config.window[1])
    if negatives_config.kind == "random":
        return (0.0, 1.0)
    if negatives_config.kind == "dns":
        return (0.0, min(1.0, (config.group_size - 1) / min(negatives_config.pool, negatives)))
    return (0.0, min(1.0, beam_width(config, negatives_config) / negatives))


def objective_metric(config: AlgoConfig, negatives_config: NegativesConfig, negatives: int) -> str:
    """The metric that `select_by: target` means: "auc", "wpauc(a,b)", "hr@K" (top_k), or "ndcg@10" for sft."""
    window = objective_window(config, negatives_config, negatives)
    if window is None:
        return "ndcg@10"
    if config.top_k is not None and (config.name == "tawin" or negatives_config.kind == "window"):
        return f"hr@{config.top_k}"
    return "auc" if window == (0.0, 1.0) else f"wpauc({window_text(window)})"


def check_objective(config: AlgoConfig, negatives_config: NegativesConfig, catalogue_size: int) -> list[str]:
    """Notes for the reader of the run; raises UserError for settings that contradict each other or the catalogue."""
    count = catalogue_size - 1
    if config.name == "sft":
        return []
    if count < 1:
        raise UserError(f"a catalogue of {catalogue_size} items has no negatives: rl needs at least 2 items")
    width = beam_width(config, negatives_config)
    if negatives_config.kind in ("beam", "mixed"):
        needed = config.group_size - 1 if negatives_config.kind == "beam" else config.group_size // 2
        if width < needed:
            raise UserError(
                f"negatives.beam_width={width} cannot fill groups of algo.group_size={config.group_size}: "
                f"give a width of at least {needed}, or smaller groups"
            )
    if negatives_config.kind == "dns" and negatives_config.pool < config.group_size - 1:
        raise UserError(
            f"negatives.pool={negatives_config.pool} cannot fill groups of algo.group_size={config.group_size}: "
            f"give a pool of at least {config.group_size - 1}, or smaller groups"
        )
    if not uses_window(config, negatives_config):
        return []
    if negatives_config.kind == "dns":
        raise UserError(
            "negatives=dns keeps items with a probability that windows would need and nobody computes: "
            "use --neg=window, random, beam or mixed"
        )
    if config.window is not None and config.top_k is not None:
        raise UserError("algo.window and algo.top_k exclude each other: give one of --window and --top-k")
    if config.top_k is not None:
        if config.top_k > count:
            raise UserError(f"algo.top_k={config.top_k} is more than the {count} negatives: give at most {count}")
        lower, upper = (end * count for end in window_for_top_k(config.top_k, count))
        notes: list[str] = []
    else:
        lower, upper, notes = _check_window(config.window, count)
    if config.name == "tawin" and negatives_config.kind == "beam" and round(lower, 6) >= width:
        raise UserError(
            f"a beam of {width} does not reach a window that begins at rank {math.floor(lower + 1e-9) + 1}: "
            "use --neg=window or a wider negatives.beam_width"
        )
    return notes


def _check_window(window: Sequence[float] | None, count: int) -> tuple[float, float, list[str]]:
    """The window's ends in ranks, and a note if it is narrower than one negative."""
    if window is None:
        raise UserError("this rule needs a window: give --window a,b (0 <= a < b <= 1) or --top-k K")
    if len(window) != 2 or not 0.0 <= window[0] < window[1] <= 1.0:
        raise UserError(f"algo.window={list(window)} is no window [a, b] with 0 <= a < b <= 1")
    lower, upper = window[0] * count, window[1] * count
    if upper - lower < 1.0 - 1e-9:
        share = upper - lower
        return (
            lower,
            upper,
            [f"the window [{window[0]:g}, {window[1]:g}] is {share:.3g} of one negative of {count} wide"],
        )
    return lower, upper, []
